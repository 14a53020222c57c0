// Loaded before a node's own code: tells its memory to the process that started it, after a full collection.
process.on('message', (/** @type {{ id: number }} */ { id }) => {
  // Twice, for what the first one finalized.
  globalThis.gc?.()
  globalThis.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  process.send?.({ id, rss, heap: heapUsed + external })
})
// The node must be able to end although somebody may still ask.
process.channel?.unref()
