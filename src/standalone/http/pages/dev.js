// The page of `flotilla start --dev`: what a plain WebSocket and the HTTP API can do, between two windows.
// @ts-check

/** @typedef {{ from: string, to: { all?: true, group?: string, uid?: string }, text: string, at: number }} Chat */

const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id))

const WHOAMI = 'page-whoami'
const PEOPLE_EVERY = 2500
const encoder = new TextEncoder()

// ---- who this window is

const query = new URLSearchParams(location.search)
const me = {
  uid: query.get('uid') || sessionStorage.getItem('uid') || friendlyName(),
  groups: query.get('groups') ?? sessionStorage.getItem('groups') ?? 'lobby',
  connection: undefined,
}

function pick(/** @type {string[]} */ words) {
  return words[Math.floor(Math.random() * words.length)]
}

function friendlyName() {
  const mood = pick([
    'amber',
    'brisk',
    'calm',
    'clever',
    'gentle',
    'jolly',
    'keen',
    'lucky',
    'merry',
    'quiet',
    'sunny',
    'swift',
  ])
  const animal = pick([
    'auk',
    'crab',
    'dolphin',
    'gull',
    'heron',
    'otter',
    'puffin',
    'seal',
    'tern',
    'turtle',
    'walrus',
    'whale',
  ])
  return `${mood}-${animal}-${Math.floor(Math.random() * 90 + 10)}`
}

function groupList() {
  return me.groups
    .split(',')
    .map((group) => group.trim())
    .filter((group) => group !== '')
}

function showIdentity() {
  sessionStorage.setItem('uid', me.uid)
  sessionStorage.setItem('groups', me.groups)
  document.title = `${me.uid} · Flotilla`
  $('uid').value = me.uid
  $('groups').value = me.groups
  $('me-uid').textContent = me.uid
  $('me-groups').textContent = groupList().length > 0 ? ` in ${groupList().join(', ')}` : ''
  dress($('me-avatar'), me.uid)
  $('people-group').textContent = groupList()[0] ?? 'no group'
  const body = JSON.stringify({ uid: me.uid, message: 'hello' }, null, 2).replaceAll("'", "'\\''")
  $('curl').textContent =
    `curl ${location.origin}/api/push \\\n  -H 'Content-Type: application/json' \\\n  -d '${body}'`
  $('apply').disabled = true
}

$('identity').addEventListener('input', () => {
  $('apply').disabled = $('uid').value === me.uid && $('groups').value === me.groups
})

$('identity').addEventListener('submit', (/** @type {SubmitEvent} */ event) => {
  event.preventDefault()
  const flaw = [$('uid').value, ...$('groups').value.split(',')].find(
    (name) => encoder.encode(name.trim()).length > 255,
  )
  say('identity-flaw', flaw && 'An id has at most 255 bytes.')
  if (flaw) return
  me.uid = $('uid').value
  me.groups = $('groups').value
  showIdentity()
  note(`You are ${me.uid} now`)
  connect()
})

// ---- the connection

/** @type {WebSocket | undefined} */
let socket
let attempt = 0
/** @type {ReturnType<typeof setInterval> | undefined} */
let countdown
/** Whether a connection was lost, so that messages may have been missed. */
let wasLost = false

function connect() {
  clearInterval(countdown)
  const before = socket
  socket = undefined
  before?.close(1000)
  setState('connecting', 'Connecting…')
  const url = new URL('/ws', location.href)
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
  url.searchParams.set('uid', me.uid)
  url.searchParams.set('groups', groupList().join(','))
  const opening = new WebSocket(url)
  opening.binaryType = 'arraybuffer'
  socket = opening
  opening.addEventListener('open', () => opening === socket && opened(opening))
  opening.addEventListener('message', ({ data }) => opening === socket && received(data))
  opening.addEventListener('close', (event) => opening === socket && closed(event))
}

function opened(/** @type {WebSocket} */ open) {
  attempt = 0
  setState('connected', 'Connected')
  if (wasLost) noteGap()
  wasLost = false
  open.send(JSON.stringify({ cmd: 'whoami', id: WHOAMI }))
  void showPeople()
}

