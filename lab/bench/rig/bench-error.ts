/** Something that makes a measurement worthless. Its message is one sentence, for whoever ran it. */
export class BenchError extends Error {
  override readonly name = 'BenchError'
}
