/** To whom an address belongs, as far as limits go. Pure. */
import { isIP, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Of an IPv6 address the network of 64 bits, as one home or one machine has all of its addresses; any other address as it is. */
export function holderOf(address: string): string {
  if (!isIPv6(address)) return address;
  const parsed = ipaddr.parse(address);
  if (parsed.kind() !== 'ipv6' || parsed.range() === 'loopback') return address;
  const network = [...parsed.toByteArray().slice(0, 8), ...new Array<number>(8).fill(0)];
  return `${ipaddr.fromByteArray(network)}/64`;
}

/** Of this machine: proxies that are not trusted to say more, and tools. Nobody else can have such an address. */
export function isLoopback(address: string): boolean {
  return address === '::1' || (address.startsWith('127.') && isIP(address) === 4);
}
