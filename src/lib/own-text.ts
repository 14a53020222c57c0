/** Shorter substrings V8 copies (`SlicedString::kMinLength`). */
const MIN_VIEW = 13

/**
 * The same text in memory of its own. V8 makes a substring a view of the text that it was cut from, and keeps the whole of
 * that: a uid cut from a header of 15 kB takes 15 kB. To be called for what a client sent and that outlives the request.
 */
export function ownText<T extends string>(text: T): T {
  return text.length < MIN_VIEW ? text : (Buffer.from(text).toString() as T)
}
