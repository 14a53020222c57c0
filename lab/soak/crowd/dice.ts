export function between(least: number, most: number): number {
  return least + Math.random() * (most - least)
}

export function oneOf<Item>(items: readonly Item[]): Item {
  return items[Math.floor(Math.random() * items.length)]!
}

/** One of them, each as often as its weight says. */
export function weighted<Item>(items: readonly (readonly [weight: number, item: Item])[]): Item {
  let rest = Math.random() * items.reduce((sum, [weight]) => sum + weight, 0)
  for (const [weight, item] of items) {
    rest -= weight
    if (rest < 0) return item
  }
  return items.at(-1)![1]
}
