import { environmentName, flags } from './flags.ts'

/**
 * Whether a variable is a link to a service that Kubernetes or Docker sets in every container: for a service named
 * `flotilla`, `FLOTILLA_PORT` is `tcp://10.0.0.1:18308`, and Docker's `FLOTILLA_NAME` is `/web/flotilla`.
 */
export function isServiceLink(variable: string, value: string): boolean {
  return /^(tcp|udp|sctp):\/\//.test(value) || (variable === environmentName('name') && /^\/.*\/./.test(value))
}

/** The variables that have the name of a setting, but are links. */
export function serviceLinks(environment: Readonly<Record<string, string | undefined>>): string[] {
  return flags
    .map(({ name }) => environmentName(name))
    .filter((variable) => isServiceLink(variable, environment[variable] ?? ''))
}
