/** What a promise comes to, or `failure` where it takes longer than `wait` ms. What it does meanwhile goes on. */
export function withDeadline<T>(promise: Promise<T>, wait: number, failure: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(failure()), wait)
    promise.then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}
