/** Streams over a real hub and the embedded engine, with sockets that fill when the test says so. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MemoryBroker, MemoryStore } from '../../broker/memory.ts';
import { Tally } from '../figures/tally.ts';
import type { Start } from '../hub/channel.ts';
import { Hub } from '../hub/hub.ts';
import { decodeCursor } from '../hub/outgoing.ts';
import { OWN_READS } from '../hub/read-queue.ts';
import { readQueue } from '../hub/testing/read-queue.ts';
import { Members } from '../presence/members.ts';
import { ResumeTokens } from '../presence/resume-token.ts';
import { type StreamOutlet, Streams } from './stream.ts';

const LIMITS = { ringEvents: 4, ringBytes: 1 << 20, historyPage: 3, historyRetryMs: 1 };

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function rest(): Promise<void> {
  for (let i = 0; i < 20; i++) await tick();
}

/** A socket that takes everything until it is told to be full; what is written then still goes out, as with a real one. */
class Socket implements StreamOutlet {
  readonly person = { connection: 'connection', user: null, name: null, resume: '' };
  text = '';
  full = false;
  ended = false;
  writes = 0;
  writesWhileFull = 0;

  write(bytes: Buffer): boolean {
    this.text += bytes.toString();
    this.writes++;
    if (this.full) this.writesWhileFull++;
    return !this.full;
  }

  close(): void {
    this.ended = true;
  }

  /** The blocks that carry an event or a gap. */
  get blocks(): { id: string; data: unknown; event: string }[] {
    return this.text
      .split('\n\n')
      .filter((block) => block.includes('data: '))
      .map((block) => {
        const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';
        return { id: field('id'), event: field('event'), data: JSON.parse(field('data')) };
      });
  }

  get lastId(): string {
    return (
      this.text
        .match(/^id: .*$/gm)
        ?.at(-1)
        ?.slice('id: '.length) ?? ''
    );
  }
}

function world(): {
  streams: Streams;
  tally: Tally;
  clock: { now: number };
  publish: (channel: string, value: unknown) => Promise<void>;
} {
  const store = new MemoryStore({ retentionOf: () => ({ size: 1_000, retentionMs: 3_600_000 }) });
  const broker = new MemoryBroker(store);
  const clock = { now: 1_000 };
  const tally = new Tally();
  const hub = new Hub(broker, () => ({ size: 1_000, retentionMs: 3_600_000 }), LIMITS, readQueue(), Date.now);
  broker.listen(hub);
  const members = new Members({
    broker,
    modeOf: () => 'list',
    tokens: new ResumeTokens(),
    lease: () => 'gateway',
    sureLease: () => 'gateway',
    now: () => clock.now,
  });
  const streams = new Streams({
    hub,
    tally,
    members,
    keepAliveMs: 15_000,
    retryMs: 2_000,
    now: () => clock.now,
    random: () => 0.5,
  });
  const publish = async (channel: string, value: unknown): Promise<void> => {
    await broker.publish(channel, { name: 'message', data: JSON.stringify(value) });
  };
  return { streams, tally, clock, publish };
}

const open = async (streams: Streams, channels: readonly string[], socket: Socket, starts?: readonly Start[]) => {
  const stream = await streams.open(
    { channels, starts: starts ?? channels.map(() => undefined), envelope: false },
    OWN_READS,
  );
  stream.start(socket);
  return stream;
};

const data = (socket: Socket): unknown[] => socket.blocks.map((block) => block.data);

