/**
 * Where a subscription may be asked to begin, and what it then gets: one table, run over both transports and both engines, against
 * channels that the gateway has at hand and against such as it must read first.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type RedisDeployment, startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { SseClient, WsClient } from './harness/clients.ts';
import { type ChannelsFile, channelNames, SMALL_SIZE, writeChannelsFile } from './harness/fixtures.ts';
import { call, publish } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

const ORIGIN = '0-0';
const SENTINEL = 'the end of the replay';

/** What a subscriber got between its request and a sentinel that was published once it stood. */
interface Resumed {
  /** Where the subscription said that it goes on. SSE does not say it. */
  readonly position: string | undefined;
  readonly recovered: boolean | undefined;
  /** `gap` as `AFTER>ID`, events as their ids, in the order of arrival. */
  readonly got: readonly string[];
  /** What a client would resume from after each of those. */
  readonly positions: readonly string[];
}

interface Refused {
  readonly refused: string;
}

type Resume = (gateway: string, channel: string, from: string) => Promise<Resumed | Refused>;

const transports: Readonly<Record<string, Resume>> = { WebSocket: overWebSocket, SSE: overSse };

async function overWebSocket(gateway: string, channel: string, from: string): Promise<Resumed | Refused> {
  const client = await WsClient.open(`${gateway}/ws`);
  try {
    client.send({ type: 'subscribe', channel, after: from });
    const reply = await client.frames.find(({ type }) => type === 'subscribed' || type === 'error');
    if (reply.type === 'error') return { refused: String(reply.code) };
    await publish(gateway, channel, SENTINEL);
    const got: string[] = [];
    const positions: string[] = [];
    for (;;) {
      const frame = await client.frames.next();
      assert.equal(frame.channel, channel);
      if (frame.data === SENTINEL) break;
      got.push(frame.type === 'gap' ? `${frame.after}>${frame.id}` : String(frame.id));
      positions.push(String(frame.id));
    }
    return { position: String(reply.position), recovered: reply.recovered === true, got, positions };
  } finally {
    client.destroy();
  }
}

async function overSse(gateway: string, channel: string, from: string): Promise<Resumed | Refused> {
  const url = `${gateway}/events?channel=${channel}&after=${encodeURIComponent(from)}`;
  const client = new SseClient(url);
  try {
    const { statusCode } = await client.opened;
    if (statusCode !== 200) {
      const { json } = await call(url);
      return { refused: (json as { error: { code: string } }).error.code };
    }
    await client.blocks.next(); // where it begins
    await publish(gateway, channel, SENTINEL);
    const got: string[] = [];
    const positions: string[] = [];
    for (;;) {
      const block = await client.blocks.next();
      const data: unknown = JSON.parse(block.data ?? 'null');
      if (data === SENTINEL) break;
      const gap = data as { channel?: string; after?: string; id?: string };
      if (block.event === 'gap') assert.equal(gap.channel, channel);
      got.push(block.event === 'gap' ? `${gap.after}>${gap.id}` : block.lastEventId);
      positions.push(block.lastEventId);
    }
    return { position: undefined, recovered: undefined, got, positions };
  } finally {
    client.destroy();
  }
}

/** A channel with a past, and what a client asks of it. */
interface Situation {
  readonly from: string;
  /** Where the subscription continues. */
  readonly position: string;
  readonly got: readonly string[];
}

interface World {
  readonly gateway: string;
  readonly channel: string;
  /** A channel of another name, for ids that are not this one's. */
  readonly other: string;
  /** Publishes this many more events; resolves with their ids. */
  publish(count: number): Promise<string[]>;
  /** Resolves when the channel's history has expired. */
  expired(): Promise<void>;
}

interface Case {
  readonly name: string;
  readonly namespace?: string;
  arrange(world: World): Promise<Situation>;
}

/** A gap: no event between the two can be had, the second one can. */
const gap = (from: string, id: string | undefined) => `${from}>${id}`;
const at = (ids: readonly string[], index: number): string => ids.at(index) ?? 'no such event';
const plus = (id: string, ms: number, sequence = 0) => `${Number(id.split('-')[0]) + ms}-${sequence}`;

