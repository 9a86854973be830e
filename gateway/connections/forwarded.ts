/**
 * The address of a client that comes through proxies. Pure.
 *
 * Each proxy writes into a header from whom it got the request, behind what was already there; so only what trusted proxies have written
 * counts, from the last of them back to the first address that is none of theirs. Which header that is must be known: in another one,
 * which the proxies pass on as it came, a client could write what it likes.
 */
import { isIP, isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Parsed } from '../settings/setting.ts';

type Address = ReturnType<typeof ipaddr.parse>;
type Network = ReturnType<typeof ipaddr.parseCIDR>;

/** The proxies whose word counts: those within networks, or the last so many. */
export type TrustedProxies = { readonly networks: readonly Network[] } | { readonly hops: number };

export const PROXY_HEADERS = ['x-forwarded-for', 'forwarded'] as const;
export type ProxyHeader = (typeof PROXY_HEADERS)[number];

/**
 * The address of the client behind the one that is connected. `header` is the whole of the trusted header: where it came in several lines,
 * all of them, in order, joined by commas, as a proxy may add a line of its own.
 */
export type ClientAddress = (peer: string, header: string) => string;

const MAX_HOPS = 16;

/** Reads `2` or `10.0.0.0/8, 127.0.0.1, ::1`. */
export function parseTrustedProxies(given: string): Parsed<TrustedProxies> {
  if (/^\d+$/.test(given)) {
    const hops = Number(given);
    if (hops >= 1 && hops <= MAX_HOPS) return { ok: true, value: { hops } };
    return { ok: false, error: `is no number of proxies from 1 to ${MAX_HOPS}` };
  }
  const networks: Network[] = [];
  for (const [index, text] of given.split(',').entries()) {
    const network = networkFrom(text.trim());
    if (network === undefined)
      return { ok: false, error: `has at place ${index + 1} what is no address and no network` };
    networks.push(network);
  }
  return { ok: true, value: { networks } };
}

/** Addresses come out in one form each: IPv6 shortened, IPv4 also where it was written as IPv6, no ports. */
export function clientAddress(trusted: TrustedProxies | undefined, header: ProxyHeader): ClientAddress {
  if (trusted === undefined) return (peer) => normalized(peer);
  const hopsIn = header === 'forwarded' ? forwardedFor : commaSeparated;
  return (peer, value) => {
    if (value === '' || !trusts(trusted, peer, 0)) return normalized(peer);
    return farthest(trusted, peer, hopsIn(value));
  };
}

/**
 * Whether the request came by TLS, as a trusted proxy tells it. `header` is the whole of `X-Forwarded-Proto`, or of `Forwarded`. That one proxy
 * says so is enough: the others may be behind what ends TLS. Whoever is believed wrongly is only refused more.
 */
export type CameByTls = (peer: string, header: string) => boolean;

export function cameByTls(trusted: TrustedProxies | undefined, header: ProxyHeader): CameByTls {
  if (trusted === undefined) return () => false;
  const protocolsIn = header === 'forwarded' ? (value: string) => forwarded(value, 'proto') : commaSeparated;
  return (peer, value) =>
    value !== '' && trusts(trusted, peer, 0) && protocolsIn(value).some((each) => /^(?:https|wss)$/i.test(each));
}

/** The first from the right that is no trusted proxy, or the last there is; the peer's own where one on the way cannot be read. */
function farthest(trusted: TrustedProxies, peer: string, hops: readonly string[]): string {
  let client = normalized(peer);
  for (const [index, hop] of hops.toReversed().entries()) {
    const address = addressIn(hop);
    if (address === undefined) return normalized(peer);
    client = address;
    if (!trusts(trusted, address, index + 1)) break;
  }
  return client;
}

/** Whether what this one says of where it got the request from counts; it is so many proxies away. */
function trusts(trusted: TrustedProxies, text: string, distance: number): boolean {
  if ('hops' in trusted) return distance < trusted.hops;
  const address = parsed(text);
  return address !== undefined && trusted.networks.some((network) => within(address, network));
}

function within(address: Address, [base, bits]: Network): boolean {
  return address.kind() === base.kind() && address.match(base, bits);
}

function networkFrom(text: string): Network | undefined {
  const [base = '', bits, ...rest] = text.split('/');
  const address = isIP(base) === 0 ? undefined : ipaddr.process(base);
  if (address === undefined || rest.length > 0) return undefined;
  const width = address.kind() === 'ipv4' ? 32 : 128;
  if (bits === undefined) return [address, width];
  // A network of IPv4 addresses that are written as IPv6 has another number of bits: better written as IPv4.
  if (!/^\d{1,3}$/.test(bits) || Number(bits) > width || (base.includes(':') && width === 32)) return undefined;
  return [address, Number(bits)];
}

/** An address as proxies write it: `192.0.2.1`, `192.0.2.1:8080`, `2001:db8::1`, `[2001:db8::1]:8080`. Undefined for anything else. */
function addressIn(hop: string): string | undefined {
  const bare = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(hop)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(hop)?.[1] ?? hop;
  return isIP(bare) === 0 ? undefined : normalized(bare);
}

function normalized(address: string): string {
  if (isIPv4(address)) return address; // it has one form only
  return parsed(address)?.toString() ?? address;
}

function parsed(address: string): Address | undefined {
  return isIP(address) === 0 ? undefined : ipaddr.process(address);
}

function commaSeparated(header: string): readonly string[] {
  return header.split(',').map((hop) => hop.trim());
}

/** A part of a `Forwarded` header (RFC 7239): a name, and a value that may be quoted; then what ends it. */
const FORWARDED_PAIR = /[ \t]*(?:([\w!#$%&'*+.^`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*)))?[ \t]*([;,]|$)/y;

/** Who each proxy got the request from; empty for one that does not say. A header that is not well-formed gives one hop that is no address. */
function forwardedFor(header: string): readonly string[] {
  return forwarded(header, 'for');
}

/** What each proxy says under this name; empty for one that does not say, and one empty text for a header that is not well-formed. */
function forwarded(header: string, wanted: string): readonly string[] {
  const hops: string[] = [];
  let hop = '';
  const pair = new RegExp(FORWARDED_PAIR); // it keeps its place
  for (;;) {
    const match = pair.exec(header);
    if (match === null) return [''];
    const [, name = '', quoted, plain = '', end] = match;
    if (name.toLowerCase() === wanted) hop = quoted?.replace(/\\(.)/g, '$1') ?? plain;
    if (end === ';') continue;
    hops.push(hop);
    hop = '';
    if (end === '') return hops;
  }
}
