/**
 * What compressed WebSockets cost and save: gateways with `COMPRESSION` off and shared deliver JSON, of which no two events are alike, to
 * connections that offer it. Frames are counted by their heads, as what is in them may be compressed. One connection's are taken apart, and must be
 * what was published, in its order; all others must have got as many frames and bytes as that one, as each is sent the same.
 */
import assert from 'node:assert/strict';
import { constants, inflateRawSync } from 'node:zlib';
import { type Compression, compressedFrom } from '../../gateway/websocket/compression.ts';
import { FrameCounter, type Message } from '../counting.ts';
import type { Subject } from '../lab.ts';
import { record } from '../payload.ts';
import { type Figure, figure, RESIDENT_BYTES } from '../results.ts';
import { fewRounds, type Run, type Scenario } from '../scenario.ts';
import type { LoadSockets } from '../sockets.ts';
import { measureTicks, ticksOf } from './fanout.ts';
import { readIdle } from './idle.ts';

export const CPU_PER_DELIVERY = 'CPU microseconds per delivery';
export const WIRE_BYTES = 'bytes on the wire per delivery, with its frame';

/** The gateway as it is by default, and the one that compresses. */
const SUBJECTS: readonly (readonly [name: string, compression: Compression])[] = [
  ['gateway', 'off'],
  ['gateway, COMPRESSION=shared', 'shared'],
];
/** Names of one length, as they are in each frame. */
const CHANNELS: Readonly<Record<Compression, string>> = { off: 'load:as-it-is', shared: 'load:deflated' };
/** As browsers do. */
const OFFER = 'permessage-deflate; client_max_window_bits';
const WARMUP_TICKS = 20;

export const COMPRESSION: Scenario = {
  name: 'compression',
  title: 'what compressed WebSockets cost and save',
  run: async (run) => {
    const figures: Figure[] = [];
    for (const subscribers of [100, 1_000]) figures.push(...(await delivered(run, subscribers)));
    for (const [name, compression] of SUBJECTS) figures.push(await idle(run, name, compression));
    return figures;
  },
};

async function delivered(run: Run, subscribers: number): Promise<Figure[]> {
  const audiences: Audience[] = [];
  try {
    for (const [name, compression] of SUBJECTS)
      audiences.push(await Audience.open(run, name, compression, subscribers));
    const figures: Figure[] = [];
    for (const bytes of [128, 1_024])
      for (const events of run.quick ? [1] : [1, 8]) {
        run.progress(`${subscribers} subscribers, ${events} × ${bytes} B a tick`);
        for (const audience of audiences) await audience.measure(events, bytes, WARMUP_TICKS);
        const rounds = audiences.map((audience) => ({ name: audience.name, rounds: [] as Round[] }));
        for (let round = 0; round < run.rounds; round++)
          for (const [index, audience] of audiences.entries())
            rounds[index]?.rounds.push(await audience.measure(events, bytes));
        for (const one of rounds) figures.push(...figuresOf(one.name, { subscribers, bytes, events }, one.rounds));
      }
    return figures;
  } finally {
    await Promise.all(audiences.map((audience) => audience.close()));
  }
}

function figuresOf(name: string, at: Readonly<Record<string, number>>, rounds: readonly Round[]): Figure[] {
  const of = (metric: string, key: keyof Round) =>
    figure(
      'compression',
      name,
      at,
      metric,
      rounds.map((round) => round[key]),
    );
  return [of(CPU_PER_DELIVERY, 'cpu'), of(WIRE_BYTES, 'wireBytes'), of('events a read', 'eventsPerRead')];
}

async function idle(run: Run, name: string, compression: Compression): Promise<Figure> {
  const connections = run.quick ? 5_000 : 10_000;
  run.progress(`${name}, ${connections} idle connections`);
  const rounds: number[] = [];
  const options = { transport: 'ws', count: connections, extensions: OFFER } as const;
  for (let round = 0; round < fewRounds(run); round++)
    rounds.push((await readIdle(run.lab, 'gateway', options, { COMPRESSION: compression })).resident);
  return figure('compression, idle', name, { connections }, RESIDENT_BYTES, rounds);
}

