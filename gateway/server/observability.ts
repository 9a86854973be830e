/** Builds what measures the gateway, and what tells of it: metrics, traces, health. */
import { nanoid } from 'nanoid';
import type { Broker } from '../../broker/broker.ts';
import type { Drain } from '../drain/drain.ts';
import { Canary } from '../figures/canary.ts';
import { Durations } from '../figures/durations.ts';
import { type Figures, ownFigures, sharedFigures } from '../figures/figures.ts';
import { Health } from '../figures/health.ts';
import { Metrics } from '../figures/metrics.ts';
import { StorageProbe } from '../figures/storage-probe.ts';
import { Tracer } from '../figures/tracing.ts';
import type { Config } from '../settings/config.ts';
import { packageVersion } from '../settings/usage.ts';
import { rarely } from '../timer.ts';
import { type Channel, Colleagues } from '../workers/colleagues.ts';
import type { Access } from './access.ts';
import { COMPLAINT_MS } from './complaints.ts';
import type { Core } from './core.ts';
import type { Surroundings } from './surroundings.ts';

/** What measures events on their way. */
export interface Meters {
  readonly durations: Durations;
  /** Undefined where no collector of traces is configured. */
  readonly tracer: Tracer | undefined;
  readonly canary: Canary;
  readonly storage: StorageProbe;
}

export function buildMeters(config: Config, broker: Broker, surroundings: Surroundings): Meters {
  const durations = new Durations();
  const canary = new Canary({
    broker,
    id: nanoid(8),
    clock: surroundings.clock,
    onReturn: (shard, delayMs) => durations.returned(shard, delayMs),
  });
  const { log, clock } = surroundings;
  const storage = new StorageProbe({
    broker,
    clock,
    onWrites: (shard, refusal, reason) => {
      if (refusal === undefined) log.info({ shard }, 'Redis takes writes again');
      else log.warn({ shard, refusal, reason }, 'Redis refuses writes; what is kept can still be read');
    },
  });
  return { durations, tracer: buildTracer(config, surroundings), canary, storage };
}

function buildTracer(config: Config, { log }: Surroundings): Tracer | undefined {
  const { otlpEndpoint: endpoint, traceShare: share, gatewayId } = config;
  if (endpoint === undefined) return undefined;
  const onFailure = rarely(COMPLAINT_MS, (err: unknown) => log.warn({ err }, 'traces are lost'));
  return new Tracer({ endpoint, share, gatewayId, version: packageVersion(), onFailure });
}

export interface FiguresParts {
  readonly config: Config;
  readonly broker: Broker;
  readonly meters: Meters;
  readonly access: Access;
  readonly core: Core;
  readonly drain: Drain;
  readonly surroundings: Surroundings;
  /** The channel to the supervisor, where other workers share the port. */
  readonly supervisor: Channel | undefined;
}

export interface Observed {
  readonly metrics: Metrics;
  /** What `/metrics`, `/stats` and `/readyz` say: of this gateway, or of all the workers that share its port. */
  readonly figures: Figures;
}

export function buildFigures(parts: FiguresParts): Observed {
  const { config, broker, meters, access, core, drain, surroundings, supervisor } = parts;
  const { tally, now } = surroundings;
  const { durations, canary, storage } = meters;
  const { hub, reads, members } = core;
  const { bodies, readLimits, unread } = access;
  const health = new Health({ drain, broker, canary, storage, graceMs: config.readyGraceSeconds * 1_000 });
  const version = packageVersion();
  const metrics = new Metrics({
    ...config,
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
    version,
    now,
  });
  if (supervisor === undefined) return { metrics, figures: ownFigures(metrics, health) };
  const colleagues = new Colleagues(supervisor, (question) => {
    if (question === 'readiness') return health.readiness();
    return question === 'stats' ? metrics.stats() : metrics.text();
  });
  return { metrics, figures: sharedFigures(colleagues, config.gatewayId, metrics.contentType) };
}