describe('streams', () => {
  it('begin with retry and a block that has only the position', async () => {
    const { streams, publish } = world();
    await publish('a', 1);
    const socket = new Socket();
    await open(streams, ['a', 'b'], socket);
    assert.match(socket.text, /^retry: 2000\nid: \d+-0\.0-0\n\n$/);
  });

  it('give many streams of the same channels the same bytes, one write each for all events of a tick', async () => {
    const { streams, publish } = world();
    const sockets = [new Socket(), new Socket(), new Socket()];
    for (const socket of sockets) await open(streams, ['a', 'b'], socket);
    await rest();
    const before = sockets.map(({ writes }) => writes);
    await Promise.all([publish('a', 1), publish('b', 2), publish('a', 3)]);
    await rest();
    for (const [index, socket] of sockets.entries()) {
      assert.equal(socket.writes - (before[index] ?? 0), 1);
      assert.equal(socket.text, sockets[0]?.text);
      assert.deepEqual(data(socket).sort(), [1, 2, 3]);
    }
  });

  it('leave a slow stream behind without a word to the others, write nothing to it, and let it catch up', async () => {
    const { streams, publish, tally } = world();
    const slow = new Socket();
    const fast = new Socket();
    const stream = await open(streams, ['a'], slow);
    await open(streams, ['a'], fast);
    await rest();
    slow.full = true;
    for (let value = 0; value < 50; value++) {
      await publish('a', value);
      await rest();
    }
    assert.equal(slow.writesWhileFull, 1, 'only what filled it');
    assert.equal(tally.lagging, 1);
    assert.deepEqual(data(fast), [...Array(50).keys()]);
    slow.full = false;
    stream.drained();
    await rest();
    assert.deepEqual(data(slow), data(fast));
    assert.equal(tally.lagging, 0);
    await publish('a', 'more');
    await rest();
    assert.equal(
      slow.text.slice(slow.text.indexOf('\n\n')),
      fast.text.slice(fast.text.indexOf('\n\n')),
      'and is back in the feed',
    );
  });

  it('write a comment after silence, to streams in a feed and apart', async () => {
    const { streams, clock, publish } = world();
    const socket = new Socket();
    await open(streams, ['a'], socket);
    await rest();
    clock.now += 14_999;
    streams.keepAlive();
    assert.doesNotMatch(socket.text, /keep-alive/);
    clock.now += 1;
    streams.keepAlive();
    assert.match(socket.text, /\n\n: keep-alive\n\n$/);
    await publish('a', 1);
    await rest();
    clock.now += 14_999;
    streams.keepAlive();
    assert.equal(socket.text.match(/keep-alive/g)?.length, 1, 'an event broke the silence');
  });

  it('give their channels back, so that nothing is held for nobody', async () => {
    const { streams, publish, tally } = world();
    const sockets = [new Socket(), new Socket()];
    const opened = [];
    for (const socket of sockets) opened.push(await open(streams, ['a', 'b'], socket));
    await rest();
    for (const stream of opened) stream.close();
    assert.deepEqual([...streams.options.hub.audiences('')], []);
    await publish('a', 1);
    await rest();
    assert.equal(tally.delivered, 0);
  });

  it('resume every channel exactly from the last id seen, wherever they are cut and however slow they read', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('a', 'b', 'c', 'fill', 'drain', 'cut', 'settle'), { maxLength: 60 }),
        fc.boolean(),
        async (steps, others) => {
          const { streams, publish } = world();
          const channels = ['a', 'b', 'c'];
          if (others) await open(streams, channels, new Socket());
          const got: unknown[] = [];
          let socket = new Socket();
          let stream = await open(streams, channels, socket);
          const published: Record<string, number[]> = { a: [], b: [], c: [] };
          let value = 0;
          for (const step of steps) {
            if (step === 'fill') socket.full = true;
            else if (step === 'settle') await rest();
            else if (step === 'drain') {
              socket.full = false;
              stream.drained();
            } else if (step === 'cut') {
              const cursor = socket.lastId;
              got.push(...data(socket));
              stream.close();
              socket = new Socket();
              const starts = decodeCursor(cursor, 3)?.map((after) => ({ after }));
              stream = await open(streams, channels, socket, starts);
            } else {
              value++;
              published[step]?.push(value);
              await publish(step, `${step}${value}`);
            }
          }
          socket.full = false;
          stream.drained();
          await rest();
          await rest();
          got.push(...data(socket));
          for (const channel of channels) {
            const mine = got.filter((each) => String(each).startsWith(channel));
            assert.deepEqual(
              mine,
              published[channel]?.map((each) => `${channel}${each}`),
            );
          }
          assert.equal(got.length, value);
        },
      ),
      { numRuns: 1_000, includeErrorInReport: true },
    );
  });
});