const cases: readonly Case[] = [
  {
    name: 'the last event: nothing is missing',
    arrange: async (world) => {
      const ids = await world.publish(5);
      return { from: at(ids, 4), position: at(ids, 4), got: [] };
    },
  },
  {
    name: 'an event in the middle: every later one',
    arrange: async (world) => {
      const ids = await world.publish(5);
      return { from: at(ids, 1), position: at(ids, 1), got: ids.slice(2) };
    },
  },
  {
    name: 'further back than the ring and than one read reach: every later one',
    arrange: async (world) => {
      const ids = await world.publish(700);
      return { from: at(ids, 0), position: at(ids, 0), got: ids.slice(1) };
    },
  },
  {
    name: '0-0 of a channel that never was: nothing, without a gap',
    arrange: async () => ({ from: ORIGIN, position: ORIGIN, got: [] }),
  },
  {
    name: '0-0 of a channel that kept everything: everything, without a gap',
    arrange: async (world) => ({ from: ORIGIN, position: ORIGIN, got: await world.publish(5) }),
  },
  {
    name: '0-0 of a channel that was trimmed: a gap, then what is kept',
    namespace: 'small',
    arrange: async (world) => {
      const ids = await world.publish(5);
      const kept = ids.slice(-SMALL_SIZE);
      return { from: ORIGIN, position: at(ids, 1), got: [gap(ORIGIN, kept[0]), ...kept] };
    },
  },
  {
    name: 'an event that was trimmed: a gap, then what is kept',
    namespace: 'small',
    arrange: async (world) => {
      const ids = await world.publish(6);
      const kept = ids.slice(-SMALL_SIZE);
      return { from: at(ids, 0), position: at(ids, 2), got: [gap(at(ids, 0), kept[0]), ...kept] };
    },
  },
  {
    name: 'exactly the predecessor of the oldest that is kept: no gap',
    namespace: 'small',
    arrange: async (world) => {
      const ids = await world.publish(6);
      return { from: at(ids, 2), position: at(ids, 2), got: ids.slice(-SMALL_SIZE) };
    },
  },
  {
    name: 'the oldest that is kept: no gap',
    namespace: 'small',
    arrange: async (world) => {
      const ids = await world.publish(6);
      return { from: at(ids, 3), position: at(ids, 3), got: ids.slice(4) };
    },
  },
  {
    name: 'an id between two events that never was one: a gap',
    arrange: async (world) => {
      const older = await world.publish(2);
      const unknown = plus(at(older, -1), 1, 7);
      await until('the clock has passed that id', () => Date.now() > Number(unknown.split('-')[0]));
      const newer = await world.publish(2);
      return { from: unknown, position: at(older, -1), got: [gap(unknown, newer[0]), ...newer] };
    },
  },
  {
    name: 'ahead of the channel: a gap up to its last event, then what comes',
    arrange: async (world) => {
      const ids = await world.publish(3);
      const ahead = plus(at(ids, -1), 86_400_000);
      return { from: ahead, position: at(ids, -1), got: [gap(ahead, ids.at(-1))] };
    },
  },
  {
    name: 'the largest id that can be written: a gap up to the last event',
    arrange: async (world) => {
      const ids = await world.publish(3);
      const ahead = '999999999999999-999999999999999';
      return { from: ahead, position: at(ids, -1), got: [gap(ahead, ids.at(-1))] };
    },
  },
  {
    name: 'an id, of a channel that never was: a gap',
    arrange: async () => {
      const from = '1700000000000-0';
      return { from, position: ORIGIN, got: [gap(from, ORIGIN)] };
    },
  },
  {
    name: 'an id of another channel: a gap, then everything after it',
    arrange: async (world) => {
      const foreign = await publish(world.gateway, world.other, 'elsewhere');
      await until('the clock has moved on', () => Date.now() > Number(foreign.split('-')[0]));
      const ids = await world.publish(3);
      return { from: foreign, position: ORIGIN, got: [gap(foreign, ids[0]), ...ids] };
    },
  },
  {
    name: 'the last event of a history that has expired: nothing is missing',
    namespace: 'brief',
    arrange: async (world) => {
      const ids = await world.publish(3);
      await world.expired();
      return { from: at(ids, -1), position: at(ids, -1), got: [] };
    },
  },
  {
    name: 'an event before some that have expired: a gap up to the last one',
    namespace: 'brief',
    arrange: async (world) => {
      const ids = await world.publish(3);
      await world.expired();
      return { from: at(ids, 0), position: at(ids, -1), got: [gap(at(ids, 0), ids.at(-1))] };
    },
  },
  {
    name: '0-0 where all have expired: a gap up to the last one',
    namespace: 'brief',
    arrange: async (world) => {
      const ids = await world.publish(3);
      await world.expired();
      return { from: ORIGIN, position: at(ids, -1), got: [gap(ORIGIN, ids.at(-1))] };
    },
  },
  {
    name: 'the last event that has expired, with a new one after it: no gap',
    namespace: 'brief',
    arrange: async (world) => {
      const old = await world.publish(3);
      await world.expired();
      const [id = ''] = await world.publish(1);
      return { from: at(old, -1), position: at(old, -1), got: [id] };
    },
  },
  {
    name: 'an event before the last that has expired, with a new one after it: a gap, then that',
    namespace: 'brief',
    arrange: async (world) => {
      const old = await world.publish(3);
      await world.expired();
      const [id = ''] = await world.publish(1);
      return { from: at(old, 0), position: at(old, -1), got: [gap(at(old, 0), id), id] };
    },
  },
];

const malformed = [
  '9-9-9',
  'abc',
  '-1-0',
  '1--1',
  '1-',
  '-',
  '1',
  '01-0',
  '1.5-0',
  '0x1-0',
  '1e3-0',
  '99999999999999999999-0',
  '1-99999999999999999999',
  '１-0',
  "1-0'",
];