const NO_CONNECTION = 'No connection to the server.'

/** The close codes after which a client should not connect again by itself. */
const FINAL = new Set([1002, 1007, 1008, 1009, 4401, 4403])

function closed(/** @type {CloseEvent} */ { code, reason }) {
  wasLost ||= $('state').dataset.state === 'connected'
  me.connection = undefined
  $('connection').textContent = '–'
  $('node').textContent = '–'
  // A browser says 1006 whenever it has no close frame: the server is away, or it refused the handshake.
  alarm(code === 1006 ? NO_CONNECTION : `The server closed this connection (${code}${reason && `: ${reason}`}).`)
  if (FINAL.has(code)) return setState('closed', 'Closed')
  // Full jitter: otherwise all clients would connect at the same moment once the server is back.
  const asked = Number(/retry-after=(\d+)/.exec(reason)?.[1] ?? 0)
  const delay = asked + 300 + Math.random() * Math.min(10_000, 500 * 2 ** attempt++)
  waitAndConnect(performance.now() + delay)
}

function waitAndConnect(/** @type {number} */ at) {
  const tick = () => {
    const left = at - performance.now()
    if (left <= 0) return connect()
    setState('away', `Next try in ${Math.ceil(left / 1000)} s`)
  }
  clearInterval(countdown)
  countdown = setInterval(tick, 250)
  tick()
}

function setState(/** @type {string} */ state, /** @type {string} */ text) {
  $('state').dataset.state = state
  $('state-text').textContent = text
  // Screen readers hear the state, but not the countdown.
  say('state-told', state)
  $('send').disabled = state !== 'connected'
  if (state === 'connected') alarm(undefined)
}

function alarm(/** @type {string | undefined} */ text) {
  say('alert-text', text)
  // There is room for two lines.
  $('alert-text').title = text ?? ''
  $('alert').hidden = !text
}

$('retry').addEventListener('click', () => connect())
addEventListener('online', () => $('state').dataset.state === 'away' && connect())

// ---- what arrives

function received(/** @type {string | ArrayBuffer} */ data) {
  if (typeof data !== 'string') return showRaw(hexOf(data), `binary, ${data.byteLength} bytes`)
  const json = parse(data)
  if (json?.id === WHOAMI) return showWhoami(json.data)
  if (isChat(json)) return showChat(json)
  const isObject = json !== null && typeof json === 'object'
  // Indent it only if that loses nothing, such as the last digits of a large number.
  const isWhole = isObject && JSON.stringify(json) === data
  showRaw(isWhole ? JSON.stringify(json, null, 2) : data, isObject ? 'JSON' : 'text')
}

/** @returns {any} */
function parse(/** @type {string} */ text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** @returns {json is Chat} */
function isChat(/** @type {any} */ json) {
  return (
    typeof json?.from === 'string' && typeof json.text === 'string' && typeof json.to === 'object' && json.to !== null
  )
}

function showWhoami(/** @type {any} */ who) {
  me.connection = who?.connection
  $('connection').textContent = who?.connection ?? '–'
  $('node').textContent = who?.node ?? '–'
}

function showChat(/** @type {Chat} */ { from, to, text, at }) {
  append(entry({ from, to: nameOf(to), text, at }))
}

function showRaw(/** @type {string} */ text, /** @type {string} */ what) {
  append(entry({ from: 'Push', to: what, text, at: Date.now(), raw: true }))
}

function hexOf(/** @type {ArrayBuffer} */ buffer) {
  const hex = Array.from(new Uint8Array(buffer, 0, Math.min(64, buffer.byteLength)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  )
  return hex.join(' ') + (buffer.byteLength > 64 ? ' …' : '')
}

function nameOf(/** @type {Chat['to']} */ to) {
  if (to.uid !== undefined) return to.uid === me.uid ? 'to you' : `to ${to.uid}`
  return to.group === undefined ? 'to everyone' : `to group ${to.group}`
}

/** @returns {HTMLElement} */
function entry(
  /** @type {{ from: string, to: string, text: string, at: number, raw?: boolean, mine?: boolean }} */ what,
) {
  const time = element('time', '', timeOf(what.at))
  const meta = element('div', 'meta')
  if (!what.mine) meta.append(element('strong', '', what.from))
  meta.append(element('span', 'to', what.to), time)
  const bubble = element('div', what.raw ? 'bubble raw' : 'bubble', what.text)
  const whole = element('article', what.mine ? 'entry mine' : 'entry')
  whole.append(...(what.mine ? [] : [what.raw ? rawAvatar() : avatarOf(what.from)]), meta, bubble)
  return whole
}

function avatarOf(/** @type {string} */ name) {
  const avatar = element('span', 'avatar')
  avatar.setAttribute('aria-hidden', 'true')
  dress(avatar, name)
  return avatar
}

function rawAvatar() {
  const avatar = element('span', 'avatar raw', '↓')
  avatar.setAttribute('aria-hidden', 'true')
  return avatar
}

function timeOf(/** @type {number} */ at) {
  return new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false })
}

