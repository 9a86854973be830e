/** Why a port cannot be listened on, as a sentence that says what is wrong and what to set instead. */
import { createServer } from 'node:net';

/** Where was to be listened, and the settings that say so. */
export interface Place {
  readonly host: string;
  readonly port: number;
  readonly hostSetting?: string;
  readonly portSetting?: string;
}

/** Below, a port is for root, or for whom the system lets. */
const FIRST_OPEN_PORT = 1024;

/** The sentence for what `node:net` says of it. */
export function refusedBecause(error: unknown, place: Place): string {
  const { host, port, hostSetting = 'HOST', portSetting = 'PORT' } = place;
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const how = portSetting === 'PORT' ? '' : ` (${portSetting})`;
  return `Cannot listen on ${where}${how}: ${reasonOf(error, port, hostSetting, portSetting)}.`;
}

function reasonOf(error: unknown, port: number, hostSetting: string, portSetting: string): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (code) {
    case 'EADDRINUSE':
      return `another program has this port: end that one, or start with another port, such as ${portSetting}=${port === 65_535 ? port - 1 : port + 1}`;
    case 'EACCES':
      return port < FIRST_OPEN_PORT
        ? `this user may not use ports below ${FIRST_OPEN_PORT}: start with a higher one, such as ${portSetting}=8080, or let every user by "sudo sysctl net.ipv4.ip_unprivileged_port_start=${port}"`
        : `the system does not let this user have the port: start with another one, such as ${portSetting}=${port === 8080 ? 8081 : 8080}`;
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
      return `this machine does not have the address: set one of its own, or ${everywhere(hostSetting)}`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_NONAME':
    case 'EAI_NODATA':
    case 'EAI_FAIL':
      return `no address is known for the name: correct ${hostSetting}, or set ${everywhere(hostSetting)}`;
    default:
      return `the system refuses it${code === '' ? '' : ` (${code})`}: start with another port, such as ${portSetting}=8081, or with ${everywhere(hostSetting)}`;
  }
}

function everywhere(setting: string): string {
  return `${setting}=127.0.0.1 for this machine only, or ${setting}=0.0.0.0 for the network`;
}

/** Resolves to the sentence where somebody else has tried in vain, and was not told why: tries it again, and lets go of the port where that succeeds. */
export function whyRefused(place: Place): Promise<string> {
  const { host, port } = place;
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error) => resolve(refusedBecause(error, place)));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(refusedBecause(undefined, place))));
  });
}
