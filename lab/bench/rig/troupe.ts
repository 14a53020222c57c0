interface Stoppable {
  stop(): Promise<void>
}

/** Things that were started one after another, and stop together, the last one first. */
export class Troupe implements Stoppable {
  readonly #members: Stoppable[] = []

  /** Starts one more; where that fails, stops all. */
  async add<Member extends Stoppable>(starting: Promise<Member>): Promise<Member> {
    try {
      const member = await starting
      this.#members.push(member)
      return member
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    for (let member = this.#members.pop(); member !== undefined; member = this.#members.pop()) await member.stop()
  }
}
