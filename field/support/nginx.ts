import { Child } from '../../test/support/child.ts'
import { Proxy, ProxyFolder, type ProxyOptions, type Replacement } from './proxy.ts'

/** nginx with deploy/nginx.conf. */
export class Nginx extends Proxy {
  readonly #nodes: ProxyOptions['nodes']

  private constructor(folder: ProxyFolder, child: Child, nodes: ProxyOptions['nodes']) {
    super(folder, child)
    this.#nodes = nodes
  }

  static async start({ nodes, timeout = '60s' }: ProxyOptions): Promise<Nginx> {
    const folder = await ProxyFolder.make()
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    await folder.write('nginx.conf', [
      ['worker_processes auto;', `worker_processes 2;\ndaemon off;\npid ${folder.path}/pid;`],
      ['worker_rlimit_nofile 65536;', ''],
      ['worker_connections 32768;', 'worker_connections 2048;'],
      ['http {', `http {\n${temporary.map((kind) => `${kind}_temp_path ${folder.path}/${kind};`).join('\n')}`],
      ['/var/log/nginx', folder.path],
      ['listen 80;', `listen 127.0.0.1:${folder.port};`],
      ['allow 127.0.0.0/8;', 'allow 127.0.0.1;'],
      ['proxy_read_timeout 60s;', `proxy_read_timeout ${timeout};`],
      ['proxy_send_timeout 60s;', `proxy_send_timeout ${timeout};`],
      ...nodes.map((port, index): Replacement => [`server flotilla-${index + 1}:18308`, `server 127.0.0.1:${port}`]),
    ])
    const child = new Child('nginx', ['-e', 'stderr', '-c', folder.config])
    return new Nginx(folder, child, nodes).opened()
  }

  async takeOut(index: number): Promise<void> {
    const server = `server 127.0.0.1:${this.#nodes[index]}`
    await this.folder.change(server, `${server} down`)
    this.child.signal('SIGHUP')
  }

  async putBack(index: number): Promise<void> {
    const server = `server 127.0.0.1:${this.#nodes[index]}`
    await this.folder.change(`${server} down`, server)
    this.child.signal('SIGHUP')
  }

  /** nginx does not check nodes: it tries one again after `fail_timeout`. */
  async usesAgain(): Promise<void> {}
}
