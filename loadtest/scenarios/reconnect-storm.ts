/**
 * A large crowd on few channels comes back: 15,000 connections on 10 channels are cut, 100 events go into each channel, and everybody
 * reconnects where it was, to the gateway that served it, or to one that has never heard of the channels. What Redis is asked
 * must depend on the channels alone. Beside as many connects to bare uWebSockets.js, which owes nothing.
 */
import { until } from '../../broker/testing/until.ts';
import type { Transport } from '../dialects.ts';
import { batchFor, type Lab, type Subject } from '../lab.ts';
import { cpuSeconds } from '../machine.ts';
import { callsSince, redisCalls } from '../redis-calls.ts';
import { type Figure, figure } from '../results.ts';
import { fewRounds, type Run, type Scenario, withSubjects } from '../scenario.ts';

const MISSED = 100;
const CHANNELS = 10;
const WARMUP_CONNECTIONS = 1_000;
const LIMIT_MS = 120_000;
/** Presence would be one write for each who comes: it is measured by itself. */
const NAMESPACE = 'strangers';
/** For each channel: two reads, one on joining and one of what is kept, take up to four of these commands each. */
const MOST_READS = 12;

export const STORM_SECONDS = 'seconds until all are back';
const CPU = 'CPU seconds of the server until all are back';
const READS = 'reads of streams by Redis (XRANGE and XREVRANGE)';
const SUBSCRIBES = 'SUBSCRIBE calls';
const CALLS = 'Redis calls of any kind, those of idle gateways too';

export const RECONNECT_STORM: Scenario = {
  name: 'reconnect-storm',
  title: 'a large crowd on few channels comes back at once',
  run: async (run) => {
    const figures: Figure[] = [];
    for (const transport of ['ws', 'sse'] as const) figures.push(...(await storms(run, transport)));
    return figures;
  },
};

type Round = Readonly<Record<string, number>>;

async function storms(run: Run, transport: Transport): Promise<Figure[]> {
  const clients = run.quick ? 3_000 : 15_000;
  const subjects = ['gateway', 'gateway, another than before', 'bare'];
  const rounds = new Map<string, Round[]>(subjects.map((name) => [name, []]));
  for (let round = 0; round < fewRounds(run); round++)
    for (const subject of subjects) {
      run.progress(`${subject}, ${transport}, ${clients} clients`);
      const channel = (index: number) => `${NAMESPACE}:${transport}-${round}-${subjects.indexOf(subject)}-${index}`;
      const storm = new Storm(run.lab, transport, clients, channel);
      rounds.get(subject)?.push(await storm.run(subject));
    }
  const at = { transport, clients, channels: CHANNELS, missed: MISSED };
  return [STORM_SECONDS, CPU, READS, SUBSCRIBES, CALLS].flatMap((metric) =>
    [...rounds].flatMap(([subject, measured]) => {
      const values = measured.flatMap((one) => one[metric] ?? []);
      return values.length === 0 ? [] : [figure('reconnect-storm', subject, at, metric, values)];
    }),
  );
}

class Storm {
  readonly #lab: Lab;
  readonly #transport: Transport;
  readonly #clients: number;
  readonly #channel: (index: number) => string;

  constructor(lab: Lab, transport: Transport, clients: number, channel: (index: number) => string) {
    this.#lab = lab;
    this.#transport = transport;
    this.#clients = clients;
    this.#channel = channel;
  }

  async run(subject: string): Promise<Round> {
    if (subject === 'bare') return withSubjects(this.#lab, ['bare'], ([bare]) => this.#connects(bare as Subject));
    return withSubjects(this.#lab, ['gateway'], async ([before]) => {
      await this.#comeAndGo(before as Subject);
      if (subject === 'gateway') return this.#back(before as Subject);
      await (before as Subject).kill();
      return withSubjects(this.#lab, ['gateway'], ([another]) => this.#back(another as Subject));
    });
  }

  async #comeAndGo(gateway: Subject): Promise<void> {
    const sockets = await this.#open(gateway, this.#clients);
    await sockets.close();
    await until('the gateway has noticed that all are gone', async () => {
      const stats = await (await fetch(`${gateway.url}/stats`)).json();
      return (stats as { active_connections: number }).active_connections === 0;
    });
    for (let channel = 0; channel < CHANNELS; channel++)
      await this.#lab.publish(batchFor(Array(MISSED).fill(this.#channel(channel))));
  }

  async #back(gateway: Subject): Promise<Round> {
    await this.#warmUp(gateway);
    const before = await redisCalls(this.#lab.commands);
    const round = await this.#connects(gateway, MISSED);
    const after = await redisCalls(this.#lab.commands);
    const reads = callsSince(before, after, ['xrange', 'xrevrange']);
    if (reads > MOST_READS * CHANNELS) throw new Error(`${this.#clients} clients cost ${reads} reads of streams`);
    return {
      ...round,
      [READS]: reads,
      [SUBSCRIBES]: callsSince(before, after, ['subscribe']),
      [CALLS]: callsSince(before, after),
    };
  }

  /** The storm's channels may be unknown to the server, but not its code. */
  async #warmUp(server: Subject): Promise<void> {
    const warm = await server.open({
      transport: this.#transport,
      count: WARMUP_CONNECTIONS,
      channels: () => [`${NAMESPACE}:warm`],
    });
    await warm.close();
  }

  async #connects(server: Subject, owed = 0): Promise<Round> {
    if (owed === 0) await this.#warmUp(server);
    const before = { cpu: cpuSeconds(server.pid), at: performance.now() };
    const sockets = await this.#open(server, this.#clients);
    await sockets.until(this.#clients * owed, LIMIT_MS);
    const round = {
      [STORM_SECONDS]: (performance.now() - before.at) / 1_000,
      [CPU]: cpuSeconds(server.pid) - before.cpu,
    };
    if (sockets.received !== this.#clients * owed || sockets.lost > 0)
      throw new Error(`${sockets.received} events of ${this.#clients * owed}; ${sockets.lost} connections lost`);
    await sockets.close();
    return round;
  }

  #open(server: Subject, count: number) {
    return server.open({
      transport: this.#transport,
      count,
      channels: (index) => [this.#channel(index % CHANNELS)],
      after: () => '0-0',
      openLimitMs: LIMIT_MS,
    });
  }
}
