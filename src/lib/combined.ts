type All<Part> = (Part extends unknown ? (part: Part) => void : never) extends (all: infer Every) => void
  ? Every
  : never

/** One object that has the methods of all its parts, each bound to its part, and their public fields. */
export function combined<const Parts extends readonly object[]>(...parts: Parts): All<Parts[number]> {
  const all: Record<string, unknown> = {}
  for (const part of parts) {
    for (const name of namesIn(part)) {
      const member: unknown = Reflect.get(part, name)
      if (member !== undefined) all[name] = typeof member === 'function' ? (member.bind(part) as unknown) : member
    }
  }
  return all as All<Parts[number]>
}

function namesIn(part: object): readonly string[] {
  const prototype = Object.getPrototypeOf(part) as object
  const methods = prototype === Object.prototype ? [] : Object.getOwnPropertyNames(prototype)
  return [...Object.keys(part), ...methods.filter((name) => name !== 'constructor')]
}
