/** Builds what events pass through, whatever the transport: the hub, the fleet, presence, and what clients may ask for. */
import { nanoid } from 'nanoid';
import type { Broker, BrokerUnavailable, Event, RetentionOf } from '../../broker/broker.ts';
import { noticedChannel } from '../../broker/presence.ts';
import { NotificationHistory } from '../applications/notification-history.ts';
import type { Connections } from '../connections/connections.ts';
import { Fleet } from '../fleet/fleet.ts';
import { CANARY_PREFIX, FLEET_PREFIX, REVOKED_TOKENS, withOwnChannels } from '../fleet/own-channels.ts';
import { localChannels } from '../http/api.ts';
import { millisecondsOf } from '../hub/event-time.ts';
import { Hub } from '../hub/hub.ts';
import { ReadQueue } from '../hub/read-queue.ts';
import { Operations } from '../operations.ts';
import { Members } from '../presence/members.ts';
import { NoticeLimit } from '../presence/notice-limit.ts';
import { ResumeTokens } from '../presence/resume-token.ts';
import type { Config } from '../settings/config.ts';
import { presenceModeOf, retentionOf } from '../settings/namespaces.ts';
import { rarely } from '../timer.ts';
import type { Access } from './access.ts';
import { COMPLAINT_MS } from './complaints.ts';
import type { Meters } from './observability.ts';
import type { Surroundings } from './surroundings.ts';

export type Core = ReturnType<typeof buildCore>;

export interface CoreParts {
  readonly config: Config;
  readonly broker: Broker;
  readonly connections: Connections;
  readonly access: Access;
  readonly meters: Meters;
  readonly surroundings: Surroundings;
}

/** What each channel keeps: the gateways' own as they need it, the others as configured. */
export function retentionOfAll(config: Config): RetentionOf {
  return withOwnChannels(retentionOf(config.namespaces));
}

/** Also gives the broker its listener, before which nothing may be subscribed to. */
export function buildCore(parts: CoreParts) {
  const { config, broker, connections, meters, surroundings } = parts;
  const { now, clock } = surroundings;
  const presenceMode = presenceModeOf(config.namespaces);

  const reads = buildReads(config, clock);
  const hub = buildHub(config, broker, reads, meters, () => broker.nowMs?.() ?? now());
  const fleet = new Fleet({
    broker,
    gatewayId: config.gatewayId,
    newId: () => nanoid(8),
    now,
    clock,
    onUnreadable: surroundings.unreadable,
    answerer: (ask) => (ask.kind === 'channels' ? localChannels(hub, ask.prefix) : connections.disconnect(ask)),
  });
  const resumeTokens = new ResumeTokens();
  const members = new Members({
    broker,
    modeOf: presenceMode,
    tokens: resumeTokens,
    lease: () => fleet.lease,
    sureLease: () => fleet.sureLease,
    now,
  });
  const notices = new NoticeLimit({
    maxPerSecond: config.maxPresenceNoticesPerSecond,
    audienceOf: (channel) => hub.audienceOf(channel),
    forward: (channel, event) => hub.event(channel, event),
    onLeftOut: (count) => {
      surroundings.tally.noticesLeftOut += count;
    },
    clock,
  });
  listenTo(parts, { hub, fleet, members, notices });

  const operations = buildOperations(parts, members, reads);
  const history = new NotificationHistory({
    broker,
    headOf: (channel) => hub.headOf(channel),
    maxBytes: config.maxBodyBytes,
    reads,
  });
  return { presenceMode, hub, reads, fleet, resumeTokens, members, notices, operations, history };
}

/** Reads that may wait for each that is under way. */
const WAITING_PER_READ = 512;

function buildReads({ historyReads, readWindowBytes, redisTimeoutMs }: Config, clock: () => number): ReadQueue {
  return new ReadQueue({
    maxReads: historyReads,
    maxReadsPerHolder: Math.max(1, Math.floor(historyReads / 4)),
    maxBytes: readWindowBytes,
    maxWaiting: WAITING_PER_READ * historyReads,
    timeoutMs: redisTimeoutMs,
    clock,
  });
}

function buildHub(
  config: Config,
  broker: Broker,
  reads: ReadQueue,
  { durations, tracer }: Meters,
  now: () => number,
): Hub {
  const limits = { ...config, historyPage: 256, historyRetryMs: 500 };
  return new Hub(broker, retentionOfAll(config), limits, reads, now, (channel, id, writtenMs, subscriptions) => {
    const storedMs = millisecondsOf(id);
    durations.delivered(writtenMs - storedMs);
    tracer?.delivered({ channel, id, storedMs, writtenMs, subscriptions });
  });
}

/** Hands each event to the part whose channel it came by. */
function listenTo(
  { broker, meters: { canary }, access: { revocations }, surroundings }: CoreParts,
  { hub, fleet, members, notices }: Pick<Core, 'hub' | 'fleet' | 'members' | 'notices'>,
): void {
  broker.listen({
    event: (channel: string, event: Event) => {
      if (channel.startsWith(CANARY_PREFIX)) canary.event(channel, event);
      else if (channel.startsWith(FLEET_PREFIX)) fleet.event(channel, event);
      else if (channel === REVOKED_TOKENS) revocations.event(event);
      else if (noticedChannel(channel) !== undefined) notices.event(channel, event);
      else hub.event(channel, event);
    },
    unreadable: surroundings.unreadable,
    resubscribed: (channels) => {
      if (channels.includes(REVOKED_TOKENS)) revocations.resubscribed();
      hub.resubscribed(channels);
      members.doubt(); // a failover may have lost the last of them
    },
  });
}

function buildOperations(
  { config, broker, access, meters, surroundings }: CoreParts,
  members: Members,
  reads: ReadQueue,
): Operations {
  const { log, tally, clock, now } = surroundings;
  const { durations, tracer } = meters;
  return new Operations({
    broker,
    rights: access.rights,
    publishLimits: access.publishLimits,
    readLimits: access.readLimits,
    reads,
    members,
    retentionOf: retentionOfAll(config),
    presenceMode: presenceModeOf(config.namespaces),
    limits: {
      maxMessageBytes: config.maxMessageBytes,
      maxReplyBytes: config.maxBodyBytes,
      maxReplayWaitMs: config.redisTimeoutMs,
    },
    tally,
    clock,
    onPublished: (ms, channel, id, traceparent) => {
      durations.published(ms);
      tracer?.published({ channel, id, beganMs: now() - ms, endedMs: now(), traceparent });
    },
    onUnavailable: rarely(COMPLAINT_MS, (err: BrokerUnavailable) =>
      log.warn({ err }, 'requests are answered "unavailable"'),
    ),
  });
}
