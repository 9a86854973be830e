/** What the gateway says to whoever starts it, in a terminal or the first lines of a log; everything later goes to `log.ts`. */
import type { Config } from './settings/config.ts';

/** Says where the gateway can be reached, by whom, and what keeps its events. `internalPort`: undefined where there is none. */
export function announce(config: Config, port: number, internalPort: number | undefined): void {
  const host = hostInUrl(config.host);
  const tls = config.tls === undefined ? '' : 's';
  const loopback = ['127.0.0.1', '::1', 'localhost'].includes(config.host);
  const reach = loopback
    ? 'this machine only; HOST=0.0.0.0 opens it to the network'
    : `the network, ${config.auth.open ? 'with no authentication: everybody may do everything' : 'with authentication'}`;
  const engine =
    config.redisUrl === undefined ? 'embedded: kept in this process only' : `Redis, prefix ${config.redisPrefix}`;
  const operators =
    internalPort === undefined
      ? ''
      : `\n  operators   http://${hostInUrl(config.internalHost)}:${internalPort}/metrics`;
  print(`
Passerelle is listening on http${tls}://${host}:${port}
  try it      http${tls}://${host}:${port}/
  WebSocket   ws${tls}://${host}:${port}/ws
  events      http${tls}://${host}:${port}/events?channel=NAME
  engine      ${engine}
  reach       ${reach}${operators}
`);
}

/** As a host stands in a URL. */
function hostInUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Names all that keeps it from starting, and ends the process. */
export function fail(faults: readonly string[]): void {
  process.stderr.write(`Passerelle cannot start:\n${faults.map((fault) => `  - ${fault}\n`).join('')}`);
  process.exit(2);
}
