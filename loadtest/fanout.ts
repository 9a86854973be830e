/**
 * Deliveries per CPU second: one server that does nothing but deliver, alone on its core, in rounds that alternate with the
 * yardstick's. A tick is sent only when the one before it has arrived everywhere, so each tick is delivered by itself.
 */
import { type Spread, spread } from './figures.ts';
import { cpuSeconds } from './machine.ts';
import { LoadSockets, type SocketsOptions, type Transport } from './sockets.ts';

export interface Subject {
  readonly pid: number;
  /** Makes the server deliver so many events at once. */
  readonly tick: (events: number) => Promise<void>;
  readonly sockets: Pick<SocketsOptions, 'url' | 'subscribes'>;
}

export interface FanoutOptions {
  readonly transport: Transport;
  readonly eventsPerTick: number;
  readonly ticks: number;
  readonly rounds: number;
  readonly subscribers: number;
}

interface Round {
  readonly perCpuSecond: number;
  /** Events that one read of the client brought: with one write per connection and tick it is `eventsPerTick`. */
  readonly eventsPerRead: number;
  /** The client's own share of its core; near 1 it is the client that set the pace. */
  readonly clientUtilisation: number;
  /** What the client could take at most, at the cost of this round. */
  readonly clientCeilingPerSecond: number;
}

export interface FanoutResult extends FanoutOptions {
  readonly gateway: Spread;
  readonly bare: Spread;
  /** Of each round and the yardstick's that followed it, so that a machine that slows down does no harm. */
  readonly ratio: Spread;
  readonly rounds: number;
  readonly gatewayRounds: readonly Round[];
  readonly bareRounds: readonly Round[];
}

const TICK_LIMIT_MS = 10_000;
const WARMUP_TICKS = 20;

export async function measureFanout(options: FanoutOptions, gateway: Subject, bare: Subject): Promise<FanoutResult> {
  const { transport, subscribers: count } = options;
  const open = ({ sockets }: Subject) => LoadSockets.open({ ...sockets, transport, count });
  const [gatewaySockets, bareSockets] = [await open(gateway), await open(bare)];
  const gatewayRounds: Round[] = [];
  const bareRounds: Round[] = [];
  try {
    await run(options, gateway, gatewaySockets, WARMUP_TICKS);
    await run(options, bare, bareSockets, WARMUP_TICKS);
    for (let round = 0; round < options.rounds; round++) {
      gatewayRounds.push(await run(options, gateway, gatewaySockets, options.ticks));
      bareRounds.push(await run(options, bare, bareSockets, options.ticks));
    }
  } finally {
    gatewaySockets.close();
    bareSockets.close();
  }
  const rates = (rounds: readonly Round[]) => rounds.map(({ perCpuSecond }) => perCpuSecond);
  return {
    ...options,
    gateway: spread(rates(gatewayRounds)),
    bare: spread(rates(bareRounds)),
    ratio: spread(gatewayRounds.map((round, index) => round.perCpuSecond / (bareRounds[index]?.perCpuSecond ?? 0))),
    gatewayRounds,
    bareRounds,
  };
}

async function run(options: FanoutOptions, subject: Subject, sockets: LoadSockets, ticks: number): Promise<Round> {
  const perTick = options.eventsPerTick * options.subscribers;
  const before = { cpu: cpuSeconds(subject.pid), own: process.cpuUsage(), at: performance.now() };
  const { received, reads } = sockets;
  for (let tick = 1; tick <= ticks; tick++) {
    await subject.tick(options.eventsPerTick);
    await sockets.until(received + tick * perTick, TICK_LIMIT_MS);
  }
  const cpu = cpuSeconds(subject.pid) - before.cpu;
  const own = process.cpuUsage(before.own);
  const ownSeconds = (own.user + own.system) / 1e6;
  const deliveries = sockets.received - received;
  if (deliveries !== ticks * perTick || sockets.lost > 0)
    throw new Error(`${deliveries} deliveries in place of ${ticks * perTick}; ${sockets.lost} connections lost`);
  return {
    perCpuSecond: deliveries / cpu,
    eventsPerRead: deliveries / (sockets.reads - reads),
    clientUtilisation: ownSeconds / ((performance.now() - before.at) / 1_000),
    clientCeilingPerSecond: deliveries / ownSeconds,
  };
}
