/**
 * The table of who may do what: what is asked of which gateway, with which credential, and what should come of it. Data, and the making of the
 * credentials that it names; it asks nothing itself.
 */
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import type { Action, Transport } from './access-matrix.ts';
import type { Issuer } from './harness/issuer.ts';

export type GatewayName = 'guarded' | 'open' | 'anonymous' | 'keyless';
export type Row = readonly [
  gateway: GatewayName,
  transport: Transport,
  action: Action,
  target: string,
  credential: string,
  where: string,
  expected: string,
];

const REFUSED = 'unauthorized 4401';

export const TABLE: readonly Row[] = [
  // Every kind of token, and every place where it can be shown.
  ['guarded', '/ws', 'connect', '', '-', '-', REFUSED],
  ['guarded', '/ws', 'connect', '', 'HS256', 'query', 'welcome ada'],
  ['guarded', '/ws', 'connect', '', 'HS256', 'header', 'welcome ada'],
  ['guarded', '/ws', 'connect', '', 'HS256', 'subprotocol', 'welcome ada'],
  ['guarded', '/ws', 'connect', '', 'HS256', 'twice', 'welcome ada'],
  ['guarded', '/ws', 'connect', '', 'RS256', 'subprotocol', 'welcome ada'],
  ['guarded', '/ws', 'connect', '', 'RS256, 2nd key', 'query', 'welcome ada'],
  ['guarded', '/ws', 'connect', '', 'ES256', 'query', 'welcome ada'],
  ['guarded', '/ws', 'connect', '', 'EdDSA', 'query', 'welcome ada'],
  ['guarded', '/ws', 'connect', '', 'Ed25519', 'query', 'welcome ada'],
  ['guarded', '/ws', 'connect', '', 'RS256 by JWKS', 'query', 'welcome ada'],
  ['guarded', '/ws', 'connect', '', 'ES256 by JWKS', 'header', 'welcome ada'],
  ['guarded', '/ws', 'connect', '', 'EdDSA by JWKS', 'subprotocol', 'welcome ada'],
  ['guarded', '/ws', 'connect', '', 'key all', 'header', 'welcome -'],
  ['guarded', '/ws', 'connect', '', 'key hashed', 'header', 'welcome -'],
  // What must not be let in.
  ['guarded', '/ws', 'connect', '', 'of another kid', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'of nobody known', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'with its own key', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'expired', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'not yet valid', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'without end', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'end is text', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'other secret', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'no signature', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'other payload', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'HS512', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'RS256 as ES256', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'RS256 as PS256', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'HS256 as RS256', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'alg none', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'alg none', 'subprotocol', REFUSED],
  ['guarded', '/ws', 'connect', '', 'alg NONE, signed', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'HS256 by RSA key', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'HS256 by RSA, cut', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'HS256 by nothing', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'critical', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'no sub', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'sub a number', 'query', 'welcome 7'],
  ['guarded', '/ws', 'connect', '', 'sub empty', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'sub a b', 'query', 'welcome a b'],
  ['guarded', '/ws', 'connect', '', 'sub *', 'query', 'welcome *'],
  ['guarded', '/ws', 'connect', '', 'sub ädä', 'query', 'welcome ädä'],
  ['guarded', '/ws', 'connect', '', 'sub with newline', 'query', 'welcome ada\n'],
  ['guarded', '/ws', 'connect', '', 'sub of 513', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'end in ms', 'query', REFUSED],
  ['guarded', '/ws', 'subscribe', 'news', 'no sub, reads news', 'query', 'subscribed'],
  ['guarded', '/ws', 'subscribe', 'chat:lobby', 'no sub, reads news', 'query', 'forbidden'],
  ['guarded', '/ws', 'publish', 'news', 'no sub, reads news', 'query', 'forbidden'],
  ['guarded', '/ws', 'subscribe', '@github:1', 'sub github:1', 'query', 'subscribed'],
  ['guarded', '/ws', 'subscribe', 'notify:@github:1', 'sub github:1', 'query', 'subscribed'],
  ['guarded', '/ws', 'publish', '@github:1', 'sub github:1', 'query', 'published'],
  ['guarded', '/ws', 'subscribe', '@github:1', 'HS256', 'query', 'forbidden'],
  ['guarded', '/ws', 'publish', '@github:1', 'HS256', 'query', 'forbidden'],
  ['guarded', '/ws', 'subscribe', '@github:1', 'read *', 'query', 'forbidden'],
  ['guarded', '/ws', 'subscribe', '@github:1', 'read @github:*', 'query', 'subscribed'],
  ['anonymous', '/ws', 'subscribe', '@github:1', '-', '-', 'forbidden'],
  ['guarded', '/events', 'subscribe', '@github:1', 'HS256', 'query', '403 forbidden'],
  ['guarded', 'HTTP', 'history', '@github:1', 'HS256', 'header', '403 forbidden'],
  ['guarded', '/ws', 'connect', '', 'too long', 'header', REFUSED],
  ['guarded', '/ws', 'connect', '', 'no token', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'key all', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'key all', 'subprotocol', REFUSED],
  ['guarded', '/ws', 'connect', '', 'hash of a key', 'header', REFUSED],
  ['guarded', '/ws', 'connect', '', 'HS256 of bob', 'beside HS256', REFUSED],
  ['guarded', '/ws', 'connect', '', 'key all', 'beside HS256', REFUSED],
  ['guarded', '/ws', 'connect', '', 'key all', 'Bearer KEY KEY', REFUSED],
  ['guarded', '/ws', 'connect', '', 'key all', 'KEY', REFUSED],
  // What the rules of namespaces allow to a user, and what belongs to another one.
  ['guarded', '/ws', 'subscribe', 'news', 'HS256', 'query', 'subscribed'],
  ['guarded', '/ws', 'publish', 'news', 'HS256', 'query', 'published'],
  ['guarded', '/ws', 'history', 'news', 'HS256', 'query', 'history'],
  ['guarded', '/ws', 'presence', 'news', 'HS256', 'query', 'presence'],
  ['guarded', '/ws', 'subscribe', 'notify:@ada', 'HS256', 'query', 'subscribed'],
  ['guarded', '/ws', 'subscribe', 'notify:@bob', 'HS256', 'query', 'forbidden'],
  ['guarded', '/ws', 'history', 'notify:@bob', 'HS256', 'query', 'forbidden'],
  ['guarded', '/ws', 'publish', 'notify:all', 'HS256', 'query', 'forbidden'],
  ['guarded', '/ws', 'publish', 'notify:@ada', 'HS256', 'query', 'forbidden'],
  ['guarded', '/ws', 'publish', 'news:@bob', 'HS256', 'query', 'forbidden'],
  ['guarded', '/ws', 'presence', '@bob', 'HS256', 'query', 'forbidden'],
  ['guarded', '/ws', 'subscribe', 'servers:7', 'HS256', 'query', 'forbidden'],
  ['guarded', '/ws', 'history', 'servers:7', 'HS256', 'query', 'forbidden'],
  ['guarded', '/ws', 'presence', 'servers:7', 'HS256', 'query', 'forbidden'],
  ['guarded', '/ws', 'subscribe', 'own:@ada', 'HS256', 'query', 'subscribed'],
  ['guarded', '/ws', 'subscribe', 'own:ada', 'HS256', 'query', 'forbidden'],
  // Patterns, and what could be taken for one.
  ['guarded', '/ws', 'subscribe', 'chat:x', 'read chat:*', 'query', 'subscribed'],
  ['guarded', '/ws', 'subscribe', 'chat2:x', 'read chat:*', 'query', 'forbidden'],
  ['guarded', '/ws', 'subscribe', 'chat:', 'read chat:*', 'query', 'forbidden'],
  ['guarded', '/ws', 'history', 'chat2:x', 'read chat:*', 'query', 'forbidden'],
  ['guarded', '/ws', 'publish', 'news', 'read chat:*', 'query', 'published'],
  ['guarded', '/ws', 'subscribe', 'servers:7', 'read *', 'query', 'subscribed'],
  ['guarded', '/ws', 'presence', 'servers:7', 'read *', 'query', 'forbidden'],
  ['guarded', '/ws', 'subscribe', 'notify:@ada', 'read *', 'query', 'subscribed'],
  ['guarded', '/ws', 'subscribe', 'notify:@bob', 'read *', 'query', 'forbidden'],
  ['guarded', '/ws', 'subscribe', 'notify:@bob', 'read notify:*', 'query', 'forbidden'],
  ['guarded', '/ws', 'subscribe', 'notify:@bob', 'read notify:*bob', 'query', 'forbidden'],
  ['guarded', '/ws', 'subscribe', 'notify:@bob', 'read notify:@*', 'query', 'subscribed'],
  ['guarded', '/ws', 'subscribe', 'notify:@ada', 'read notify:@me', 'query', 'subscribed'],
  ['guarded', '/ws', 'subscribe', 'notify:@me', 'read notify:@me', 'query', 'forbidden'],
  ['guarded', '/ws', 'subscribe', 'chatXx', 'read chat.*', 'query', 'forbidden'],
  ['guarded', '/ws', 'subscribe', 'chat.x', 'read chat.*', 'query', 'subscribed'],
  ['guarded', '/ws', 'connect', '', 'read ^.*$', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'read chat:(a|b)', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'read [a-z]*', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'read **', 'query', REFUSED],
  ['guarded', '/ws', 'subscribe', 'news', 'read ', 'query', 'forbidden'],
  ['guarded', '/ws', 'publish', 'news', 'write ', 'query', 'forbidden'],
  ['guarded', '/ws', 'publish', 'notify:all', 'write notify:*', 'query', 'published'],
  ['guarded', '/ws', 'publish', 'notify:@bob', 'write *', 'query', 'forbidden'],
  ['guarded', '/ws', 'subscribe', '$fleet', 'read *', 'query', 'bad_request'],
  // API keys over a WebSocket.
  ['guarded', '/ws', 'publish', 'orders:1', 'key orders', 'header', 'published'],
  ['guarded', '/ws', 'publish', 'orders2:1', 'key orders', 'header', 'forbidden'],
  ['guarded', '/ws', 'subscribe', 'orders:1', 'key orders', 'header', 'forbidden'],
  ['guarded', '/ws', 'subscribe', 'notify:@bob', 'key all', 'header', 'subscribed'],
  // A fresh token.
  ['guarded', '/ws', 'auth', 'HS256', 'HS256', 'query', 'authenticated'],
  ['guarded', '/ws', 'auth', 'EdDSA by JWKS', 'HS256', 'query', 'authenticated'],
  ['guarded', '/ws', 'auth', 'HS256 of bob', 'HS256', 'query', 'forbidden'],
  ['guarded', '/ws', 'auth', 'expired', 'HS256', 'query', REFUSED],
  ['guarded', '/ws', 'auth', 'alg none', 'HS256', 'query', REFUSED],
  ['guarded', '/ws', 'auth', 'key all', 'HS256', 'query', REFUSED],
  ['guarded', '/ws', 'auth', 'HS256', 'key all', 'header', 'forbidden'],
  ['anonymous', '/ws', 'auth', 'HS256', '-', '-', 'forbidden'],
  ['open', '/ws', 'auth', 'HS256', '-', '-', 'unauthorized'],
  // The chat.
  ['guarded', '/chat', 'connect', 'lobby', '-', '-', REFUSED],
  ['guarded', '/chat', 'connect', 'lobby', 'HS256', 'subprotocol', 'welcome ada'],
  ['guarded', '/chat', 'connect', 'lobby', 'expired', 'query', REFUSED],
  ['guarded', '/chat', 'connect', '@bob', 'HS256', 'query', 'forbidden 4403'],
  ['guarded', '/chat', 'connect', 'lobby', 'read chat:other', 'query', 'forbidden 4403'],
  ['guarded', '/chat', 'publish', 'lobby', 'HS256', 'query', 'published'],
  ['guarded', '/chat', 'publish', 'lobby', 'write chat:other', 'query', 'forbidden'],
  ['guarded', '/chat', 'typing', 'lobby', 'HS256', 'query', 'pong'],
  ['guarded', '/chat', 'typing', 'lobby', 'write ', 'query', 'forbidden'],
  ['guarded', '/chat', 'presence', 'lobby', 'HS256', 'query', 'userlist'],
  ['guarded', '/chat', 'auth', 'EdDSA by JWKS', 'HS256', 'query', 'authenticated'],
  ['guarded', '/chat', 'auth', 'HS256 of bob', 'HS256', 'query', 'forbidden'],
  ['guarded', '/chat', 'auth', 'expired', 'HS256', 'query', REFUSED],
  ['guarded', '/chat', 'auth', 'HS256', 'key all', 'header', 'forbidden'],
  ['open', '/chat', 'auth', 'HS256', '-', '-', 'unauthorized'],
  ['anonymous', '/chat', 'connect', 'lobby', '-', '-', 'forbidden 4403'],
  ['open', '/chat', 'connect', 'lobby', '-', '-', 'welcome -'],
  // Notifications.
  ['guarded', '/notifications', 'connect', '', '-', '-', REFUSED],
  ['guarded', '/notifications', 'connect', '', 'HS256', 'query', 'history ada'],
  ['guarded', '/notifications', 'connect', 'bob', 'HS256', 'query', 'forbidden 4403'],
  ['guarded', '/notifications', 'connect', 'bob', 'read *', 'query', 'forbidden 4403'],
  ['guarded', '/notifications', 'connect', '', 'read notify:@me', 'query', 'forbidden 4403'],
  ['guarded', '/notifications', 'publish', 'bob', 'HS256', 'query', 'forbidden'],
  ['guarded', '/notifications', 'publish', '', 'HS256', 'query', 'forbidden'],
  ['guarded', '/notifications', 'publish', 'bob', 'write notify:@*', 'query', 'published'],
  ['guarded', '/notifications', 'publish', 'bob', 'key all', 'header', 'published'],
  ['guarded', '/notifications', 'read', '', 'HS256', 'query', 'read'],
  ['guarded', '/notifications', 'auth', 'EdDSA by JWKS', 'HS256', 'query', 'authenticated'],
  ['guarded', '/notifications', 'auth', 'HS256 of bob', 'HS256', 'query', 'forbidden'],
  ['guarded', '/notifications', 'auth', 'alg none', 'HS256', 'query', REFUSED],
  ['anonymous', '/notifications', 'auth', 'HS256', '-', '-', 'forbidden'],
  ['anonymous', '/notifications', 'connect', '', '-', '-', 'history -'],
  ['anonymous', '/notifications', 'connect', 'bob', '-', '-', 'forbidden 4403'],
  ['anonymous', '/notifications', 'read', '', '-', '-', 'forbidden'],
  ['open', '/notifications', 'connect', 'bob', '-', '-', 'history bob'],
  // Event streams.
  ['guarded', '/events', 'subscribe', 'news', '-', '-', '401 unauthorized'],
  ['guarded', '/events', 'subscribe', 'news', 'HS256', 'query', '200'],
  ['guarded', '/events', 'subscribe', 'news', 'RS256 by JWKS', 'header', '200'],
  ['guarded', '/events', 'subscribe', 'news', 'expired', 'query', '401 unauthorized'],
  ['guarded', '/events', 'subscribe', 'news', 'key all', 'query', '401 unauthorized'],
  ['guarded', '/events', 'subscribe', 'news', 'HS256 of bob', 'beside HS256', '401 unauthorized'],
  ['guarded', '/events', 'subscribe', 'notify:@bob', 'HS256', 'query', '403 forbidden'],
  ['guarded', '/events', 'subscribe', 'news,notify:@bob', 'read *', 'query', '403 forbidden'],
  ['guarded', '/events', 'subscribe', 'notify:all,notify:@ada', 'HS256', 'query', '200'],
  ['guarded', '/events', 'subscribe', 'chat2:x', 'read chat:*', 'query', '403 forbidden'],
  ['anonymous', '/events', 'subscribe', 'news', '-', '-', '200'],
  ['anonymous', '/events', 'subscribe', 'chat:lobby', '-', '-', '403 forbidden'],
  ['anonymous', '/events', 'subscribe', 'news', 'expired', 'query', '401 unauthorized'],
  ['open', '/events', 'subscribe', 'notify:@bob', 'no token', 'query', '200'],
  // HTTP.
  ['guarded', 'HTTP', 'publish', 'news', '-', '-', '401 unauthorized'],
  ['guarded', 'HTTP', 'publish', 'news', 'HS256', 'header', '200'],
  ['guarded', 'HTTP', 'publish', 'news', 'ES256', 'query', '200'],
  ['guarded', 'HTTP', 'publish', 'news', 'HS256 by RSA key', 'header', '401 unauthorized'],
  ['guarded', 'HTTP', 'publish', 'notify:all', 'HS256', 'header', '403 forbidden'],
  ['guarded', 'HTTP', 'publish', 'notify:@bob', 'key all', 'header', '200'],
  ['guarded', 'HTTP', 'publish', 'orders:1', 'key orders', 'header', '200'],
  ['guarded', 'HTTP', 'publish', 'orders:@bob', 'key orders', 'header', '403 forbidden'],
  ['guarded', 'HTTP', 'publish', 'news', 'key orders', 'header', '403 forbidden'],
  ['guarded', 'HTTP', 'publish', 'news', 'key unknown', 'header', '401 unauthorized'],
  ['guarded', 'HTTP', 'publish', 'news', 'key all', 'query', '401 unauthorized'],
  ['guarded', 'HTTP', 'publish', 'news', 'key all', 'Token KEY', '401 unauthorized'],
  ['guarded', 'HTTP', 'publish', 'news', 'key all', 'Bearer: KEY', '401 unauthorized'],
  ['guarded', 'HTTP', 'publish', 'news', '-', 'Bearer', '401 unauthorized'],
  ['guarded', 'HTTP', 'publish', 'news', '-', 'Basic YTpi', '401 unauthorized'],
  ['guarded', 'HTTP', 'batch', 'news', 'HS256', 'header', '200'],
  ['guarded', 'HTTP', 'batch', 'notify:@bob', 'HS256', 'header', '200 forbidden'],
  ['guarded', 'HTTP', 'history', 'news', 'HS256', 'header', '200'],
  ['guarded', 'HTTP', 'history', 'notify:@bob', 'HS256', 'header', '403 forbidden'],
  ['guarded', 'HTTP', 'history', 'orders:1', 'key orders', 'header', '403 forbidden'],
  ['guarded', 'HTTP', 'presence', 'news', 'HS256', 'header', '200'],
  ['guarded', 'HTTP', 'presence', 'servers:7', 'read *', 'header', '403 forbidden'],
  ['guarded', 'HTTP', 'presence', 'servers:7', 'key all', 'header', '200'],
  ['guarded', 'HTTP', 'channels', '', 'HS256', 'header', '403 forbidden'],
  ['guarded', 'HTTP', 'channels', '', 'key orders', 'header', '403 forbidden'],
  ['guarded', 'HTTP', 'channels', '', 'key all', 'header', '200'],
  ['guarded', 'HTTP', 'health', '/healthz', '-', '-', '200'],
  ['anonymous', 'HTTP', 'publish', 'news', '-', '-', '403 forbidden'],
  ['anonymous', 'HTTP', 'publish', 'news', 'HS256', 'header', '200'],
  ['anonymous', 'HTTP', 'publish', 'news', 'other secret', 'header', '401 unauthorized'],
  ['anonymous', 'HTTP', 'history', 'news', '-', '-', '200'],
  ['anonymous', 'HTTP', 'presence', 'news', '-', '-', '403 forbidden'],
  ['anonymous', 'HTTP', 'history', 'chat:lobby', '-', '-', '403 forbidden'],
  ['anonymous', 'HTTP', 'channels', '', '-', '-', '403 forbidden'],
  ['open', 'HTTP', 'publish', 'notify:@bob', '-', '-', '200'],
  ['open', 'HTTP', 'channels', '', '-', 'nonsense', '200'],
  // Tickets: each opens one connection or request, with the rights of its token, and is shown as a ticket only.
  ['guarded', '/ws', 'connect', '', 'ticket', 'ticket', 'welcome ada'],
  ['guarded', '/ws', 'connect', '', 'ticket used', 'ticket', REFUSED],
  ['guarded', '/ws', 'connect', '', 'ticket of none', 'ticket', REFUSED],
  ['guarded', '/ws', 'connect', '', 'ticket', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'ticket', 'header', REFUSED],
  ['guarded', '/ws', 'connect', '', 'ticket', 'subprotocol', REFUSED],
  ['guarded', '/ws', 'connect', '', 'HS256', 'ticket', REFUSED],
  ['guarded', '/ws', 'connect', '', 'key all', 'ticket', REFUSED],
  ['guarded', '/ws', 'subscribe', 'chat:x', 'ticket to chat:*', 'ticket', 'subscribed'],
  ['guarded', '/ws', 'subscribe', 'news', 'ticket to chat:*', 'ticket', 'forbidden'],
  ['guarded', '/ws', 'auth', 'ticket', 'HS256', 'query', REFUSED],
  ['guarded', '/ws', 'auth', 'HS256', 'ticket', 'ticket', 'authenticated'],
  ['guarded', '/chat', 'connect', 'lobby', 'ticket', 'ticket', 'welcome ada'],
  ['guarded', '/chat', 'connect', 'lobby', 'ticket used', 'ticket', REFUSED],
  ['guarded', '/notifications', 'connect', '', 'ticket', 'ticket', 'history ada'],
  ['guarded', '/notifications', 'connect', '', 'ticket used', 'ticket', REFUSED],
  ['guarded', '/events', 'subscribe', 'news', 'ticket', 'ticket', '200'],
  ['guarded', '/events', 'subscribe', 'notify:@bob', 'ticket', 'ticket', '403 forbidden'],
  ['guarded', '/events', 'subscribe', 'news', 'ticket used', 'ticket', '401 unauthorized'],
  ['guarded', 'HTTP', 'publish', 'news', 'ticket', 'ticket', '200'],
  ['guarded', 'HTTP', 'publish', 'news', 'ticket used', 'ticket', '401 unauthorized'],
  ['anonymous', '/ws', 'connect', '', 'ticket', 'ticket', 'welcome ada'],
  ['anonymous', '/ws', 'connect', '', 'ticket used', 'ticket', REFUSED],
  ['anonymous', '/events', 'subscribe', 'news', 'ticket used', 'ticket', '401 unauthorized'],
  ['guarded', 'HTTP', 'ticket', '', 'HS256', 'header', '200'],
  ['guarded', 'HTTP', 'ticket', '', 'ticket', 'ticket', '403 forbidden'],
  ['guarded', 'HTTP', 'ticket', '', 'ticket used', 'ticket', '401 unauthorized'],
  ['guarded', 'HTTP', 'ticket', '', 'expired', 'header', '401 unauthorized'],
  ['guarded', 'HTTP', 'ticket', '', 'revoked', 'header', '401 unauthorized'],
  ['guarded', 'HTTP', 'ticket', '', 'key all', 'header', '403 forbidden'],
  ['anonymous', 'HTTP', 'ticket', '', '-', '-', '401 unauthorized'],
  // Tokens that were taken back, and what was handed out for them.
  ['guarded', '/ws', 'connect', '', 'with jti', 'query', 'welcome ada'],
  ['guarded', '/ws', 'connect', '', 'revoked', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'revoked', 'header', REFUSED],
  ['guarded', '/ws', 'connect', '', 'revoked', 'subprotocol', REFUSED],
  ['guarded', '/ws', 'connect', '', 'revoked by jti', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'jti of a revoked', 'query', REFUSED],
  ['guarded', '/ws', 'connect', '', 'ticket of revoked', 'ticket', REFUSED],
  ['guarded', '/ws', 'auth', 'revoked', 'HS256', 'query', REFUSED],
  ['guarded', '/chat', 'connect', 'lobby', 'revoked', 'query', REFUSED],
  ['guarded', '/notifications', 'connect', '', 'revoked', 'query', REFUSED],
  ['guarded', '/events', 'subscribe', 'news', 'revoked', 'query', '401 unauthorized'],
  ['guarded', '/events', 'subscribe', 'news', 'ticket of revoked', 'ticket', '401 unauthorized'],
  ['guarded', 'HTTP', 'publish', 'news', 'revoked', 'header', '401 unauthorized'],
  ['anonymous', '/events', 'subscribe', 'news', 'revoked', 'query', '401 unauthorized'],
  // Whose it is to take back, and to end.
  ['guarded', 'HTTP', 'revoke', 'nobodys', '-', '-', '401 unauthorized'],
  ['guarded', 'HTTP', 'revoke', 'nobodys', 'HS256', 'header', '403 forbidden'],
  ['guarded', 'HTTP', 'revoke', 'nobodys', 'key orders', 'header', '403 forbidden'],
  ['guarded', 'HTTP', 'revoke', 'nobodys', 'key all', 'header', '200'],
  ['guarded', 'HTTP', 'disconnect', 'nobody', 'HS256', 'header', '403 forbidden'],
  ['guarded', 'HTTP', 'disconnect', 'nobody', 'key orders', 'header', '403 forbidden'],
  ['guarded', 'HTTP', 'disconnect', 'nobody', 'key all', 'header', '200'],
  // Where the key set cannot be fetched nothing is known of a token: that is no refusal for good.
  ['keyless', '/ws', 'connect', '', 'RS256 by JWKS', 'query', 'unavailable 1013'],
  ['keyless', '/events', 'subscribe', 'news', 'RS256 by JWKS', 'query', '200'],
  ['keyless', 'HTTP', 'publish', 'news', 'RS256 by JWKS', 'header', '503 unavailable'],
  ['keyless', '/ws', 'connect', '', 'HS256', 'query', REFUSED],
];

