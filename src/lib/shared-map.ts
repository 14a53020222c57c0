/**
 * A `WeakMap` that all copies of this package in the process share: an application may load two, in a monorepo or
 * because a tool compiles some of its files to CommonJS. The objects themselves stay as they are; they may be sealed.
 *
 * @param name MUST stay the same in every version, as must the shape of the values
 */
export function sharedMap<V>(name: string): WeakMap<object, V> {
  const owner = globalThis as { [key: symbol]: WeakMap<object, V> | undefined }
  return (owner[Symbol.for(`flotilla.${name}`)] ??= new WeakMap())
}
