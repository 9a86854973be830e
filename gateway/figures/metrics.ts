/** The gateway's figures, for Prometheus and as plain JSON. Reads the tally and the hub when asked; nothing here runs per message. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Broker } from '../../broker/broker.ts';
import type { Bodies } from '../http/bodies.ts';
import type { UnreadAnswers } from '../http/unread-answers.ts';
import type { Hub } from '../hub/hub.ts';
import type { ReadQueue } from '../hub/read-queue.ts';
import type { ReadLimits } from '../limits/read-limits.ts';
import type { Members } from '../presence/members.ts';
import type { Canary } from './canary.ts';
import type { Durations } from './durations.ts';
import type { Health } from './health.ts';
import type { StorageProbe } from './storage-probe.ts';
import type { Tally } from './tally.ts';

export interface MetricsParts {
  readonly tally: Tally;
  readonly bodies: Bodies;
  readonly durations: Durations;
  readonly hub: Hub;
  readonly reads: ReadQueue;
  readonly readLimits: ReadLimits;
  readonly unread: UnreadAnswers;
  readonly broker: Broker;
  readonly members: Members;
  readonly canary: Canary;
  readonly storage: StorageProbe;
  readonly health: Health;
  readonly gatewayId: string;
  readonly maxConnections: number;
  readonly version: string;
  readonly now: () => number;
}

export class Metrics {
  readonly #parts: MetricsParts;
  readonly #registry = new Registry();
  readonly #startedMs: number;

  constructor(parts: MetricsParts) {
    this.#parts = parts;
    this.#startedMs = parts.now();
    this.#registry.setDefaultLabels({ gateway: parts.gatewayId });
    collectDefaultMetrics({ register: this.#registry });
    this.#register();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /**
   * Forgets all metrics. What the library watches of the process it watches to its end, and by that it would hold everything that a metric reads.
   */
  close(): void {
    this.#registry.clear();
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  stats(): Record<string, unknown> {
    const { tally, hub, broker, gatewayId, now } = this.#parts;
    const { opened, open } = tally;
    const counts = hub.counts();
    return {
      gateway: gatewayId,
      total_connections: opened.websocket + opened.sse,
      active_connections: open.websocket + open.sse,
      active_websockets: open.websocket,
      active_streams: open.sse,
      lagging_connections: tally.lagging,
      messages_sent: tally.sent,
      messages_received: tally.received,
      events_published: tally.published,
      duplicate_publishes: tally.duplicates,
      gaps: tally.gaps,
      errors: tally.errors,
      limit_refusals: { ...tally.refusals },
      channels: counts.channels,
      subscriptions: counts.subscriptions,
      broker: broker.status(),
      uptime_seconds: Math.round((now() - this.#startedMs) / 1000),
      timestamp: new Date(now()).toISOString(),
    };
  }

  #register(): void {
    const {
      tally,
      bodies,
      durations,
      hub,
      reads,
      readLimits,
      unread,
      broker,
      members,
      canary,
      storage,
      health,
      maxConnections,
      version,
    } = this.#parts;
    const total = (name: string, help: string, read: () => number): void => {
      const counter: Counter = new Counter({
        name: `passerelle_${name}_total`,
        help,
        registers: [this.#registry],
        collect: () => {
          counter.reset();
          counter.inc(read());
        },
      });
    };
    const level = (name: string, help: string, read: () => number): void => {
      const gauge: Gauge = new Gauge({
        name: `passerelle_${name}`,
        help,
        registers: [this.#registry],
        collect: () => {
          gauge.set(read());
        },
      });
    };
    const byTransport = new Gauge({
      name: 'passerelle_connections',
      help: 'Connections open now.',
      labelNames: ['transport'],
      registers: [this.#registry],
      collect: () => {
        for (const [transport, count] of Object.entries(tally.open)) byTransport.set({ transport }, count);
      },
    });
    const opened = new Counter({
      name: 'passerelle_connections_opened_total',
      help: 'Connections ever opened.',
      labelNames: ['transport'],
      registers: [this.#registry],
      collect: () => {
        opened.reset();
        for (const [transport, count] of Object.entries(tally.opened)) opened.inc({ transport }, count);
      },
    });
    const closed = new Counter({
      name: 'passerelle_connections_closed_total',
      help: 'Connections that ended, by close code or cause.',
      labelNames: ['transport', 'cause'],
      registers: [this.#registry],
      collect: () => {
        closed.reset();
        for (const [key, count] of tally.closes) {
          const [transport, cause] = key.split(' ') as [string, string];
          closed.inc({ transport, cause }, count);
        }
      },
    });
    const refused = new Counter({
      name: 'passerelle_limit_refusals_total',
      help: 'Connections and publishes that met a limit, by limit.',
      labelNames: ['limit'],
      registers: [this.#registry],
      collect: () => {
        refused.reset();
        for (const [limit, count] of Object.entries(tally.refusals)) refused.inc({ limit }, count);
      },
    });
    total(
      'connections_turned_away',
      'Connections turned away: full, draining, foreign origin, or no Redis.',
      () => tally.turnedAway,
    );
    total('events_delivered', 'Events written to connections.', () => tally.delivered);
    total('delivered_bytes', 'Bytes of events written to connections.', () => tally.deliveredBytes);
    total('gaps', 'Gap notices written to connections.', () => tally.gaps);
    total('messages_received', 'Frames and HTTP requests from clients.', () => tally.received);
    total('events_published', 'Publishes that were stored.', () => tally.published);
    total('duplicate_publishes', 'Publishes whose key had been seen before.', () => tally.duplicates);
    total('errors', 'Requests answered with an error.', () => tally.errors);
    total(
      'unavailable',
      'Requests whose outcome is unknown, as Redis could not be reached in time.',
      () => tally.unavailable,
    );
    total('lags', 'Times that a connection began to lag.', () => tally.lags);
    total('lag_closes', 'Connections closed because they lagged for too long.', () => tally.lagCloses);
    total(
      'repairs',
      'Times that a channel read its history because something was missing.',
      () => hub.counts().repairs,
    );
    level('connections_lagging', 'Connections whose socket is full.', () => tally.lagging);
    level('channels', 'Channels that this gateway is subscribed to.', () => hub.counts().channels);
    level('subscriptions', 'Channels of connections, all together.', () => hub.counts().subscriptions);
    level('ring_bytes', 'Memory of the events kept ready.', () => hub.counts().ringBytes);
    level('history_reads', 'Reads of what Redis keeps that are under way.', () => reads.running);
    level('history_reads_waiting', 'Reads of what Redis keeps that wait for their turn.', () => reads.waiting);
    level('read_window_bytes', 'Bytes that the reads under way may bring at most.', () => reads.runningBytes);
    total(
      'reads_refused',
      'Reads given up because their turn, or the answer, did not come in time, or too many waited.',
      () => reads.refused,
    );
    total(
      'reads_dropped',
      'Reads not done, as nobody waited for them any more when their turn came.',
      () => reads.dropped,
    );
    total('read_bytes', 'Bytes of history and of lists of members that were read for clients.', () => readLimits.bytes);
    level(
      'unread_answer_bytes',
      'Bytes of answers to HTTP requests that their clients have not taken yet.',
      () => unread.bytes,
    );
    level('request_bodies', 'Bodies of HTTP requests that have begun and not ended.', () => bodies.open);
    level('request_body_bytes', 'Memory of the bodies of HTTP requests, until they are answered.', () => bodies.bytes);
    total(
      'presence_notices_left_out',
      'Notices of who joined or left that connections were not sent, as there were more than MAX_PRESENCE_NOTICES_PER_SECOND.',
      () => tally.noticesLeftOut,
    );
    level('members_leaving', 'Members whose connection ended and who may still come back.', () => members.leaving);
    level('ready', 'What /readyz says: whether this gateway should be sent clients.', () =>
      Number(health.readiness().ready),
    );
    const silence = new Gauge({
      name: 'passerelle_canary_silence_seconds',
      help: 'How long ago a canary last came back, by shard; below 2 where all is well.',
      labelNames: ['shard'],
      registers: [this.#registry],
      collect: () => {
        silence.reset();
        for (const { shard, silentMs } of canary.silences()) silence.set({ shard }, silentMs / 1_000);
      },
    });
    const refusing = new Gauge({
      name: 'passerelle_broker_refuses_writes',
      help: 'Shards of Redis that answer and refuse writes, by reason (OOM, MISCONF, READONLY, NOPERM, NOREPLICAS): 1 each.',
      labelNames: ['shard', 'reason'],
      registers: [this.#registry],
      collect: () => {
        refusing.reset();
        for (const { shard, refusal } of storage.refusedWrites()) refusing.set({ shard, reason: refusal }, 1);
      },
    });
    level('broker_ready', 'Whether Redis, or the embedded engine, can be used.', () => Number(broker.status().ready));
    level('broker_calls', 'Calls that Redis has not answered yet.', () => broker.load().inFlight);
    level('broker_calls_waiting', 'Calls that wait for Redis to come back.', () => broker.load().waiting);
    total(
      'unreadable_messages',
      'Messages by Redis that are none of this version of the gateway.',
      () => tally.unreadable,
    );
    total('broker_interruptions', 'Times that Redis could not be used any more.', () => tally.interruptions);
    level('connections_max', 'Connections that this gateway takes at most.', () => maxConnections);
    for (const histogram of [durations.publish, durations.delivery, durations.canary])
      this.#registry.registerMetric(histogram);
    new Gauge({
      name: 'passerelle_build_info',
      help: 'Which version runs, on which Node.js; always 1.',
      labelNames: ['version', 'node'],
      registers: [this.#registry],
    }).set({ version, node: process.version }, 1);
  }
}