interface Round {
  readonly cpu: number;
  readonly wireBytes: number;
  readonly eventsPerRead: number;
}

/** One gateway with all who listen to it, on a channel that no other gateway serves. */
class Audience {
  readonly name: string;
  readonly #compression: Compression;
  readonly #run: Run;
  readonly #subject: Subject;
  readonly #counter = new FrameCounter((message) => this.#hear(message));
  readonly #subscribers: number;
  #sockets: LoadSockets | undefined;
  #published = 0;
  /** The data of events that were published and that the first connection has not got. */
  #owed: string[] = [];
  /** Bytes of the events that it has got. */
  #heardBytes = 0;
  #ticks = 0;

  private constructor(run: Run, name: string, compression: Compression, subject: Subject, subscribers: number) {
    this.name = name;
    this.#run = run;
    this.#compression = compression;
    this.#subject = subject;
    this.#subscribers = subscribers;
  }

  static async open(run: Run, name: string, compression: Compression, subscribers: number): Promise<Audience> {
    const subject = await run.lab.start('gateway', { COMPRESSION: compression });
    const audience = new Audience(run, name, compression, subject, subscribers);
    audience.#sockets = await subject.open({
      transport: 'ws',
      count: subscribers,
      channels: () => [audience.#channel],
      extensions: OFFER,
      counter: audience.#counter,
    });
    return audience;
  }

  /** Unless told otherwise, as many ticks as the last ones said that fit into a round. */
  async measure(events: number, bytes: number, ticks = this.#ticks): Promise<Round> {
    const sockets = this.#sockets;
    if (sockets === undefined) throw new Error('Nobody listens');
    const before = { wire: this.#counter.wireBytes, heard: this.#heardBytes };
    const tick = () => this.#publish(events, bytes);
    const perTick = events * this.#subscribers;
    const timed = await measureTicks(this.#subject.pid, sockets, tick, perTick, ticks);
    this.#ticks = ticksOf(timed);
    const wire = this.#counter.wireBytes - before.wire;
    assert.equal(this.#owed.length, 0, 'the first connection has got every event');
    assert.equal(
      wire,
      (this.#heardBytes - before.heard) * this.#subscribers,
      'each has got as many bytes as the first',
    );
    return {
      cpu: 1e6 / timed.perCpuSecond,
      wireBytes: wire / (ticks * perTick),
      eventsPerRead: timed.eventsPerRead,
    };
  }

  async close(): Promise<void> {
    await this.#sockets?.close();
    await this.#subject.kill();
  }

  get #channel(): string {
    return CHANNELS[this.#compression];
  }

  async #publish(events: number, bytes: number): Promise<void> {
    const records = Array.from({ length: events }, () => record(bytes, this.#published++));
    this.#owed.push(...records);
    const publishes = records.map((data) => `{"channel":"${this.#channel}","data":${data}}`);
    await this.#run.lab.publish(`{"publishes":[${publishes.join(',')}]}`);
  }

  #hear({ compressed, payload, wireBytes }: Message): void {
    const text = compressed ? inflated(payload) : payload.toString();
    if (!text.startsWith('{"type":"event"')) return;
    const wanted = `"data":${this.#owed.shift()}}`;
    assert.ok(text.endsWith(wanted), `${text} in place of an event with ${wanted}`);
    assert.equal(compressed, text.length >= compressedFrom(this.#compression), 'compressed as it is set');
    this.#heardBytes += wireBytes;
  }
}

/** Each message ends where the compressor was flushed, without the four bytes that always stand there. */
function inflated(payload: Buffer): string {
  const whole = Buffer.concat([payload, Buffer.of(0, 0, 0xff, 0xff)]);
  return inflateRawSync(whole, { finishFlush: constants.Z_SYNC_FLUSH }).toString();
}
