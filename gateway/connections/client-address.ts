/** Reads from a request of uWebSockets.js which address it came from, as the peer and the proxies that are trusted tell it. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import type { CameByTls, ClientAddress, ProxyHeader } from './forwarded.ts';

export type ReadAddress = (res: HttpResponse, req: HttpRequest) => string;

/**
 * `addressOf` makes an address of the peer's and of all that the proxies' header says; without one there is nothing to read. `proxyProtocol`: the peer is who the PROXY protocol
 * names. uWebSockets.js takes that in from anybody, so it is not to be looked at unless only a proxy can have sent it.
 */
export function addressReader(
  addressOf: ClientAddress,
  header: ProxyHeader | undefined,
  proxyProtocol: boolean,
): ReadAddress {
  return (res, req) => {
    const named = proxyProtocol ? textOf(res.getProxiedRemoteAddressAsText()) : '';
    return addressOf(named || textOf(res.getRemoteAddressAsText()), header === undefined ? '' : linesOf(req, header));
  };
}

/** Reads from a request whether it came by TLS: to the gateway itself, or to a trusted proxy. */
export type ReadSecure = (res: HttpResponse, req: HttpRequest) => boolean;

/** `tls`: whether the gateway itself is what speaks TLS. Without a header there is nothing to read. */
export function secureReader(tls: boolean, cameBy: CameByTls, header: ProxyHeader | undefined): ReadSecure {
  if (tls) return () => true;
  if (header === undefined) return () => false;
  const name = header === 'forwarded' ? header : 'x-forwarded-proto';
  return (res, req) => cameBy(textOf(res.getRemoteAddressAsText()), linesOf(req, name));
}

/** Each proxy may have added a line of its own, of which `getHeader` gives one. */
function linesOf(req: HttpRequest, header: ProxyHeader | 'x-forwarded-proto'): string {
  const lines: string[] = [];
  req.forEach((name, value) => {
    if (name === header) lines.push(value);
  });
  return lines.join(',');
}

function textOf(bytes: ArrayBuffer): string {
  return Buffer.from(bytes).toString();
}
