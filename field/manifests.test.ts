import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseDocument } from 'yaml'
import { Child } from '../test/support/child.ts'

// What can be said of deploy/ without Docker and Kubernetes: every field is known, and the files fit together.

const root = fileURLToPath(new URL('..', import.meta.url))
/** In seconds: the default of --drain-delay, and how long closing takes at most. */
const [DRAIN_DELAY, CLOSING] = [3, 5]
const scratch = fileURLToPath(new URL('node_modules/.cache/manifests', import.meta.url))

before(() => mkdir(scratch, { recursive: true }))
after(() => rm(scratch, { recursive: true }))

test('Kubernetes knows every field of the manifests, and takes its value', async () => {
  const names = (await readdir(`${root}deploy/kubernetes`)).filter((name) => name.endsWith('.yaml'))
  assert.equal(names.length, 5)
  const sources = await Promise.all(names.map(async (name) => checkOf(await read(`deploy/kubernetes/${name}`))))
  await writeFile(`${scratch}/manifests.ts`, sources.join('\n'))
  const tsc = `${root}node_modules/typescript/bin/tsc`
  const flags = ['--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', '']
  await succeeds(process.execPath, [tsc, ...flags, `${scratch}/manifests.ts`])
  await succeeds(process.execPath, ['--import', 'tsx', `${scratch}/manifests.ts`])
})

test('Compose knows every field of compose.yaml, and takes its value', async () => {
  const dclint = `${root}field/node_modules/dclint/bin/dclint.cjs`
  // Its warnings are about the order of keys.
  await succeeds(process.execPath, [dclint, '--quiet', `${root}deploy/compose.yaml`])
})

test('the manifests fit together, and a pod has the time to end', async () => {
  const { metadata, spec } = (await read('deploy/kubernetes/deployment.yaml')) as Deployment
  const pod = spec.template.spec
  const labels = spec.template.metadata.labels
  const service = (await read('deploy/kubernetes/service.yaml')) as { spec: { selector: object; ports: Port[] } }
  const budget = (await read('deploy/kubernetes/pod-disruption-budget.yaml')) as { spec: { selector: Selector } }
  const secret = (await read('deploy/kubernetes/secret.yaml')) as { metadata: Named }
  const [container] = pod.containers
  assert.deepEqual(
    [spec.selector.matchLabels, service.spec.selector, budget.spec.selector.matchLabels],
    Array(3).fill(labels),
  )
  assert.equal(service.spec.ports[0]!.targetPort, container.ports[0]!.name)
  assert.equal(secret.metadata.name, container.envFrom[0]!.secretRef.name)
  assert.equal(pod.enableServiceLinks, false, `the links of a service ${metadata.name} are named like options`)
  const preStop = Number(container.lifecycle.preStop.exec.command[1])
  assert.ok(pod.terminationGracePeriodSeconds > preStop + DRAIN_DELAY + CLOSING)
})

test('the nodes of compose.yaml are those of nginx.conf', async () => {
  const { services } = (await read('deploy/compose.yaml')) as {
    services: Record<string, { stop_grace_period?: string }>
  }
  const nginx = await readFile(`${root}deploy/nginx.conf`, 'utf8')
  const nodes = [...nginx.matchAll(/server (flotilla-\d):18308/g)].map(([, name]) => name)
  assert.deepEqual(
    Object.keys(services).filter((name) => name.startsWith('flotilla')),
    nodes,
  )
  for (const name of nodes) assert.ok(Number.parseInt(services[name!]!.stop_grace_period!, 10) > DRAIN_DELAY + CLOSING)
})

interface Named {
  readonly name: string
}

interface Port extends Named {
  readonly targetPort: string
}

interface Selector {
  readonly matchLabels: object
}

interface Deployment {
  readonly metadata: Named
  readonly spec: {
    readonly selector: Selector
    readonly template: { readonly metadata: { readonly labels: object }; readonly spec: Pod }
  }
}

interface Pod {
  readonly enableServiceLinks: boolean
  readonly terminationGracePeriodSeconds: number
  readonly containers: readonly [
    {
      readonly ports: readonly Named[]
      readonly envFrom: readonly { readonly secretRef: Named }[]
      readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } }
    },
  ]
}

async function read(path: string): Promise<unknown> {
  const document = parseDocument(await readFile(root + path, 'utf8'), { merge: true })
  assert.deepEqual(document.errors, [])
  return document.toJS()
}

let count = 0

/** TypeScript that the compiler takes only if the manifest has no other fields than its kind has, and that checks it. */
function checkOf(manifest: unknown): string {
  const { apiVersion, kind } = manifest as { apiVersion: string; kind: string }
  const name = `manifest${count++}`
  return [
    `import { ${kind} as Kind${name}, type I${kind} as I${name} } from 'kubernetes-models/${apiVersion}/${kind}'`,
    `const ${name}: I${name} = ${JSON.stringify(manifest)}`,
    `new Kind${name}(${name}).validate()`,
  ].join('\n')
}

async function succeeds(command: string, args: readonly string[]): Promise<void> {
  const child = new Child(command, args, { cwd: root })
  assert.equal((await child.exited).code, 0, child.stdout + child.stderr)
}
