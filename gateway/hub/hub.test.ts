/**
 * The promise, under arbitrary interleavings: a world that publishes, trims, forks, loses, doubles and delays, a hub that knows of it
 * only what a broker tells, and subscribers that stall, are cut, and come back. What each of them took is judged by the world.
 */
import assert from 'node:assert/strict';
import { describe, it, type MockTimers } from 'node:test';
import fc from 'fast-check';
import { type Broker, type Event, ORIGIN, type Page, type Position } from '../../broker/broker.ts';
import { Tally } from '../figures/tally.ts';
import { Feeds, type Member } from '../websocket/socket-feed.ts';
import { markDue, NOTHING_DUE, type Sink, type Start } from './channel.ts';
import { Hub } from './hub.ts';
import { Gap, OutgoingEvent } from './outgoing.ts';
import type { Subscription } from './subscription.ts';
import { readQueue } from './testing/read-queue.ts';

const CHANNEL = 'room';
const SIZE = 8;
/** About two events: some are cast to whoever is stalled before that is found out. */
const ASK_AFTER_BYTES = 100;
const LIMITS = { ringEvents: 4, ringBytes: 1 << 20, historyPage: 3, historyRetryMs: 1 };
/** Events that fit into a page by their bytes. */
const FITTING = 2;

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One channel's history and its wire. A read is answered only when the world says so, from the state of either moment. */
class World {
  /** Every event ever published, in order of publication; also those that were lost since. */
  readonly all: Event[] = [];
  history: Event[] = [];
  floor: Position = ORIGIN;
  readonly wire: Event[] = [];
  /** Whether anything was ever taken from the history. */
  lossy = false;
  /** What subscribers found wrong. */
  readonly faults: unknown[] = [];
  readonly #reads: { answer: () => void; repeat: () => void }[] = [];
  readonly #lateAnswers: boolean;
  readonly #size: number;
  #clock = 1_000;

  constructor(lateAnswers: boolean, size = SIZE) {
    this.#lateAnswers = lateAnswers;
    this.#size = size;
  }

  get head(): Position {
    return this.history.at(-1)?.id ?? this.floor;
  }

