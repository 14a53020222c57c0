import { after, before, type TestContext } from 'node:test'
import { type Browser, chromium, type Page } from 'playwright-core'

/** ms. The timeout only limits how long a failure takes. */
const PATIENCE = 120_000

const quiet = ['first-run', 'disable-background-networking', 'disable-component-update', 'disable-sync', 'disable-gpu']

/** A browser for all tests of a file. It is there once a test runs. */
export class SuiteBrowser {
  #browser: Browser | undefined

  constructor() {
    before(async () => {
      this.#browser = await chromium.launch({
        executablePath: '/usr/bin/chromium',
        timeout: PATIENCE,
        args: ['--no-sandbox', ...quiet.map((name) => `--${name}`)],
      })
    })
    after(() => this.#browser?.close())
  }

  /** A page in a browser context of its own, as a separate person would have. It is closed after the test. */
  async newPage(t: TestContext): Promise<Page> {
    const context = await this.#browser!.newContext()
    t.after(() => context.close())
    context.setDefaultTimeout(PATIENCE)
    return context.newPage()
  }
}
