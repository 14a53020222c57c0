import type { TestContext } from 'node:test'
import { type Browser, chromium, type Page } from 'playwright-core'

/** ms. The timeout only limits how long a failure takes. */
const PATIENCE = 120_000

const quiet = ['first-run', 'disable-background-networking', 'disable-component-update', 'disable-sync', 'disable-gpu']

export async function launch(t: TestContext): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    timeout: PATIENCE,
    args: ['--no-sandbox', ...quiet.map((name) => `--${name}`)],
  })
  t.after(() => browser.close())
  return browser
}

/** A page in a browser context of its own, as a separate person would have. */
export async function newPage(browser: Browser): Promise<Page> {
  const context = await browser.newContext()
  context.setDefaultTimeout(PATIENCE)
  return context.newPage()
}
