/**
 * Which hosts a gateway answers for, by the `Host` of a request. It keeps out pages that have their own name lead to this machine (DNS
 * rebinding): to their browser the gateway is then their own host. Pure.
 */
import { isIPv4 } from 'node:net';
import type { Parsed } from '../settings/setting.ts';

/** Names and addresses in lower case, without ports; `*.` before a name stands for its subdomains. Those of this machine need not be named. */
export type AllowedHosts = '*' | readonly string[];

/** `host` is a `Host` header; every port will do. */
export type HostCheck = (host: string) => boolean;

/** Reads `gateway.example.com, *.example.com, 192.0.2.1, [2001:db8::1]` or `*`. */
export function parseHosts(given: string): Parsed<AllowedHosts> {
  if (given === '*') return { ok: true, value: '*' };
  const hosts: string[] = [];
  for (const [index, text] of given.split(',').entries()) {
    const trimmed = text.trim();
    const below = trimmed.startsWith('*.');
    const name = normalized(below ? trimmed.slice(2) : trimmed);
    if (name === undefined)
      return {
        ok: false,
        error: `has at place ${index + 1} what is no host (a name or an address, without scheme, port and path)`,
      };
    hosts.push(below ? `*.${name}` : name);
  }
  return { ok: true, value: [...new Set(hosts)] };
}

/** Hosts of this machine are always taken: no page of another machine can have one. */
export function hostCheck(allowed: AllowedHosts): HostCheck {
  if (allowed === '*') return () => true;
  const names: ReadonlySet<string> = new Set(allowed);
  const domains = allowed.filter((host) => host.startsWith('*.')).map((host) => host.slice(1));
  return (host) => {
    const name = nameIn(host);
    return (
      names.has(name) || isLoopbackName(name) || domains.some((end) => name.endsWith(end) && name.length > end.length)
    );
  };
}

/** Whether what listens there can be reached from this machine only. */
export function isLoopbackName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost') || ['[::1]', '::1'].includes(name) || isLoopbackIPv4(name);
}

/** What listens there answers for this machine only where that is all that can reach it, and for every host otherwise. */
export function hostsBehind(listensOn: string): HostCheck {
  return hostCheck(isLoopbackName(listensOn) ? [] : '*');
}

function isLoopbackIPv4(name: string): boolean {
  return isIPv4(name) && name.startsWith('127.');
}

/** Without its port, and without the dot at the end that a full name may have. */
function nameIn(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/(?<=[^.])\.$/, '');
}

/** As browsers send it. */
function normalized(name: string): string | undefined {
  if (name === '' || /[/?#@\\*\s]/.test(name) || !URL.canParse(`http://${name}`)) return undefined;
  const { hostname, host } = new URL(`http://${name}`);
  const hasPort = host !== hostname || /:\d*$/.test(name.replace(/^\[.*\]/, ''));
  return hasPort ? undefined : nameIn(hostname);
}