const name = channelNames();
let channels: ChannelsFile;
let redis: RedisDeployment;
before(async () => {
  channels = writeChannelsFile();
  redis = await startStandalone();
});
after(async () => {
  await redis.stop();
  channels.remove();
});

for (const engine of ['embedded', 'Redis']) {
  describe(`positions, ${engine} engine`, () => {
    let gateway: GatewayProcess;
    before(async () => {
      const env = { CHANNELS_FILE: channels.path, READY_GRACE_SECONDS: '0' };
      gateway = await GatewayProcess.start({ env: engine === 'Redis' ? { ...env, REDIS_URL: redis.url } : env });
      const { url } = gateway;
      await until('it is ready', async () => (await call(`${url}/readyz`)).status === 200);
    });
    after(() => gateway.kill());

    for (const [transport, resume] of Object.entries(transports)) {
      // So many at a time that all whose history has to expire wait together.
      describe(`over ${transport}`, { concurrency: 16 }, () => {
        for (const each of cases) {
          for (const held of [false, true]) {
            test(`${each.name}${held ? ' (of a channel in use)' : ''}`, async () => {
              await holds(each, resume, gateway.url, held);
            });
          }
        }
      });
    }

    test('WebSocket: what is no id is refused, and the connection lives on', async () => {
      for (const from of [...malformed, '']) {
        assert.deepEqual(await overWebSocket(gateway.url, name(), from), { refused: 'bad_request' }, from);
      }
      for (const from of [0, 1.5, null, true, {}, ['0-0']]) {
        const client = await WsClient.open(`${gateway.url}/ws`);
        const channel = name();
        client.send({ type: 'subscribe', channel, after: from, ref: 1 });
        const { code } = await client.frames.find(({ ref }) => ref === 1);
        assert.equal(code, 'bad_request', JSON.stringify(from));
        client.send({ type: 'subscribe', channel, ref: 2 });
        assert.equal((await client.frames.find(({ ref }) => ref === 2)).type, 'subscribed');
        client.destroy();
      }
    });

    test('SSE: what is no position is refused with 400, wherever it stands', async () => {
      for (const from of malformed) {
        const text = encodeURIComponent(from);
        const requests = [
          call(`${gateway.url}/events?channel=a&after=${text}`),
          call(`${gateway.url}/events?channel=a&lastEventId=${text}`),
          call(`${gateway.url}/events?channel=a,b&after=${text}`),
          call(`${gateway.url}/events?channel=a,b&after=${encodeURIComponent(`0-0.${from}`)}`),
        ];
        // A header has bytes of Latin-1 only.
        if (/^[\x20-\x7e]+$/.test(from)) {
          requests.push(call(`${gateway.url}/events?channel=a`, { headers: { 'last-event-id': from } }));
        }
        for (const { status, json } of await Promise.all(requests)) {
          assert.equal(status, 400, from);
          assert.equal((json as { error: { code: string } }).error.code, 'bad_request');
        }
      }
      assert.equal((await call(`${gateway.url}/events?channel=a&after=`)).status, 400);
    });
  });
}

async function holds(each: Case, resume: Resume, gateway: string, held: boolean): Promise<void> {
  const channel = name(each.namespace);
  const witness = held ? await WsClient.open(`${gateway}/ws`) : undefined;
  try {
    witness?.send({ type: 'subscribe', channel });
    await witness?.frames.find(({ type }) => type === 'subscribed');
    let last: string | undefined;
    const { from, position, got } = await each.arrange({
      gateway,
      channel,
      other: name(),
      publish: async (count) => {
        const ids = await publishMany(gateway, channel, count);
        last = ids.at(-1);
        return ids;
      },
      expired: () => until('the history has expired', async () => (await historyOf(gateway, channel)).length === 0),
    });
    // A gateway that were still behind could give what the history has not any more, and that would be no gap.
    if (witness !== undefined && last !== undefined) await witness.frames.find(({ id }) => id === last);
    const resumed = await resume(gateway, channel, from);
    assert('got' in resumed, `refused: ${JSON.stringify(resumed)}`);
    assert.deepEqual(resumed.got, got);
    if (resumed.position !== undefined) {
      assert.equal(resumed.position, position);
      assert.equal(resumed.recovered, !got[0]?.includes('>'));
    } else if (got[0]?.includes('>')) {
      // A browser comes back with the id of the last block, the gap's own too: then there is no second gap.
      assert.equal(resumed.positions[0], position);
    }
  } finally {
    witness?.destroy();
  }
}

async function publishMany(gateway: string, channel: string, count: number): Promise<string[]> {
  const publishes = Array.from({ length: count }, (_, index) => ({ channel, data: index }));
  const { json, text } = await call(`${gateway}/api/batch`, { method: 'POST', body: { publishes } });
  const { results } = json as { results: { id?: string }[] };
  return results.map(({ id }) => {
    assert(id !== undefined, text);
    return id;
  });
}

async function historyOf(gateway: string, channel: string): Promise<unknown[]> {
  const { json } = await call(`${gateway}/api/history?channel=${channel}`);
  return (json as { events: unknown[] }).events;
}
