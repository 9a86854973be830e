/** The token that this window shows to the gateway, kept for all pages of its origin until the window is closed. Knows no page. */

const KEY = 'token';
/** What a JWT looks like. Nothing else can be offered as a subprotocol. */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]*$/;
const MAX_CHARACTERS = 8_192;

/** Undefined where there is none. */
export function heldToken(): string | undefined {
  return parseToken(sessionStorage.getItem(KEY) ?? '');
}

export function holdToken(token: string): void {
  sessionStorage.setItem(KEY, token);
}

export function dropToken(): void {
  sessionStorage.removeItem(KEY);
}

/** A token as it was copied from somewhere, perhaps over several lines; undefined for what is none. */
export function parseToken(text: string): string | undefined {
  const token = text.replaceAll(/\s+/g, '');
  return token.length <= MAX_CHARACTERS && TOKEN.test(token) ? token : undefined;
}

/** The part of a client's options that makes it show the token; nothing where there is none. */
export function showingToken(): { readonly token?: () => string } {
  // What it is asked for later is the token of then; without any it is given this one again, which the gateway will refuse.
  const token = heldToken();
  return token === undefined ? {} : { token: () => heldToken() ?? token };
}

/** The subprotocols by which a bare WebSocket shows the token. */
export function subprotocols(): string[] {
  const token = heldToken();
  return token === undefined ? [] : ['passerelle', token];
}