/** The API keys of the tests. */
export const KEYS = {
  all: 'key-of-the-tests-for-everything',
  orders: 'key-of-the-tests-for-orders',
  hashed: 'key-of-the-tests-that-is-hashed',
  unknown: 'key-of-the-tests-that-nobody-knows',
};

/** What the gateway that is asked does with tokens, and tickets, of its own. */
export interface Counter {
  ticketFor(token: string): Promise<string>;
  /** Opens something by a ticket. */
  use(ticket: string): Promise<void>;
  revoke(what: { readonly token: string } | { readonly jti: string }): Promise<void>;
}

type Made = string | Promise<string>;

/** What is shown, by the name that the table has for it. */
const CREDENTIALS: Readonly<Record<string, (issuer: Issuer, counter: Counter) => Made>> = {
  HS256: (issuer) => issuer.signed(),
  'HS256 of bob': (issuer) => issuer.signed({ sub: 'bob' }),
  RS256: (issuer) => issuer.signedBy('pem', 'RS256'),
  'RS256, 2nd key': (issuer) => issuer.signedBy('next', 'RS256'),
  ES256: (issuer) => issuer.signedBy('pem', 'ES256'),
  EdDSA: (issuer) => issuer.signedBy('pem', 'EdDSA'),
  Ed25519: (issuer) => issuer.signedBy('pem', 'EdDSA', {}, { alg: 'Ed25519' }),
  'RS256 by JWKS': (issuer) => issuer.signedBy('jwks', 'RS256'),
  'ES256 by JWKS': (issuer) => issuer.signedBy('jwks', 'ES256'),
  'EdDSA by JWKS': (issuer) => issuer.signedBy('jwks', 'EdDSA'),
  'of another kid': (issuer) => issuer.signedBy('jwks', 'RS256', {}, { kid: '../keys' }),
  'of nobody known': (issuer) => issuer.signedBy('foreign', 'RS256', {}, { kid: 'RS256' }),
  'with its own key': (issuer) =>
    issuer.signedBy('foreign', 'RS256', {}, { jwk: issuer.foreignJwk(), jku: issuer.jwksUrl }),
  expired: (issuer) => issuer.signed({ endsIn: -1 }),
  'not yet valid': (issuer) => issuer.signed({ nbf: Math.floor(Date.now() / 1_000) + 60 }),
  'without end': (issuer) => issuer.signed({ endsIn: null }),
  'end is text': (issuer) =>
    issuer.forged({ alg: 'HS256' }, issuer.secret, { endsIn: null, exp: '9999999999' as never }),
  'other secret': (issuer) => issuer.forged({ alg: 'HS256' }, 'x'.repeat(40)),
  'no signature': async (issuer) => (await issuer.signed()).replace(/[^.]*$/, ''),
  'other payload': async (issuer) => {
    const [[head, , signature], [, body]] = [
      (await issuer.signed()).split('.'),
      issuer.unsigned({ sub: 'root' }).split('.'),
    ];
    return [head, body, signature].join('.');
  },
  HS512: (issuer) => issuer.forged({ alg: 'HS512' }, issuer.secret),
  'RS256 as ES256': (issuer) => relabelled(issuer.signedBy('pem', 'RS256'), 'ES256'),
  'RS256 as PS256': (issuer) => relabelled(issuer.signedBy('pem', 'RS256'), 'PS256'),
  'HS256 as RS256': (issuer) => issuer.forged({ alg: 'RS256' }, issuer.secret),
  'alg none': (issuer) => issuer.unsigned(),
  'alg NONE, signed': (issuer) => issuer.forged({ alg: 'NONE' }, issuer.secret),
  'HS256 by RSA key': (issuer) => issuer.forged({ alg: 'HS256' }, issuer.publicPem()),
  'HS256 by RSA, cut': (issuer) => issuer.forged({ alg: 'HS256' }, issuer.publicPem().trim()),
  'HS256 by nothing': (issuer) => issuer.forged({ alg: 'HS256' }, ''),
  critical: (issuer) => issuer.forged({ alg: 'HS256', crit: ['b64'], b64: false }, issuer.secret),
  'no sub': (issuer) => issuer.signed({ sub: undefined as never }),
  'sub a number': (issuer) => issuer.signed({ sub: 7 as never }),
  'no sub, reads news': (issuer) => issuer.signed({ sub: undefined as never, subscribe: 'news' }),
  'end in ms': (issuer) => issuer.signed({ exp: Date.now() + 3_600_000 }),
  'sub github:1': (issuer) => issuer.signed({ sub: 'github:1' }),
  'sub of 513': (issuer) => issuer.signed({ sub: 'x'.repeat(513) }),
  'sub empty': (issuer) => issuer.signed({ sub: '' }),
  'sub a b': (issuer) => issuer.signed({ sub: 'a b' }),
  'sub *': (issuer) => issuer.signed({ sub: '*' }),
  'sub ädä': (issuer) => issuer.signed({ sub: 'ädä' }),
  'sub with newline': (issuer) => issuer.signed({ sub: 'ada\n' }),
  'too long': (issuer) => issuer.signed({ more: 'x'.repeat(8_192) }),
  'no token': () => 'nonsense',
  ticket: async (issuer, counter) => counter.ticketFor(await issuer.signed()),
  'ticket used': async (issuer, counter) => {
    const ticket = await counter.ticketFor(await issuer.signed());
    await counter.use(ticket);
    return ticket;
  },
  'ticket of none': () => 'V1StGXR8_Z5jdHi6B-myT',
  'ticket to chat:*': async (issuer, counter) => counter.ticketFor(await issuer.signed({ subscribe: ['chat:*'] })),
  'ticket of revoked': async (issuer, counter) => {
    const token = await issuer.signed({ jti: randomUUID() });
    const ticket = await counter.ticketFor(token);
    await counter.revoke({ token });
    return ticket;
  },
  'with jti': (issuer) => issuer.signed({ jti: randomUUID() }),
  revoked: async (issuer, counter) => {
    const token = await issuer.signed({ jti: randomUUID() });
    await counter.revoke({ token });
    return token;
  },
  'revoked by jti': async (issuer, counter) => {
    const jti = randomUUID();
    await counter.revoke({ jti });
    return issuer.signed({ jti });
  },
  'jti of a revoked': async (issuer, counter) => {
    const jti = randomUUID();
    await counter.revoke({ token: await issuer.signed({ jti, sub: 'bob' }) });
    return issuer.signed({ jti });
  },
  'key all': () => KEYS.all,
  'key orders': () => KEYS.orders,
  'key hashed': () => KEYS.hashed,
  'hash of a key': () => sha256(KEYS.hashed),
  'key unknown': () => KEYS.unknown,
};

/** `read X`: a token whose list `subscribe` is X; `write X` the same for `publish`. */
export async function credential(issuer: Issuer, name: string, counter: Counter): Promise<string> {
  const [, list, pattern] = /^(read|write) (.*)$/.exec(name) ?? [];
  const patterns = pattern === '' || pattern === undefined ? [] : [pattern];
  if (list !== undefined) return issuer.signed(list === 'read' ? { subscribe: patterns } : { publish: patterns });
  const make = CREDENTIALS[name];
  assert.ok(make, `There is no credential ${name}`);
  return make(issuer, counter);
}

async function relabelled(token: Promise<string>, alg: string): Promise<string> {
  return (await token).replace(/^[^.]*/, Buffer.from(JSON.stringify({ alg })).toString('base64url'));
}

export function sha256(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}
