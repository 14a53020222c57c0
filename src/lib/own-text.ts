/** V8 copies substrings that are shorter than this (`SlicedString::kMinLength`). */
const MIN_VIEW = 13

/**
 * Copies a text into memory of its own. In V8 a substring is a view of the text that it was cut from and keeps all of
 * that in memory: a uid cut from a header of 15 kB takes 15 kB. Use this for every text from a client that outlives its
 * request.
 */
export function ownText<T extends string>(text: T): T {
  return text.length < MIN_VIEW ? text : (Buffer.from(text).toString() as T)
}
