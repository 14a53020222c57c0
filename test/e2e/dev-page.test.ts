import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import { freePort } from '../support/free-port.ts'
import { startNode, type TestNode } from '../support/start-node.ts'
import { until } from '../support/until.ts'
import { SuiteBrowser } from './browser.ts'
import { contrast } from './contrast.ts'

const browser = new SuiteBrowser()

/** px: the height of a line in `.code`. */
const LINE_OF_CODE = 15 * 0.76 * 1.55

interface Window {
  readonly page: Page
  readonly uid: string
  /** The page's complaints: scripts that failed, and requests that its policy refused. */
  readonly complaints: string[]
}

/** A separate window, as a second person would open it. */
async function open(t: TestContext, url: string, query = ''): Promise<Window> {
  const page = await browser.newPage(t)
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  await page.goto(`${url}/${query}`)
  await connected(page)
  return { page, uid: await page.getByLabel('User id').inputValue(), complaints }
}

async function connected(page: Page): Promise<void> {
  await page.locator('#state[data-state=connected]').waitFor()
}

async function write(
  page: Page,
  to: { kind: 'Everyone' | 'A group' | 'A user'; name?: string },
  text: string,
): Promise<void> {
  // By keyboard, because a person sees only the label.
  await page.getByRole('radio', { name: to.kind }).focus()
  await page.keyboard.press('Space')
  if (to.name !== undefined) await page.getByLabel('Which group or user').fill(to.name)
  await page.getByLabel('Message', { exact: true }).fill(text)
  await page.keyboard.press('Enter')
}

async function arrives(page: Page, ...texts: string[]): Promise<void> {
  let entry = page.getByRole('log').locator('article:not(.mine)')
  for (const text of texts) entry = entry.filter({ hasText: text })
  await entry.first().waitFor()
}

interface Box {
  readonly y: number
  readonly height: number
}

async function boxOf(part: Locator): Promise<Box> {
  const box = await part.boundingBox()
  assert(box !== null)
  return box
}

/** Makes the page as narrow as a phone. Its panel is closed then. */
async function narrow(page: Page): Promise<void> {
  await page.setViewportSize({ width: 390, height: 844 })
  await page.locator('#side:not([open])').waitFor()
}

/** Waits until the page has come to rest with the message in the visible part of the log. */
async function inSight(page: Page, text: string): Promise<void> {
  await until(`${text} is in sight`, async () => {
    const log = await boxOf(page.getByRole('log'))
    const message = await boxOf(page.locator('.bubble', { hasText: text }))
    return message.y >= log.y && message.y + message.height <= log.y + log.height
  })
}

interface Style {
  readonly backgroundColor: string
  readonly borderTopColor: string
  readonly borderTopWidth: string
  readonly color: string
}

async function styleOf(part: Locator): Promise<Style> {
  return part.evaluate((element) => {
    const { getComputedStyle } = globalThis as unknown as { getComputedStyle: (of: unknown) => Style }
    const { backgroundColor, borderTopColor, borderTopWidth, color } = getComputedStyle(element)
    return { backgroundColor, borderTopColor, borderTopWidth, color }
  })
}

async function startDev(t: TestContext, port: number): Promise<TestNode> {
  const node = await startNode(['--dev', '--log-level', 'warn', '--port', String(port)])
  t.after(() => node.stop())
  return node
}

