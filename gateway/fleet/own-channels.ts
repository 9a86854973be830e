/**
 * The channels that the gateways use among themselves. Their names are outside the alphabet of channels, so that no client can reach
 * one; what each keeps is decided here, whatever the namespaces say.
 */
import type { Retention, RetentionOf } from '../../broker/broker.ts';
import { noticedChannel } from '../../broker/presence.ts';

/** Begins every channel of the fleet. */
export const FLEET_PREFIX = '$fleet';
/** Begins the channels by which each gateway tries out whether events get through. */
export const CANARY_PREFIX = '$canary';
/** Begins the channels by which gateways try out whether events can be stored and read: one a shard, of all gateways. */
export const PROBE_PREFIX = '$probe:';
/** Begins the channels that remember up to where a user has read. */
const READ_MARKS = '$read:';

/** The channel that remembers which tokens were revoked. */
export const REVOKED_TOKENS = '$revoked';

const EPHEMERAL = { size: 0, retentionMs: 0 };
/** Marks only grow, but two may be stored out of order: the last few are kept, and the highest counts. */
const READ_MARK_RETENTION = { size: 8, retentionMs: 365 * 24 * 3_600_000 };
const PROBE_RETENTION = { size: 1, retentionMs: 60_000 };

/**
 * How many revocations are remembered at most, and for how long: those before are forgotten, also where their tokens would still hold.
 * At about 100 bytes each they are some 10 MB of Redis, and as much of each gateway.
 */
export const MAX_REVOKED = 100_000;
export const REVOKED_KEPT_MS = 365 * 24 * 3_600_000;
const REVOKED_RETENTION = { size: MAX_REVOKED, retentionMs: REVOKED_KEPT_MS };

/** Where the read marks of the user of a segment stand; of all who are nobody, without one. */
export function readMarksOf(segment: string | undefined): string {
  return `${READ_MARKS}${segment === undefined ? 'all' : `@${segment}`}`;
}

/** The retention of every channel: of the gateways' own by these rules, of the others as configured. */
export function withOwnChannels(configured: RetentionOf): RetentionOf {
  return (channel) => {
    if (channel.startsWith('$')) return retentionOfOwn(channel);
    return noticedChannel(channel) === undefined ? configured(channel) : EPHEMERAL;
  };
}

function retentionOfOwn(channel: string): Retention {
  if (channel.startsWith(READ_MARKS)) return READ_MARK_RETENTION;
  if (channel.startsWith(PROBE_PREFIX)) return PROBE_RETENTION;
  return channel === REVOKED_TOKENS ? REVOKED_RETENTION : EPHEMERAL;
}
