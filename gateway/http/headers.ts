/** The headers by which browsers are told to be careful with what the gateway answers. */

export type Headers = readonly (readonly [name: string, value: string])[];

/** What every answer has. `tls`: whether the gateway itself is what speaks TLS; otherwise that is for the proxy to say. */
export function securityHeaders(tls: boolean): Headers {
  return [['X-Content-Type-Options', 'nosniff'], ...(tls ? ([['Strict-Transport-Security', ONE_YEAR]] as const) : [])];
}

/** Not for subdomains: the gateway can't know whether those have TLS. */
const ONE_YEAR = 'max-age=31536000';

/** The pages load nothing from elsewhere, run no inline script, and may be framed by nobody. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Nothing of what a browser asks people for. An empty list would forbid nothing, so each is named. */
const PERMISSIONS_POLICY = [
  'accelerometer',
  'camera',
  'display-capture',
  'geolocation',
  'gyroscope',
  'magnetometer',
  'microphone',
  'midi',
  'payment',
  'usb',
]
  .map((feature) => `${feature}=()`)
  .join(', ');

/** What pages and their files have besides. */
export const PAGE_HEADERS: Headers = [
  ['Content-Security-Policy', CONTENT_SECURITY_POLICY],
  ['X-Frame-Options', 'DENY'],
  ['Cross-Origin-Opener-Policy', 'same-origin'],
  ['Permissions-Policy', PERMISSIONS_POLICY],
  ['Referrer-Policy', 'no-referrer'],
];
