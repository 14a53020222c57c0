// Loaded before the node's own code. When asked, it tells the process that started the node how much memory the node
// uses after a full collection.
process.on('message', (/** @type {{ id: number }} */ { id }) => {
  // Collected twice, because the first collection runs finalizers that release more.
  globalThis.gc?.()
  globalThis.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  process.send?.({ id, rss, heap: heapUsed + external })
})
// The open channel must not keep the node from ending.
process.channel?.unref()