test('two windows of the dev page write to each other', async (t) => {
  const { url } = await startDev(t, await freePort())
  const [ann, bob] = [await open(t, url), await open(t, url)]
  assert.notEqual(ann.uid, bob.uid, 'each window is a separate user')

  await t.test('to a user', async () => {
    await write(ann.page, { kind: 'A user', name: bob.uid }, 'only for bob')
    await arrives(bob.page, ann.uid, 'to you', 'only for bob')
    await ann.page.locator('.receipt').getByText('sent', { exact: true }).waitFor()
  })

  await t.test('to a user who is not connected', async () => {
    await write(ann.page, { kind: 'A user', name: 'nobody' }, 'anybody?')
    await ann.page.locator('.receipt').getByText('offline: nobody', { exact: true }).waitFor()
  })

  await t.test('to a group', async () => {
    await write(bob.page, { kind: 'A group', name: 'lobby' }, 'for the lobby')
    await arrives(ann.page, bob.uid, 'to group lobby', 'for the lobby')
  })

  await t.test('to everyone', async () => {
    await write(ann.page, { kind: 'Everyone' }, 'for <b>everyone</b>')
    await arrives(bob.page, ann.uid, 'to everyone', 'for <b>everyone</b>')
    assert.equal(await ann.page.getByRole('log').getByText('for <b>everyone</b>').count(), 1, 'its sender sees it once')
  })

  await t.test('the command that the page offers pushes to its window', async () => {
    const command = (await bob.page.locator('#curl').textContent()) ?? ''
    const [, body] = /-d '(.*)'$/s.exec(command) ?? []
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${url}/api/push`, { method: 'POST', headers, body: body ?? '' })
    assert.equal(answer.status, 200)
    await arrives(bob.page, 'Push', 'text', 'hello')
    const lineCount = command.split('\n').length
    assert.equal(
      Math.round((await boxOf(bob.page.locator('#curl'))).height / LINE_OF_CODE),
      lineCount,
      'no line breaks',
    )
  })

  await t.test('the people of the group are shown, and clicking one writes to them', async () => {
    const person = ann.page.getByRole('button', { name: bob.uid })
    await person.waitFor()
    await person.click()
    assert.equal(await ann.page.getByLabel('Which group or user').inputValue(), bob.uid)
  })

  await t.test('a window can become another user, in other groups', async () => {
    await ann.page.getByLabel('User id').fill('ännchen')
    await ann.page.getByLabel('Groups').fill('red, blue')
    await ann.page.getByRole('button', { name: 'Connect as this user' }).click()
    await ann.page.locator('.note', { hasText: 'You are ännchen now' }).waitFor()
    await connected(ann.page)
    await write(bob.page, { kind: 'A group', name: 'blue' }, 'for blue')
    await arrives(ann.page, 'to group blue', 'for blue')
    await ann.page.reload()
    await connected(ann.page)
    assert.equal(await ann.page.getByLabel('User id').inputValue(), 'ännchen', 'also after a reload')
  })

  await t.test('the policy refused nothing, and no script failed', () => {
    assert.deepEqual([...ann.complaints, ...bob.complaints], [])
  })
})

test('the page says that it has no connection, reconnects without help, and says that messages may be missing', async (t) => {
  const port = await freePort()
  const first = await startDev(t, port)
  const { page } = await open(t, first.url, '?uid=ann')
  const missing = page.getByRole('log').getByText('Messages sent meanwhile may be missing')
  await narrow(page)
  assert.equal(await missing.count(), 0)
  const log = await boxOf(page.getByRole('log'))
  await first.kill9()
  await page.getByRole('alert').getByText('No connection to the server').waitFor()
  await page
    .locator('#state')
    .getByText(/^Next try in \d+ s$/)
    .waitFor()
  assert.deepEqual(await boxOf(page.getByRole('log')), log, 'the log stays where it was')
  assert(await page.getByRole('button', { name: 'Try now' }).isVisible())
  assert(await page.getByRole('button', { name: 'Send' }).isDisabled())
  const second = await startDev(t, port)
  await connected(page)
  await missing.waitFor()
  assert(await page.getByRole('alert').isHidden())
  await page.getByText('You are').click()
  await page.getByText(second.id).first().waitFor()
  assert.equal(await page.getByLabel('User id').inputValue(), 'ann', 'as the same user')
  const other = await open(t, second.url)
  await write(other.page, { kind: 'A user', name: 'ann' }, 'welcome back')
  await arrives(page, 'welcome back')
  assert.equal(await missing.count(), 1, 'once for each gap')
})

test('the page shows that it was kicked, and stays disconnected until it is told to connect', async (t) => {
  const node = await startDev(t, await freePort())
  const { page } = await open(t, node.url, '?uid=ann')
  await node.api('DELETE', '/api/users/ann?reason=too%20loud')
  await page.getByRole('alert').getByText('4403: too loud').waitFor()
  await page.getByRole('button', { name: 'Try now' }).click()
  await connected(page)
})

test('nothing is cut off on a narrow screen', async (t) => {
  const { url } = await startDev(t, await freePort())
  const { page } = await open(t, url)
  await page.setViewportSize({ width: 360, height: 640 })
  assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 360)
  await page.getByText('You are').click()
  await page.getByLabel('User id').waitFor()
  assert(await page.getByRole('button', { name: 'Send' }).isVisible())
})

test('on a narrow screen nothing lies on top of something else, and the newest message is in sight', async (t) => {
  const node = await startDev(t, await freePort())
  const { page } = await open(t, node.url, '?uid=ann')
  await narrow(page)
  for (let count = 0; count < 20; count++) await node.api('POST', '/api/push', { uid: 'ann', message: `push ${count}` })
  await arrives(page, 'push 19')
  await inSight(page, 'push 19')
  await page.getByText('You are').click()
  await page.getByLabel('User id').waitFor()
  for (const height of [844, 640, 844]) {
    await page.setViewportSize({ width: 390, height })
    await inSight(page, 'push 19')
    const parts = ['.bar', '#side', '#log', '#composer'].map((part) => boxOf(page.locator(part)))
    let end = 0
    for (const { y, height: tall } of await Promise.all(parts)) {
      assert(y >= end - 1, `one part begins at ${y}, the one above it ends at ${end}`)
      end = y + tall
    }
    assert(end <= height + 1)
  }
})

test('bubbles stand out from the ground, and their text from them, in light and in dark', async (t) => {
  const node = await startDev(t, await freePort())
  const { page } = await open(t, node.url, '?uid=ann')
  await node.api('POST', '/api/push', { uid: 'ann', message: { raw: true } })
  await node.api('POST', '/api/push', { uid: 'ann', message: { from: 'bob', to: {}, text: 'of another', at: 0 } })
  await arrives(page, 'of another')
  await write(page, { kind: 'Everyone' }, 'of ann')
  await page.locator('.mine').waitFor()
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    const { backgroundColor: ground } = await styleOf(page.locator('.chat'))
    for (const bubble of await page.locator('.bubble').all()) {
      const { backgroundColor, borderTopColor, borderTopWidth, color } = await styleOf(bubble)
      const hasBorder = Number.parseFloat(borderTopWidth) > 0
      const edge = Math.max(contrast(backgroundColor, ground), hasBorder ? contrast(borderTopColor, ground) : 1)
      assert(edge >= 3, `${colorScheme}: the contrast of the edge is ${edge}`)
      assert(contrast(color, backgroundColor) >= 7, `${colorScheme}: ${color} on ${backgroundColor}`)
    }
  }
})
