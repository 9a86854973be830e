/** Builds what decides who may come in, from where, how many, and what they may do. */
import { nanoid } from 'nanoid';
import type { Broker } from '../../broker/broker.ts';
import { ApiKeys } from '../auth/api-keys.ts';
import { Authenticator } from '../auth/authenticator.ts';
import { type CredentialSources, findCredential } from '../auth/credentials.ts';
import { KeySet } from '../auth/key-set.ts';
import { Revocations } from '../auth/revocations.ts';
import { Rights } from '../auth/rights.ts';
import { Tickets } from '../auth/tickets.ts';
import { TokenVerifier } from '../auth/tokens.ts';
import { addressReader, secureReader } from '../connections/client-address.ts';
import type { Connections } from '../connections/connections.ts';
import { cameByTls, clientAddress } from '../connections/forwarded.ts';
import { Bodies } from '../http/bodies.ts';
import { type AllowedHosts, hostCheck, isLoopbackName } from '../http/hosts.ts';
import { originCheck } from '../http/origin.ts';
import { requestCheck } from '../http/request-check.ts';
import { UnreadAnswers } from '../http/unread-answers.ts';
import { Admission } from '../limits/admission.ts';
import { LoopLag } from '../limits/loop-lag.ts';
import { PublishLimits } from '../limits/publish-limits.ts';
import { ReadLimits } from '../limits/read-limits.ts';
import type { Config } from '../settings/config.ts';
import { rarely } from '../timer.ts';
import { COMPLAINT_MS } from './complaints.ts';
import type { Surroundings } from './surroundings.ts';

export type Access = ReturnType<typeof buildAccess>;

/** `connections` are those that a revoked token ends. */
export function buildAccess(config: Config, broker: Broker, connections: Connections, surroundings: Surroundings) {
  const { auth, namespaces } = config;
  const { tally, now, clock, random } = surroundings;

  const tickets = new Tickets({ vault: broker.vault, newTicket: nanoid, now });
  const revocations = new Revocations({
    broker,
    now,
    onRevoked: (token) => connections.disconnect({ token }),
    onUnreadable: surroundings.unreadable,
  });
  const tokens = buildTokens(config, surroundings);
  const authenticator = new Authenticator({
    tokens,
    keys: new ApiKeys(auth.apiKeys),
    allowAnonymous: auth.allowAnonymous,
    redeem: tokens && ((ticket) => tickets.redeem(ticket)),
    revocations,
  });

  const loopLag = new LoopLag(clock);
  const measured = { clock, random, refusals: tally.refusals };
  return {
    rights: new Rights(namespaces, auth.open),
    tickets,
    revocations,
    tokens,
    authenticator,
    authenticate: (sources: CredentialSources) => authenticator.authenticate(findCredential(sources)),
    loopLag,
    bodies: new Bodies({ ...config, clock, refusals: tally.refusals }),
    open: auth.open,
    admission: new Admission({ ...config, ...measured, lagMs: () => loopLag.read() }),
    publishLimits: new PublishLimits({ ...config, ...measured }),
    readLimits: new ReadLimits({ ...config, ...measured }),
    unread: new UnreadAnswers(config.maxUnreadAnswerBytes),
    readAddress: buildAddressReader(config),
    checkRequest: buildRequestCheck(config),
  };
}

/** Undefined where no key for tokens is configured. */
function buildTokens({ auth }: Config, { log, now }: Surroundings): TokenVerifier | undefined {
  if (!auth.takesTokens) return undefined;
  const onFailure = rarely(COMPLAINT_MS, (err: unknown) => log.warn({ err }, 'the keys of tokens cannot be fetched'));
  const keySet = auth.jwksUrl === undefined ? undefined : new KeySet({ url: auth.jwksUrl, now, onFailure });
  return new TokenVerifier({ keys: auth.tokenKeys, keySet, rules: auth.tokenRules, now });
}

function buildAddressReader({ trustedProxies, proxyHeader, proxyProtocol }: Config) {
  return addressReader(clientAddress(trustedProxies, proxyHeader), trustedProxies && proxyHeader, proxyProtocol);
}

function buildRequestCheck(config: Config) {
  const { allowedOrigins, tls, trustedProxies, proxyHeader } = config;
  return requestCheck({
    originAllowed: originCheck(allowedOrigins),
    hostAllowed: hostCheck(hostsOf(config)),
    readSecure: secureReader(tls !== undefined, cameByTls(trustedProxies, proxyHeader), trustedProxies && proxyHeader),
  });
}

/**
 * Unless the settings say: what is for this machine only and asks nobody who they are answers for this machine only, or any page of the world
 * could use it through its visitors' browsers. Where a proxy stands before it, that is who decides on hosts.
 */
function hostsOf({ allowedHosts, auth, host, trustedProxies }: Config): AllowedHosts {
  return allowedHosts ?? (auth.open && isLoopbackName(host) && trustedProxies === undefined ? [] : '*');
}
