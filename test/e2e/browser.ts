import type { TestContext } from 'node:test'
import { type Browser, chromium, type Page } from 'playwright-core'

/** ms: it only bounds a failure. */
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

/** A page of somebody of their own. */
export async function newPage(browser: Browser): Promise<Page> {
  const context = await browser.newContext()
  context.setDefaultTimeout(PATIENCE)
  return context.newPage()
}
