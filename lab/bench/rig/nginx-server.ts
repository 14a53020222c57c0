import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { comesTrue } from '../../../test/support/until.ts'
import { Child } from '../../rig/child.ts'
import type { Core } from '../../rig/cores.ts'
import { LabError } from '../../rig/lab-error.ts'
import { nchanModule } from './programs.ts'

const START_PATIENCE = 10_000
const POLL = 20

interface NginxPlan {
  readonly name: string
  readonly core: Core
  readonly port: number
  /** The Redis that connects its nodes. `isStoring`: whether messages are stored there or only pass through. */
  readonly redis?: { readonly url: string; readonly isStoring: boolean }
}

/** One nginx with Nchan, in a single process. */
export class NginxServer {
  readonly child: Child
  readonly #folder: string

  private constructor(child: Child, folder: string) {
    this.child = child
    this.#folder = folder
  }

  static async start(plan: NginxPlan): Promise<NginxServer> {
    const { name, core, port } = plan
    const folder = await mkdtemp(join(tmpdir(), 'flotilla-bench-nginx-'))
    const config = join(folder, 'nginx.conf')
    await writeFile(config, configOf(plan, folder))
    const server = new NginxServer(
      new Child({ name, core, command: 'nginx', args: ['-p', folder, '-c', config] }),
      folder,
    )
    try {
      await Promise.race([listening(name, port), server.child.failed()])
      return server
    } catch (error) {
      await server.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    await this.child.stop()
    await rm(this.#folder, { recursive: true })
  }
}

/** nginx prints nothing when it is ready. */
async function listening(name: string, port: number): Promise<void> {
  const isUp = await comesTrue(() => isListening(port), START_PATIENCE, POLL)
  if (!isUp) throw new LabError(`${name} did not start within ${START_PATIENCE / 1000} s`)
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

const configOf = ({ port, redis }: NginxPlan, folder: string): string => `
load_module ${nchanModule};
daemon off;
master_process off;
pid ${folder}/pid;
error_log stderr error;
events { worker_connections 19000; }
http {
  access_log off;
  client_header_timeout 1h;
  keepalive_timeout 1h;
  nchan_shared_memory_size 1G;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((each) => `${each}_temp_path ${folder}/${each};`).join(' ')}
  ${redis === undefined ? '' : upstreamOf(redis)}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = /sub {
      ${redis === undefined ? 'nchan_store_messages off;' : 'nchan_redis_pass store;'}
      nchan_subscriber websocket;
      nchan_channel_id all $arg_uid;
      nchan_subscriber_first_message newest;
    }
    location = /pub {
      ${redis === undefined ? 'nchan_store_messages off;' : 'nchan_redis_pass store;'}
      nchan_publisher http;
      nchan_channel_id $arg_to;
      keepalive_requests 1000000000;
      client_body_buffer_size 4k;
      client_body_in_single_buffer on;
    }
  }
}
`

const upstreamOf = ({ url, isStoring }: NonNullable<NginxPlan['redis']>): string => `upstream store {
    nchan_redis_server ${url};
    nchan_redis_storage_mode ${isStoring ? 'distributed' : 'nostore'};
  }`