  publish(lost: boolean): void {
    this.#clock++;
    const event = { id: `${this.#clock}-0`, prev: this.head, name: 'message', data: Buffer.from(String(this.#clock)) };
    this.all.push(event);
    this.history.push(event);
    if (!lost) this.wire.push(event);
    if (this.history.length > this.#size) this.trim(1);
  }

  trim(count: number): void {
    for (const gone of this.history.splice(0, count)) {
      this.floor = gone.id;
      this.lossy = true;
    }
  }

  /**
   * A failover that loses the last events, and whose clock may be behind. What had not arrived from the old master, events or answers, never
   * does: its connections are gone long before the new master answers.
   */
  fork(count: number, behind: number): void {
    if (count === 0 || this.history.length <= count) return;
    this.wire.length = 0;
    this.history.splice(-count);
    this.lossy = true;
    // The new tail may reuse times, but never an id: that would be the same event.
    this.#clock = Math.max(Number.parseInt(this.head, 10), this.#clock - behind);
    while (this.all.some(({ id }) => id === `${this.#clock + 1}-0`)) this.#clock++;
    for (const { repeat } of this.#reads) repeat();
  }

  get waiting(): number {
    return this.#reads.length;
  }

  answer(index: number): void {
    if (this.#reads.length > 0) this.#reads.splice(index % this.#reads.length, 1)[0]?.answer();
  }

  broker(): Broker {
    const later = <T>(read: () => T): Promise<T> =>
      new Promise((resolve) => {
        let found = read();
        const repeat = (): void => {
          found = read();
        };
        this.#reads.push({ repeat, answer: () => resolve(this.#lateAnswers ? read() : found) });
      });
    return {
      listen: () => undefined,
      connect: async () => undefined,
      publish: () => Promise.reject(new Error('not here')),
      readAfter: (_channel, position, limit) => later(() => this.#after(position, limit)),
      readTail: (_channel, limit) => later(() => this.#tail(limit)),
      tailStart: (_channel, limit) => later(() => this.#tail(limit, SIZE).start),
      heads: (channels) => later(() => channels.map(() => this.head)),
      subscribe: () => later(() => undefined),
      unsubscribe: async () => undefined,
      get presence(): never {
        throw new Error('not here');
      },
      get vault(): never {
        throw new Error('not here');
      },
      shards: () => [],
      load: () => ({ waiting: 0, inFlight: 0 }),
      status: () => ({ ready: true }),
      close: async () => undefined,
    };
  }

  #after(position: Position, limit: number): Page {
    const index = this.history.findIndex(({ id }) => id === position);
    const known = index >= 0 || position === this.floor;
    const rest = known
      ? this.history.slice(index + 1)
      : this.history.filter(({ id }) => Number.parseInt(id, 10) > Number.parseInt(position, 10));
    const events = rest.slice(0, Math.min(limit, FITTING));
    const start = known ? position : (events[0]?.prev ?? this.head);
    return { events, start, head: this.head, known, more: rest.length > events.length };
  }

  #tail(limit: number, fitting = FITTING): Page {
    const events = limit === 0 ? [] : this.history.slice(-Math.min(limit, fitting));
    const start = events[0]?.prev ?? this.head;
    return { events, start, head: this.head, known: true, more: events.length < this.history.length };
  }
}

/** A connection: takes what it can while it is not stalled, by itself or, where there are feeds, by one of those, and notes it. */
class Subscriber implements Sink, Member {
  due = NOTHING_DUE;
  readonly #world: World;
  readonly #hub: Hub;
  readonly #feeds: Feeds | undefined;
  /** Whether it is sent what a feed casts. */
  #joined = false;
  subscription: Subscription | undefined;
  /** Where it stands by what it was told, as a client would know it. */
  position: Position | undefined;
  stalled = false;
  /** Told, since the last event, that something is missing. */
  #gapTold = false;
  /** A gap must come first, and says after what. */
  #gapDue = false;
  #askedAfter: Position | undefined;
  #lastGapAfter: Position | undefined;
  readonly #seen = new Set<Position>();
  #lastIndex = -1;
  gaps = 0;
  taken = 0;

  constructor(world: World, hub: Hub, feeds: Feeds | undefined) {
    this.#world = world;
    this.#hub = hub;
    this.#feeds = feeds;
  }

  get full(): boolean {
    return this.stalled;
  }

  join(): void {
    this.#joined = true;
  }

  leave(): void {
    this.#joined = false;
  }

  fallBehind(subscription: Subscription): void {
    this.#hub.attach(subscription, this);
    markDue(this, subscription);
  }

  /** Takes what a feed casts, also while it is stalled: the server would keep it for it. */
  hear(frame: Buffer): void {
    if (!this.#joined) return;
    const { type, after, id } = JSON.parse(frame.toString());
    const event = this.#world.all.find((each) => each.id === id);
    this.#note(type === 'gap' ? new Gap(CHANNEL, after, id) : new OutgoingEvent(CHANNEL, event as Event));
  }

  async connect(start: Start): Promise<void> {
    const from = this.position === undefined ? start : { after: this.position };
    const opened = await this.#hub.subscribe(CHANNEL, from);
    this.#askedAfter = this.position ?? (start !== undefined && 'after' in start ? start.after : undefined);
    this.#gapDue = !opened.recovered;
    this.#gapTold = false;
    this.position = opened.position;
    if (from !== undefined && 'tail' in from) this.#judgeTail(from.tail, opened.position);
    this.subscription = opened.subscription;
    this.#hub.attach(opened.subscription, this);
    markDue(this, opened.subscription);
    this.pump();
  }

  cut(): void {
    if (this.subscription === undefined) return;
    if (!this.#feeds?.part(this.subscription)) this.#hub.detach(this.subscription);
    this.#hub.leave(CHANNEL);
    this.subscription = undefined;
    this.due = NOTHING_DUE;
  }

  resume(): void {
    this.stalled = false;
    this.pump();
  }

  stall(): void {
    this.stalled = true;
    if (this.#joined) return; // the feed finds out
    this.subscription?.release();
    if (this.subscription !== undefined && this.due.length === 0) markDue(this, this.subscription);
  }

  pump(): void {
    const { subscription } = this;
    if (this.stalled || this.#joined || subscription === undefined) return;
    this.due = NOTHING_DUE;
    for (let item = subscription.take(); item !== undefined; item = subscription.take())
      for (const each of item instanceof Gap ? [item] : item.events) this.#note(each);
    if (subscription.owed) this.#hub.fetch(subscription);
    else this.#feeds?.join(subscription, this);
  }

  /** However large the events are, as many of them follow as were asked for, or all that are left. */
  #judgeTail(tail: number, position: Position): void {
    const { all, floor, lossy } = this.#world;
    if (lossy || position === floor) return;
    const following = all.length - 1 - all.findIndex(({ id }) => id === position);
    if (following < tail) this.#world.faults.push(new Error(`a tail of ${tail} begins ${following} events back`));
  }

  #note(item: OutgoingEvent | Gap): void {
    try {
      this.#judge(item);
    } catch (fault) {
      this.#world.faults.push(fault); // thrown here it would reach the hub, and not the judge of the run
    }
  }

  #judge(item: OutgoingEvent | Gap): void {
    if (item instanceof Gap) {
      // A second one only where the history lost more, after what the first one told of, before anything could be sent.
      if (this.#gapTold) assert.notEqual(item.after, this.#lastGapAfter, 'one gap before the next event');
      else
        assert.equal(
          item.after,
          this.#gapDue ? this.#askedAfter : this.position,
          'a gap begins where the client stands',
        );
      this.#lastGapAfter = item.after;
      assert.equal(this.#world.lossy, true, `a gap after ${item.after} although nothing was ever lost`);
      this.#gapDue = false;
      this.#gapTold = true;
      this.gaps++;
      return;
    }
    const index = this.#world.all.findIndex(({ id }) => id === item.id);
    assert.ok(index >= 0, `${item.id} was never published`);
    assert.ok(!this.#seen.has(item.id), `${item.id} came twice`);
    assert.ok(index > this.#lastIndex, `${item.id} came after a later event`);
    assert.equal(this.#gapDue, false, 'a subscription that is not recovered begins with a gap');
    if (!this.#gapTold) assert.equal(item.prev, this.position, `silence about what is missing before ${item.id}`);
    this.#seen.add(item.id);
    this.#lastIndex = index;
    this.#gapTold = false;
    this.position = item.id;
    this.taken++;
  }
}

type Step =
  | { do: 'publish'; lost: boolean }
  | { do: 'deliver'; twice: boolean; skipTo: number }
  | { do: 'trim'; count: number }
  | { do: 'fork'; count: number; behind: number }
  | { do: 'answer'; index: number }
  | { do: 'check' | 'resubscribed' | 'sweep' }
  | { do: 'stall' | 'resume' | 'cut'; who: number }
  | { do: 'connect'; who: number; tail: number };

const who = fc.nat(2);
const safeSteps = [
  { weight: 8, arbitrary: fc.record({ do: fc.constant('publish' as const), lost: fc.constant(false) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('publish' as const), lost: fc.constant(true) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('deliver' as const),
      twice: fc.boolean(),
      skipTo: fc.constantFrom(0, 0, 0, 1),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('answer' as const), index: fc.nat(3) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('check' as const, 'resubscribed' as const, 'sweep' as const) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('stall' as const, 'resume' as const, 'cut' as const), who }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('connect' as const), who, tail: fc.nat(6) }) },
];
const lossySteps = [
  ...safeSteps,
  { weight: 1, arbitrary: fc.record({ do: fc.constant('trim' as const), count: fc.integer({ min: 1, max: 8 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('fork' as const),
      count: fc.integer({ min: 1, max: 4 }),
      behind: fc.nat(6),
    }),
  },
];

/** Courses that were once played wrong; the random ones meet their like only now and then. */
const KNOWN_COURSES: [Step[], boolean][] = [
  [
    [
      { do: 'publish', lost: false },
      { do: 'publish', lost: false },
      { do: 'publish', lost: false },
      { do: 'connect', who: 0, tail: 1 },
      { do: 'answer', index: 0 },
      { do: 'answer', index: 0 },
      { do: 'publish', lost: false },
      { do: 'publish', lost: false },
      { do: 'publish', lost: false },
      { do: 'deliver', twice: false, skipTo: 0 },
      { do: 'connect', who: 1, tail: 2 },
      { do: 'publish', lost: false },
      { do: 'answer', index: 0 },
      { do: 'deliver', twice: true, skipTo: 0 },
      { do: 'deliver', twice: false, skipTo: 0 },
      { do: 'answer', index: 3 },
      { do: 'answer', index: 3 },
      { do: 'deliver', twice: false, skipTo: 0 },
      { do: 'fork', count: 4, behind: 0 },
    ],
    true,
  ],
  [
    [
      { do: 'connect', who: 0, tail: 3 },
      { do: 'publish', lost: false },
      { do: 'publish', lost: true },
      { do: 'publish', lost: false },
      { do: 'answer', index: 0 },
      { do: 'answer', index: 0 },
      { do: 'publish', lost: false },
      { do: 'publish', lost: true },
      { do: 'answer', index: 0 },
      { do: 'answer', index: 0 },
      { do: 'fork', count: 1, behind: 0 },
      { do: 'publish', lost: false },
      { do: 'answer', index: 0 },
      { do: 'fork', count: 2, behind: 0 },
    ],
    true,
  ],
  [
    [
      { do: 'publish', lost: false },
      { do: 'publish', lost: false },
      { do: 'publish', lost: false },
      { do: 'connect', who: 0, tail: 1 },
      { do: 'publish', lost: false },
      { do: 'publish', lost: true },
      { do: 'answer', index: 0 },
      { do: 'deliver', twice: true, skipTo: 0 },
      { do: 'publish', lost: false },
      { do: 'deliver', twice: false, skipTo: 1 },
      { do: 'answer', index: 0 },
      { do: 'answer', index: 3 },
      { do: 'fork', count: 4, behind: 0 },
    ],
    false,
  ],
  [
    [
      { do: 'publish', lost: false },
      { do: 'connect', who: 0, tail: 1 },
      { do: 'answer', index: 0 },
      { do: 'publish', lost: false },
      { do: 'publish', lost: false },
      { do: 'publish', lost: false },
      { do: 'publish', lost: false },
      { do: 'answer', index: 0 },
      { do: 'answer', index: 0 },
      { do: 'fork', count: 3, behind: 0 },
    ],
    false,
  ],
  [
    [
      { do: 'connect', who: 2, tail: 0 },
      { do: 'answer', index: 0 },
      { do: 'answer', index: 0 },
      { do: 'cut', who: 2 },
      { do: 'sweep' },
      { do: 'publish', lost: true },
      { do: 'check' },
      { do: 'sweep' },
      { do: 'connect', who: 0, tail: 0 },
      { do: 'answer', index: 1 },
    ],
    false,
  ],
  [
    [
      { do: 'publish', lost: false },
      { do: 'connect', who: 0, tail: 3 },
      { do: 'publish', lost: false },
      { do: 'answer', index: 0 },
      { do: 'deliver', twice: true, skipTo: 0 },
      { do: 'answer', index: 0 },
      { do: 'publish', lost: false },
      { do: 'fork', count: 1, behind: 0 },
      { do: 'publish', lost: false },
      { do: 'answer', index: 3 },
      { do: 'answer', index: 3 },
      { do: 'deliver', twice: false, skipTo: 0 },
      { do: 'publish', lost: true },
      { do: 'publish', lost: true },
      { do: 'publish', lost: false },
      { do: 'answer', index: 1 },
      { do: 'answer', index: 1 },
      { do: 'publish', lost: false },
      { do: 'deliver', twice: false, skipTo: 0 },
      { do: 'answer', index: 0 },
      { do: 'publish', lost: false },
      { do: 'deliver', twice: false, skipTo: 0 },
      { do: 'answer', index: 0 },
      { do: 'fork', count: 2, behind: 0 },
    ],
    true,
  ],
];

async function play(steps: readonly Step[], lateAnswers: boolean): Promise<{ taken: number; gaps: number }> {
  const world = new World(lateAnswers);
  const hub = new Hub(
    world.broker(),
    () => ({ size: SIZE, retentionMs: Number.MAX_SAFE_INTEGER }),
    LIMITS,
    readQueue(2),
    () => 0,
  );
  const feeds: Feeds = new Feeds({ hub, tally: new Tally(), cast, askAfterBytes: ASK_AFTER_BYTES });
  const subscribers = [undefined, feeds, feeds].map((each) => new Subscriber(world, hub, each));
  function cast(topic: string, frames: readonly Buffer[]): void {
    assert.equal(topic, CHANNEL);
    for (const frame of frames) for (const subscriber of subscribers) subscriber.hear(frame);
  }
  const connecting = new Map<Subscriber, Promise<void>>();

  for (const step of steps) {
    switch (step.do) {
      case 'publish':
        world.publish(step.lost);
        break;
      case 'deliver': {
        const [event] = world.wire.splice(step.skipTo % Math.max(1, world.wire.length), 1);
        if (event !== undefined) hub.event(CHANNEL, event);
        if (event !== undefined && step.twice) hub.event(CHANNEL, event);
        break;
      }
      case 'trim':
        world.trim(step.count);
        break;
      case 'fork':
        world.fork(step.count, step.behind);
        break;
      case 'answer':
        world.answer(step.index);
        break;
      case 'check':
        void hub.check();
        break;
      case 'resubscribed':
        hub.resubscribed([CHANNEL]);
        break;
      case 'sweep':
        hub.sweep();
        break;
      case 'stall':
        subscribers[step.who]?.stall();
        break;
      case 'resume':
        subscribers[step.who]?.resume();
        break;
      case 'cut':
        subscribers[step.who]?.cut();
        break;
      case 'connect': {
        const subscriber = subscribers[step.who] as Subscriber;
        if (subscriber.subscription !== undefined || connecting.has(subscriber)) break;
        const start = step.tail === 0 ? undefined : step.tail === 1 ? { after: ORIGIN } : { tail: step.tail };
        connecting.set(
          subscriber,
          subscriber.connect(start).finally(() => connecting.delete(subscriber)),
        );
        break;
      }
    }
    await tick();
  }

  // Let everything come to rest: one event more, and a check, and whoever is connected and reads has everything.
  for (const subscriber of subscribers) subscriber.resume();
  await rest(world);
  world.publish(false);
  for (const event of world.wire.splice(0)) hub.event(CHANNEL, event);
  await rest(world);
  const checked = hub.check();
  await rest(world);
  await checked;
  // A read that was tried in vain is tried again after a while, which the world's own steps don't wait for.
  const behind = (): boolean =>
    subscribers.some(({ subscription: it }) => it !== undefined && it.position !== world.head);
  for (let patience = 100; behind() && patience > 0; patience--) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    await rest(world);
  }
  if (world.faults.length > 0) throw world.faults[0];
  for (const { subscription, position } of subscribers) {
    if (subscription === undefined) continue;
    assert.equal(subscription.position, world.head, 'everyone ends at the head');
    assert.equal(position, world.head, 'and has been given it');
  }
  hub.close();
  return {
    taken: subscribers.reduce((sum, { taken }) => sum + taken, 0),
    gaps: subscribers.reduce((sum, { gaps }) => sum + gaps, 0),
  };
}

/** Answers every read, and those that follow from the answers. */
async function rest(world: World): Promise<void> {
  for (let quiet = 0; quiet < 3; ) {
    quiet = world.waiting > 0 ? 0 : quiet + 1;
    world.answer(0);
    await tick();
  }
}

interface Pace {
  /** What the history keeps. */
  readonly size: number;
  /** Events that are published in each step. */
  readonly events: number;
  /** Steps until an event has come, and until a read is answered, which takes no less: its answer is of when it was asked. */
  readonly wire: number;
  readonly read: number;
  /** Steps between two checks of the positions. */
  readonly check: number;
  /** Events that never come, by their number among those published while the channel is disturbed. */
  readonly lost: readonly number[];
}

/** The ring takes what is published while all holes that there can be are read, one after the other. */
const BUSY_LIMITS = { ringEvents: 512, ringBytes: 1 << 20, historyPage: 64, historyRetryMs: 1 };
/** A ring that takes less than is published during a few reads, each of which brings less than is published meanwhile. */
const OVERWHELMED_LIMITS = { ...BUSY_LIMITS, ringEvents: 8 };
/** By which a read that came to nothing is tried again in the next step. */
const STEP_MS = 2;
const DISTURBED_STEPS = 60;
const CALM_STEPS = 120;

/**
 * A channel that is never at rest: disturbed at first, and then not any more. What must go on then is what is judged, beside what may not happen.
 * Where its history cannot be read as fast as it is written, that is judged by one who has come since.
 */
async function playBusy(timers: MockTimers, pace: Pace, limits = BUSY_LIMITS): Promise<void> {
  const world = new World(false, pace.size);
  const isOverwhelmed = limits === OVERWHELMED_LIMITS;
  const retention = { size: pace.size, retentionMs: Number.MAX_SAFE_INTEGER };
  const hub = new Hub(
    world.broker(),
    () => retention,
    limits,
    readQueue(4),
    () => 0,
  );
  const subscribers = [0, 1].map(() => new Subscriber(world, hub, undefined));
  const asked: number[] = [];
  const coming: { at: number; event: Event }[] = [];
  let reads = 0;
  let checks = 0;
  let published = 0;
  const run = async (from: number, to: number): Promise<void> => {
    for (let step = from; step < to; step++) {
      for (let i = 0; i < pace.events; i++) {
        world.publish(false);
        const [event] = world.wire.splice(0);
        const lost = step < DISTURBED_STEPS && pace.lost.includes(published++);
        if (event !== undefined && !lost) coming.push({ at: step + pace.wire, event });
      }
      while ((coming[0]?.at ?? Infinity) <= step) hub.event(CHANNEL, (coming.shift() as { event: Event }).event);
      for (; (asked[0] ?? Infinity) + pace.read <= step; asked.shift()) world.answer(0);
      if (step % pace.check === 0) {
        checks++;
        void hub.check();
      }
      timers.tick(STEP_MS);
      await tick();
      for (; asked.length < world.waiting; reads++) asked.push(step);
    }
  };

  await run(0, 5);
  for (const [index, subscriber] of subscribers.entries())
    void subscriber.connect(index === 0 || isOverwhelmed ? undefined : { tail: 3 });
  await run(5, DISTURBED_STEPS);
  const settling = 12 * pace.read;
  await run(DISTURBED_STEPS, DISTURBED_STEPS + settling);
  const newcomer = new Subscriber(world, hub, undefined);
  if (isOverwhelmed) {
    // Their own reads are behind by more than the ring takes, and each has it compared with the history.
    for (const subscriber of subscribers) subscriber.cut();
    await run(DISTURBED_STEPS + settling, DISTURBED_STEPS + 2 * settling);
    await newcomer.connect(undefined);
  }
  reads = 0;
  checks = 0;
  const gaps = subscribers.map((each) => each.gaps);
  const most = pace.events * (pace.wire + 1);
  for (let step = 0; step < CALM_STEPS; step++) {
    await run(DISTURBED_STEPS + 2 * settling + step, DISTURBED_STEPS + 2 * settling + step + 1);
    for (const { position } of isOverwhelmed ? [newcomer] : subscribers) {
      const behind = world.all.length - 1 - world.all.findIndex(({ id }) => id === position);
      assert.ok(behind <= most, `${behind} events behind, where ${most} are on their way`);
    }
  }
  if (world.faults.length > 0) throw world.faults[0];
  hub.close();
  if (isOverwhelmed) return;
  assert.ok(reads <= checks, `${reads} reads, where there were ${checks} checks`);
  assert.deepEqual(
    subscribers.map((each) => each.gaps),
    gaps,
    'nobody is told of a gap while nothing is lost',
  );
}

describe('hub', () => {
  it('comes to rest on a channel that never does: subscribers are as far as what has come, and nothing is read', async ({
    mock: { timers },
  }) => {
    timers.enable({ apis: ['setTimeout'] });
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          size: fc.constantFrom(1, 2, 3, 10, 1_000),
          events: fc.integer({ min: 1, max: 4 }),
          wire: fc.integer({ min: 0, max: 3 }),
          extra: fc.integer({ min: 0, max: 4 }),
          check: fc.integer({ min: 1, max: 20 }),
          lost: fc.uniqueArray(fc.nat(DISTURBED_STEPS * 3), { maxLength: 5 }),
        }),
        ({ wire, extra, ...pace }) => playBusy(timers, { ...pace, wire, read: wire + extra + 1 }),
      ),
      { numRuns: 150, includeErrorInReport: true },
    );
  });

  it('goes on with what is live where the history cannot be read as fast as it is written', async ({
    mock: { timers },
  }) => {
    timers.enable({ apis: ['setTimeout'] });
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          size: fc.constantFrom(20, 200, 10_000),
          events: fc.integer({ min: 3, max: 6 }),
          wire: fc.integer({ min: 0, max: 2 }),
          extra: fc.integer({ min: 0, max: 2 }),
          check: fc.integer({ min: 5, max: 20 }),
          lost: fc.uniqueArray(fc.nat(DISTURBED_STEPS * 3), { minLength: 1, maxLength: 5 }),
        }),
        ({ wire, extra, ...pace }) => playBusy(timers, { ...pace, wire, read: wire + extra + 1 }, OVERWHELMED_LIMITS),
      ),
      { numRuns: 150, includeErrorInReport: true },
    );
  });

  it('delivers every event once, in order and without a gap while nothing is lost from the history', async () => {
    let total = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(...safeSteps), { maxLength: 40 }), fc.boolean(), async (steps, late) => {
        const publishes = steps.filter((step) => step.do === 'publish').length;
        fc.pre(publishes <= SIZE); // no more than the history keeps
        const { gaps, taken } = await play(steps, late);
        assert.equal(gaps, 0);
        total += taken;
      }),
      { numRuns: 4_000, includeErrorInReport: true },
    );
    assert.ok(total > 1_000, 'the runs deliver something');
  });

  it('tells exactly one gap where events are trimmed or lost in a fork, and never skips one in silence', async () => {
    let gapsTold = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(...lossySteps), { maxLength: 60, size: 'max' }),
        fc.boolean(),
        async (steps, late) => {
          gapsTold += (await play(steps, late)).gaps;
        },
      ),
      { numRuns: 6_000, includeErrorInReport: true, examples: KNOWN_COURSES },
    );
    assert.ok(gapsTold > 100, 'the runs meet real gaps');
  });
});
