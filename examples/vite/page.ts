/// <reference types="vite/client" />
const socket = new WebSocket('/ws/ann')
socket.addEventListener('message', ({ data }) => {
  const item = document.createElement('li')
  item.textContent = String(data)
  document.querySelector('ul')?.append(item)
})
// Without this, each hot update would open one more connection.
import.meta.hot?.dispose(() => socket.close())