function note(/** @type {string} */ text) {
  if (!$('empty').hidden) return
  add(element('p', 'note', text))
}

function noteGap() {
  const text = `Connected again at ${timeOf(Date.now())}. Messages sent meanwhile may be missing.`
  add(element('p', 'note', text))
}

function append(/** @type {HTMLElement} */ child) {
  $('empty').hidden = true
  add(child)
  if (child.classList.contains('mine')) scrollToEnd()
}

function add(/** @type {HTMLElement} */ child) {
  const log = $('log')
  log.append(child)
  while (log.childElementCount > 501) log.children[1].remove()
  if (isAtEnd) scrollToEnd()
}

/** Whether the newest entry is in sight, or was before the log grew or shrank. */
let isAtEnd = true

function scrollToEnd() {
  $('log').scrollTop = $('log').scrollHeight
}

$('log').addEventListener('scroll', () => {
  const log = $('log')
  isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80
})

// The panel, a phone's keyboard and the size of the window leave it more or less room.
new ResizeObserver(() => isAtEnd && scrollToEnd()).observe($('log'))

/** @returns {HTMLElement} */
function element(/** @type {string} */ tag, className = '', text = '') {
  const made = document.createElement(tag)
  made.className = className
  made.textContent = text
  return made
}

function dress(/** @type {HTMLElement} */ avatar, /** @type {string} */ name) {
  let hash = 0
  for (const letter of name) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 360
  avatar.style.setProperty('--hue', String(hash))
  avatar.textContent = Array.from(name)[0] ?? '?'
}

// ---- what is sent

const kindOf = () => /** @type {any} */ (new FormData($('composer')).get('kind'))

function showTarget() {
  const kind = kindOf()
  $('target').hidden = kind === 'all'
  $('target').placeholder = kind === 'group' ? 'which group' : 'which user'
  const whom = kind === 'all' ? 'everyone' : $('target').value || (kind === 'group' ? 'a group' : 'a user')
  $('text').placeholder = `Write to ${whom}`
  const names = kind === 'group' ? groupList() : people
  $('known').replaceChildren(...names.map((name) => Object.assign(document.createElement('option'), { value: name })))
}

const remembered = { group: groupList()[0] ?? '', uid: '' }

for (const radio of document.querySelectorAll('input[name=kind]')) {
  radio.addEventListener('change', () => {
    const kind = kindOf()
    if (kind !== 'all') $('target').value = remembered[/** @type {'uid'} */ (kind)]
    showTarget()
    if (kind !== 'all' && $('target').value === '') $('target').focus()
  })
}

$('target').addEventListener('input', () => {
  remembered[/** @type {'uid'} */ (kindOf())] = $('target').value
  showTarget()
})

function writeTo(/** @type {string} */ uid) {
  remembered.uid = uid
  $('composer').querySelector('[value=uid]').checked = true
  $('target').value = uid
  showTarget()
  $('text').focus()
}

