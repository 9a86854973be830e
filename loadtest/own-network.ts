/**
 * Runs a command in a network of its own: a loopback interface whose sockets have small buffers. Elsewhere the kernel takes
 * about four megabytes for each connection that does not read, before the server notices; thousands of those would need more
 * memory than the machine has. Needs `unshare` (util-linux) and `ip` (iproute2), and root or user namespaces.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** Least, default and most bytes that the kernel takes for one direction of a connection. */
const BUFFER_BYTES = '4096 16384 65536';

/** Whether this process is in such a network already. */
export function hasOwnNetwork(): boolean {
  return readFileSync('/proc/sys/net/ipv4/tcp_wmem', 'utf8').trim().split(/\s+/).join(' ') === BUFFER_BYTES;
}

/** Runs this program once more, in a network of its own. Rejects where it fails. */
export async function againInOwnNetwork(parameters: readonly string[]): Promise<void> {
  const setUp = `ip link set lo up && for each in wmem rmem; do echo ${BUFFER_BYTES} > /proc/sys/net/ipv4/tcp_$each; done`;
  const command = ['sh', '-c', `${setUp} && exec "$0" "$@"`, process.execPath, process.argv[1] ?? '', ...parameters];
  const namespaces = process.getuid?.() === 0 ? ['--net'] : ['--user', '--map-root-user', '--net'];
  const child = spawn('unshare', ['--kill-child', '--fork', ...namespaces, ...command], { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`It failed in a network of its own (${code})`);
}
