import type { Flag } from './flag.ts'
import { optionFlags } from './option-flags.ts'

export interface FlagGroup {
  readonly title: string
  readonly flags: readonly Flag[]
}

const file = 'the path of a file'
const word = 'a text that is not empty'

/** In the order of the help. The flags of createServer's options come from the table of options. */
export const flagGroups: readonly FlagGroup[] = [
  {
    title: 'Where it listens:',
    flags: [
      {
        key: 'host',
        name: 'host',
        argument: 'HOST',
        help: 'address to listen on (default: 127.0.0.1)',
        takes: 'an address or a host name',
      },
      {
        key: 'port',
        name: 'port',
        argument: 'PORT',
        help: 'port to listen on; 0 picks a free one and prints it (default: 18308)',
        takes: 'a whole number from 0 to 65535',
      },
      {
        key: 'unix',
        name: 'unix',
        argument: 'PATH',
        help: 'Unix socket to listen on, instead of host and port',
        takes: 'the path of a socket',
        path: true,
      },
      {
        key: 'tlsCert',
        name: 'tls-cert',
        argument: 'FILE',
        help: 'certificate chain in PEM, for wss:// and https://',
        takes: file,
        path: true,
      },
      {
        key: 'tlsKey',
        name: 'tls-key',
        argument: 'FILE',
        help: "the certificate's private key in PEM",
        takes: file,
        secret: true,
        path: true,
      },
      ...optionFlags('listen'),
    ],
  },
  {
    title: 'The cluster:',
    flags: [
      {
        key: 'driver',
        name: 'driver',
        argument: 'DRIVER',
        help: 'where State and Queue live: memory or redis (default: memory)',
        choices: ['memory', 'redis'],
        takes: 'memory or redis',
      },
      {
        key: 'isolated',
        name: 'isolated',
        help: 'with the memory driver: make each worker of node:cluster or pm2 a cluster of its own',
        takes: 'true or false',
      },
      {
        key: 'redis',
        name: 'redis',
        argument: 'URL',
        help: 'URL of Redis, with redis://, redis+sentinel:// or redis+cluster://; implies --driver redis (default: redis://127.0.0.1:6379)',
        takes: 'a URL such as redis://127.0.0.1:6379, redis+sentinel://HOST,HOST/MASTER or redis+cluster://HOST,HOST',
        secret: 'in-url',
      },
      {
        key: 'redisCa',
        name: 'redis-ca',
        argument: 'FILE',
        help: 'certificate in PEM of the authority that signed the certificate of Redis; implies TLS',
        takes: file,
        path: true,
      },
      {
        key: 'redisCert',
        name: 'redis-cert',
        argument: 'FILE',
        help: 'certificate in PEM that Redis asks its clients for; needs --redis-key',
        takes: file,
        path: true,
      },
      {
        key: 'redisKey',
        name: 'redis-key',
        argument: 'FILE',
        help: 'private key of --redis-cert in PEM',
        takes: file,
        secret: true,
        path: true,
      },
      {
        key: 'redisServername',
        name: 'redis-servername',
        argument: 'NAME',
        help: 'name in the certificate of Redis, if it is not the host of the URL; implies TLS',
        takes: 'a name in the certificate of Redis',
      },
      {
        key: 'redisNatMap',
        name: 'redis-nat-map',
        argument: 'LIST',
        help: 'where the servers that sentinels or a cluster name are for this machine: NAMED=HERE, separated by commas',
        takes: 'pairs such as 10.0.0.5:6379=redis.example:7000, separated by commas',
      },
      {
        key: 'durability',
        name: 'durability',
        argument: 'LEVEL',
        help: 'when a push counts as stored: memory, once Redis has it; replicated, once a replica has it too (default: memory)',
        choices: ['memory', 'replicated'],
        takes: 'memory or replicated',
      },
      ...optionFlags('cluster'),
    ],
  },
  {
    title: 'Who may connect:',
    flags: [
      {
        key: 'tokenSecret',
        name: 'token-secret',
        argument: 'SECRET',
        help: 'accept tokens signed with this secret (JWT, HS256); their "sub" is the uid',
        takes: 'the secret that signs tokens',
        secret: true,
      },
      {
        key: 'jwks',
        name: 'jwks',
        argument: 'URL',
        help: 'accept tokens signed by the keys at this https URL; needs --token-issuer and --token-audience',
        takes: 'the https URL of a key set, without user and password; http only for this machine',
        secret: 'in-url',
      },
      {
        key: 'tokenIssuer',
        name: 'token-issuer',
        argument: 'ISS',
        help: 'the issuer that tokens must name',
        takes: word,
      },
      {
        key: 'tokenAudience',
        name: 'token-audience',
        argument: 'AUD',
        help: 'the audience that tokens must name',
        takes: word,
      },
      {
        key: 'groupsClaim',
        name: 'groups-claim',
        argument: 'NAME',
        help: 'the claim of a token that lists groups to join',
        takes: 'the name of a claim',
      },
      {
        key: 'clockTolerance',
        name: 'clock-tolerance',
        argument: 'MS',
        help: 'how long a token counts before its "nbf" and after its "exp", because clocks differ (default: 5000)',
        takes: 'a time in milliseconds, 0 to 600000',
      },
      {
        key: 'origins',
        name: 'origins',
        argument: 'LIST',
        help: 'allowed origins, separated by commas; * for any (default: the same host)',
        takes: 'origins separated by commas, such as https://example.com or capacitor://localhost, or *',
      },
      {
        key: 'apiKey',
        name: 'api-key',
        argument: 'KEY',
        help: 'key of the HTTP API and of /metrics; without it both are off',
        takes: 'printable ASCII without spaces',
        secret: true,
      },
      {
        key: 'metricsOpen',
        name: 'metrics-open',
        help: 'serve /metrics without the key, to everyone who can reach it',
        takes: 'true or false',
      },
    ],
  },
  {
    title: 'What it serves:',
    flags: [
      {
        key: 'modules',
        name: 'module',
        argument: 'FILE',
        repeats: true,
        help: 'a JavaScript or TypeScript file that exports modules; may be repeated',
        takes: 'the path of a JavaScript or TypeScript file',
        path: true,
      },
      {
        key: 'echo',
        name: 'echo',
        help: 'add a module /echo, which sends back every message (default: only with --dev)',
        takes: 'true or false',
      },
      {
        key: 'dev',
        name: 'dev',
        help: 'for your own machine only: uid from ?uid=, groups from ?groups=, an open API, a page at /',
        takes: 'true or false',
      },
    ],
  },
  {
    title: 'How it runs:',
    flags: [
      {
        key: 'drainDelay',
        name: 'drain-delay',
        argument: 'MS',
        help: 'after SIGTERM, how long /readyz says no before the port closes, so that load balancers notice (default: 3000; 0 with --dev)',
        takes: 'a time in milliseconds, 0 to 3600000',
      },
      {
        key: 'logLevel',
        name: 'log-level',
        argument: 'LEVEL',
        help: 'lowest level to log: debug, info, warn, error or silent (default: info)',
        choices: ['debug', 'info', 'warn', 'error', 'silent'],
        takes: 'debug, info, warn, error or silent',
      },
      {
        key: 'daemon',
        name: 'daemon',
        short: 'd',
        help: 'run in the background; logs go to a file beside the pid file',
        takes: 'true or false',
      },
      {
        key: 'pidFile',
        name: 'pid-file',
        argument: 'FILE',
        help: 'file to write the process id to (default with --daemon: flotilla.pid)',
        takes: file,
        path: true,
      },
    ],
  },
]

export const flags: readonly Flag[] = flagGroups.flatMap((group) => group.flags)

export function environmentName(flagName: string): string {
  return `FLOTILLA_${flagName.toUpperCase().replaceAll('-', '_')}`
}
