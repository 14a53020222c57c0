import type { TestContext } from 'node:test'
import { type Browser, chromium } from 'playwright-core'

const quiet = ['first-run', 'disable-background-networking', 'disable-component-update', 'disable-sync', 'disable-gpu']

export async function launch(t: TestContext): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', ...quiet.map((name) => `--${name}`)],
  })
  t.after(() => browser.close())
  return browser
}
