/**
 * The settings of authentication, which `config.ts` lists among the gateway's own, and what they become together.
 *
 * Secrets are turned into keys and digests here, so that nothing further on holds one that could be printed.
 */
import {
  choice,
  type Environment,
  faultOf,
  integer,
  matching,
  type Parsed,
  readSettings,
  type SettingTable,
  text,
  toggle,
  type ValuesOf,
} from '../settings/setting.ts';
import { type ReadFile, readText } from '../settings/settings-file.ts';
import { type ApiKey, parseApiKeys, readApiKeys, repetitionIn } from './api-keys.ts';
import { parsePublicKeys, parseSecret, type TokenKey } from './keys.ts';
import type { TokenRules } from './tokens.ts';

const KEYS = 'TOKEN_SECRET, TOKEN_PUBLIC_KEYS or TOKEN_JWKS_URL';

const LINE = /^\P{Cc}{1,256}$/u;

export const AUTH_SETTINGS = {
  tokenSecret: text<TokenKey | undefined>('TOKEN_SECRET', undefined, {
    secret: true,
    allowed: 'text of at least 32 bytes',
    about:
      'The secret by which the tokens of users (JSON Web Tokens) are signed with HS256, from 48 bytes on also with HS384, and from 64 bytes on with HS512. Make one with: openssl rand -base64 32. ' +
      'Where no key for tokens and no API key is given there is no authentication: everybody may do everything.',
    parse: parseSecret,
  }),
  tokenPublicKeys: text<string | undefined>('TOKEN_PUBLIC_KEYS', undefined, {
    // Public keys are no secret, but a private one could be given by mistake.
    secret: true,
    allowed:
      'public keys in PEM form, one after the other (line breaks may be written as \\n), or the path of a file of them',
    about:
      'The public keys of whoever signs tokens: RSA (RS256, RS384, RS512, PS256, PS384, PS512), P-256 (ES256), P-384 (ES384), P-521 (ES512) or Ed25519 (EdDSA). Each key takes tokens of the algorithms of its own type only. With several, one can take the place of another in steps.',
    parse: (given) => ({ ok: true, value: given }),
  }),
  tokenJwksUrl: text<string | undefined>('TOKEN_JWKS_URL', undefined, {
    // It could have a password in it, which is refused and then not to be shown.
    secret: true,
    allowed: 'an https URL (http for this machine only), without user and password',
    about:
      'Where the issuer of tokens publishes its keys as a JSON Web Key Set. Fetched when it is first needed, every 10 minutes while in use, and when a token names an unknown key; used for a day where it cannot be fetched.',
    parse: parseJwksUrl,
  }),
  tokenIssuer: text<string | undefined>('TOKEN_ISSUER', undefined, {
    allowed: '1 to 256 characters in one line',
    about: 'What the "iss" of every token must be. Without it that is not looked at.',
    parse: matching(LINE, 'has a control character, or is too long'),
  }),
  tokenAudience: text<string | undefined>('TOKEN_AUDIENCE', undefined, {
    allowed: '1 to 256 characters in one line',
    about:
      'What the "aud" of every token must be or have. Without it that is not looked at: then no other application may be issued tokens that are signed by the same key.',
    parse: matching(LINE, 'has a control character, or is too long'),
  }),
  tokenClockToleranceSeconds: integer('TOKEN_CLOCK_TOLERANCE_SECONDS', 5, {
    min: 0,
    max: 300,
    unit: 'seconds',
    about:
      'How far the clock of whoever issues tokens may be ahead of this gateway\'s: a token is good so much before its "nbf". Its end ("exp") is kept to the second, so fetch a fresh one some seconds before.',
  }),
  tokenExpiry: choice('TOKEN_EXPIRY', 'required', {
    words: ['required', 'optional'],
    about:
      'Whether every token must have an end ("exp"). One without cannot be taken back but by changing the key, and tokens in URLs end up in logs.',
  }),
  apiKeys: text<readonly ApiKey[]>('API_KEYS', [], {
    secret: true,
    allowed:
      'NAME:KEY or NAME:sha256:HEX, separated by commas; KEY is 16 to 512 characters of A-Z a-z 0-9 . _ ~ + / = -, HEX its SHA-256 in 64 lower-case digits',
    fallbackText: 'none',
    about:
      'The keys of servers, which may do everything in every channel. The name is what logs call a key. Make a key with: openssl rand -hex 32.',
    parse: parseApiKeys,
  }),
  apiKeysFile: text<string | undefined>('API_KEYS_FILE', undefined, {
    allowed: 'the path of a JSON file',
    about:
      'Further keys of servers, each with the channels in which it may publish, subscribe, read the history and see who is there.',
    parse: (path) => ({ ok: true, value: path }),
  }),
  allowAnonymous: toggle('ALLOW_ANONYMOUS', false, {
    about:
      'Whether, where authentication is configured, somebody without a token is let in, to do what a namespace allows to everyone. ' +
      'Where none is configured, on lets the gateway start with NODE_ENV=production all the same.',
  }),
} satisfies SettingTable;

