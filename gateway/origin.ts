/** Which web pages may talk to this gateway, by the `Origin` that their browser sends. */
import type { AllowedOrigins } from './config.ts';

export type OriginCheck = (origin: string | undefined, host: string | undefined) => boolean;

/**
 * Allows what is no browser's cross-origin request (no `Origin` at all), pages of this very host and port, and the origins of
 * the list.
 */
export function originCheck(allowed: AllowedOrigins): OriginCheck {
  const list: ReadonlySet<string> | undefined = allowed === '*' ? undefined : new Set(allowed);
  return (origin, host) => {
    if (origin === undefined || list === undefined || list.has(origin)) return true;
    return host !== undefined && origin.slice(origin.indexOf('://') + 3) === host.toLowerCase();
  };
}

/** The CORS headers of an answer to an allowed origin; none where no origin was sent. */
export function corsHeaders(origin: string | undefined): readonly (readonly [name: string, value: string])[] {
  if (origin === undefined) return [];
  return [
    ['Access-Control-Allow-Origin', origin],
    ['Vary', 'Origin'],
  ];
}

/** The further headers that answer a preflight (`OPTIONS`). */
export function preflightHeaders(methods: string): readonly (readonly [name: string, value: string])[] {
  return [
    ['Access-Control-Allow-Methods', methods],
    ['Access-Control-Allow-Headers', 'Authorization, Content-Type, Last-Event-ID, Cache-Control'],
    ['Access-Control-Max-Age', '86400'],
  ];
}
