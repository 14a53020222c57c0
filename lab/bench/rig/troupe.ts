interface Stoppable {
  stop(): Promise<void>
}

/** Things that are started one after another and stopped together, in reverse order. */
export class Troupe implements Stoppable {
  readonly #members: Stoppable[] = []

  /** Starts one more. If that fails, stops all of them. */
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