/** Who is let in, and by which keys. */
export interface AuthConfig {
  /** Whether no authentication is configured: everybody may do everything. */
  readonly open: boolean;
  /** Whether tokens are taken: there are keys for them, or a set of keys is fetched. */
  readonly takesTokens: boolean;
  readonly tokenKeys: readonly TokenKey[];
  readonly jwksUrl: string | undefined;
  readonly tokenRules: TokenRules;
  readonly apiKeys: readonly ApiKey[];
  readonly allowAnonymous: boolean;
}

type Values = ValuesOf<typeof AUTH_SETTINGS>;

/** Reads the settings of authentication, and the files that they name. Where `faults` is not empty the rest must not be used. */
export function readAuth(
  env: Environment,
  readFile?: ReadFile,
): { readonly auth: AuthConfig; readonly faults: readonly string[] } {
  const { values, faults: own } = readSettings(AUTH_SETTINGS, env);
  const faults = [...own];
  const publicKeys = publicKeysOf(values, readFile);
  if (!publicKeys.ok) faults.push(faultOf(AUTH_SETTINGS.tokenPublicKeys, '', publicKeys.error));
  const fromFile = readApiKeysFile(values, readFile);
  if (!fromFile.ok) faults.push(...fromFile.faults);

  const tokenKeys = [...(values.tokenSecret ? [values.tokenSecret] : []), ...(publicKeys.ok ? publicKeys.value : [])];
  const apiKeys = [...values.apiKeys, ...(fromFile.ok ? fromFile.content : [])];
  const repetition = repetitionIn(apiKeys);
  if (repetition !== undefined)
    faults.push(`${AUTH_SETTINGS.apiKeysFile.name}, with API_KEYS, ${repetition}. Take one of them out.`);
  const takesTokens = tokenKeys.length > 0 || values.tokenJwksUrl !== undefined;
  // A key whose name was mistyped would leave the gateway open without a word.
  if (!takesTokens && faults.length === 0) faults.push(...rulesWithoutKeys(values));

  const auth: AuthConfig = {
    open: !takesTokens && apiKeys.length === 0,
    takesTokens,
    tokenKeys,
    jwksUrl: values.tokenJwksUrl,
    tokenRules: {
      issuer: values.tokenIssuer,
      audience: values.tokenAudience,
      clockToleranceSeconds: values.tokenClockToleranceSeconds,
      expiryRequired: values.tokenExpiry === 'required',
    },
    apiKeys,
    allowAnonymous: values.allowAnonymous,
  };
  return { auth: Object.freeze(auth), faults };
}

function publicKeysOf({ tokenPublicKeys: given }: Values, readFile?: ReadFile): Parsed<readonly TokenKey[]> {
  if (given === undefined) return { ok: true, value: [] };
  if (given.startsWith('-----BEGIN ')) return parsePublicKeys(given.replaceAll('\\n', '\n'));
  const read = readText(given, readFile);
  if (read.ok) return parsePublicKeys(read.text);
  // Nothing else of what went wrong is shown: what was given could be a private key.
  if (read.denied) return { ok: false, error: `is the path of a file, and ${read.fault}` };
  return { ok: false, error: 'is neither a key in PEM form nor the path of a file that can be read' };
}

function readApiKeysFile({ apiKeysFile: path }: Values, readFile?: ReadFile) {
  if (path === undefined) return { ok: true, content: [] } as const;
  const read = readApiKeys(path, readFile);
  if (read.ok) return read;
  return { ok: false, faults: read.faults.map((fault) => `${AUTH_SETTINGS.apiKeysFile.name}: ${fault}`) } as const;
}

function rulesWithoutKeys({ tokenIssuer, tokenAudience }: Values): readonly string[] {
  const given = [
    { setting: AUTH_SETTINGS.tokenIssuer, value: tokenIssuer },
    { setting: AUTH_SETTINGS.tokenAudience, value: tokenAudience },
  ];
  return given.flatMap(({ setting, value }) =>
    value === undefined ? [] : [faultOf(setting, value, `is of no use without a key for tokens: ${KEYS}`)],
  );
}

function parseJwksUrl(given: string): Parsed<string> {
  if (!URL.canParse(given)) return { ok: false, error: 'is no URL' };
  const { protocol, hostname, username, password } = new URL(given);
  if (username !== '' || password !== '') return { ok: false, error: 'has a user or a password in it' };
  if (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))) return { ok: true, value: given };
  // Whoever can change what comes over http could sign tokens for anybody.
  return { ok: false, error: 'is no https URL' };
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}