$('composer').addEventListener('submit', async (/** @type {SubmitEvent} */ event) => {
  event.preventDefault()
  const kind = kindOf()
  const name = $('target').value.trim()
  if (kind !== 'all' && name === '') {
    say('send-flaw', kind === 'group' ? 'Say which group.' : 'Say which user.')
    return $('target').focus()
  }
  say('send-flaw', undefined)
  const to = kind === 'all' ? { all: /** @type {const} */ (true) } : { [kind]: name }
  const message = { from: me.uid, to, text: $('text').value, at: Date.now() }
  $('text').value = ''
  const shown = entry({ ...message, to: nameOf(to), mine: true })
  append(shown)
  const receipt = element('div', 'receipt', 'sending…')
  shown.append(receipt)
  scrollToEnd()
  showReceipt(receipt, await post({ ...to, message, ...exceptMe(to) }))
  if (isAtEnd) scrollToEnd()
})

/** The sender has seen it already, unless they write to themselves. */
function exceptMe(/** @type {Chat['to']} */ to) {
  return me.connection === undefined || to.uid === me.uid ? {} : { except: { connection: me.connection } }
}

/** @returns {Promise<any>} */
async function post(/** @type {object} */ push) {
  try {
    const headers = { 'Content-Type': 'application/json' }
    const answer = await fetch('/api/push', { method: 'POST', headers, body: JSON.stringify(push) })
    return await answer.json()
  } catch {
    return { error: { code: 'not sent', message: 'the server did not answer' } }
  }
}

function showReceipt(/** @type {HTMLElement} */ at, /** @type {any} */ { id, nodeCount, offline, error }) {
  if (error) {
    at.textContent = `${error.code}: ${error.message}`
    return at.classList.add('failed')
  }
  const isOffline = offline.length > 0
  at.textContent = isOffline ? `offline: ${offline.join(', ')}` : nodeCount === 0 ? 'nobody is there' : 'sent'
  at.title = `id ${id}`
  at.classList.toggle('offline', isOffline)
}

// ---- who else is here

/** @type {string[]} */
let people = []

async function showPeople() {
  const [group] = groupList()
  if (document.hidden || $('state').dataset.state !== 'connected') return
  const answer = group && (await fetch(`/api/groups/${encodeURIComponent(group)}?limit=100`).catch(() => undefined))
  if (group && !answer?.ok) return
  const { members = [] } = answer ? await answer.json() : {}
  /** @type {string[]} */
  const uids = members.map((/** @type {any} */ member) => member.uid).filter(Boolean)
  const found = [...new Set(uids)].toSorted((one, other) => one.localeCompare(other))
  if (found.join('\n') === people.join('\n') && $('people').childElementCount === found.length) return
  people = found
  $('people').replaceChildren(...found.map(personOf))
  $('people-empty').hidden = found.length > 0
  showTarget()
}

function personOf(/** @type {string} */ uid) {
  const button = /** @type {HTMLButtonElement} */ (element('button'))
  button.type = 'button'
  button.disabled = uid === me.uid
  button.append(avatarOf(uid), element('span', 'name', uid === me.uid ? `${uid} (you)` : uid))
  button.addEventListener('click', () => writeTo(uid))
  const item = element('li')
  item.append(button)
  return item
}

setInterval(() => void showPeople(), PEOPLE_EVERY)
document.addEventListener('visibilitychange', () => void showPeople())

// ---- the rest

$('copy').addEventListener('click', async () => {
  const copied = await navigator.clipboard?.writeText($('curl').textContent).then(
    () => true,
    () => false,
  )
  $('copy').textContent = copied ? 'Copied' : 'Select the text and copy it'
  setTimeout(() => ($('copy').textContent = 'Copy'), 2000)
})

function say(/** @type {string} */ id, /** @type {string | undefined | false} */ text) {
  const place = $(id)
  // A screen reader reads a live region out whenever it is set, so do not set it to the same text again.
  if (place.textContent !== (text || '')) place.textContent = text || ''
  if (place.classList.contains('flaw')) place.hidden = !text
}

const wide = matchMedia('(min-width: 861px)')
const unfold = () => ($('side').open = wide.matches)
wide.addEventListener('change', unfold)
unfold()

showIdentity()
showTarget()
connect()
