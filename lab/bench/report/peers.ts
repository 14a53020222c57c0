import { existsSync, readFileSync } from 'node:fs'
import { versionOf } from '../../report/machine.ts'

/**
 * The systems that Flotilla is compared with, each with its version. Only Debian knows the version of nginx's module.
 */
export function peers(): string[] {
  return [
    `NATS ${versionOf('nats-server', ['-v'], /: v(\S+)/)}`,
    `nginx ${versionOf('nginx', ['-v'], /nginx\/(\S+)/)}`,
    `Nchan ${versionOf('dpkg-query', ['-W', '-f', '${Version}', 'libnginx-mod-nchan'], /^(?:\d+:)?(\d[\d.]*)/)}`,
    `ws ${packageVersion('ws')}`,
    `Socket.IO ${packageVersion('socket.io')}`,
  ]
}

function packageVersion(name: string): string {
  const places = [`../node_modules/${name}/package.json`, `../../../node_modules/${name}/package.json`]
  const file = places.map((place) => new URL(place, import.meta.url)).find((place) => existsSync(place))
  return file === undefined ? 'none' : (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
