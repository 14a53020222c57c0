'use client'
import { useEffect, useState } from 'react'

export default function Page() {
  const [messages, setMessages] = useState<readonly string[]>([])
  useEffect(() => {
    const socket = new WebSocket('/ws/ann')
    socket.addEventListener('message', ({ data }) => setMessages((before) => [...before, String(data)]))
    return () => socket.close()
  }, [])
  return (
    <ul>
      {messages.map((message, index) => (
        <li key={index}>{message}</li>
      ))}
    </ul>
  )
}
