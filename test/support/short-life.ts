/** Connects with a token that expires soon, but not before this machine has managed to connect. */
export async function withShortLife<Client>(connectFor: (seconds: number) => Promise<Client>): Promise<Client> {
  for (let seconds = 2; ; seconds *= 2) {
    try {
      return await connectFor(seconds)
    } catch (error) {
      if (seconds > 60) throw error
    }
  }
}
