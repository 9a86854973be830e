/**
 * The suite that every engine passes: one test for each promise of `broker.ts`.
 *
 * Knows engines only through a `Harness`. What an engine cannot suffer (a memory cannot lose its connection) is skipped
 * with that as the reason.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { type Broker, BrokerUnavailable, isPosition, ORIGIN, PAGE_BYTES, type Page, type Position } from './broker.ts';
import { presenceConformance } from './conformance-presence.ts';
import { everyVaultCall, vaultConformance } from './conformance-vault.ts';
import { Run, step } from './testing/course.ts';
import {
  assertChain,
  assertGrowing,
  beyond,
  copies,
  dataOf,
  fresh,
  idsOf,
  message,
  numbers,
  publishMany,
  Recorder,
} from './testing/events.ts';
import { BRIEF_MS, type Harness, HOUR_MS, memoryHarness, SHORT_LIMIT_MS } from './testing/harness.ts';
import { everyCall, joining } from './testing/presence.ts';
import { until } from './testing/until.ts';

/** Whether an event of the namespace `brief` must be there still. What was read before on a machine that stood still in between may or may not have it. */
function isKept(id: Position): boolean {
  return Date.now() - Number(id.split('-')[0]) < BRIEF_MS;
}

export function conformance(name: string, makeHarness: () => Promise<Harness>): void {
  describe(name, () => {
    let harness: Harness;
    const opened: Broker[] = [];

    before(async () => {
      harness = await makeHarness();
    });
    afterEach(async () => {
      for (const broker of opened.splice(0)) await broker.close();
    });
    after(() => harness?.stop());

    const gateway = async (graceMs?: number, timeoutMs?: number): Promise<{ broker: Broker; heard: Recorder }> => {
      const broker = await harness.open(graceMs, timeoutMs);
      opened.push(broker);
      const heard = new Recorder();
      broker.listen(heard);
      await broker.connect();
      return { broker, heard };
    };

    describe('publish', () => {
      it('stores the events of one caller in the order of the calls, with ids that grow', async () => {
        const { broker } = await gateway();
        const channel = fresh('plain');
        const ids = await publishMany(broker, channel, 300);
        assertGrowing([ORIGIN, ...ids]);
        assert.ok(ids.every(isPosition));
        const page = await broker.readAfter(channel, ORIGIN, 1_000);
        assert.deepEqual(idsOf(page), ids);
        assert.deepEqual(page.events.map(dataOf), numbers(300));
        assertChain(page);
      });

      it('has stored and sent the event to every subscriber when it resolves', async () => {
        const [one, two] = [await gateway(), await gateway()];
        const channel = fresh('plain');
        await Promise.all([one.broker.subscribe(channel), two.broker.subscribe(channel)]);
        const { id, duplicate } = await one.broker.publish(channel, { name: 'greeting', data: '{"a":1}' });
        assert.equal(duplicate, false);
        assert.deepEqual(idsOf(await two.broker.readAfter(channel, ORIGIN, 10)), [id]);
        for (const { heard } of [one, two]) {
          await until('the event arrives', () => heard.events.length > 0);
          const [event] = heard.of(channel);
          assert.deepEqual(event, { id, prev: ORIGIN, name: 'greeting', data: Buffer.from('{"a":1}') });
        }
      });

      it('sends live exactly what is kept, each event naming its predecessor', async () => {
        const [one, two] = [await gateway(), await gateway()];
        const channel = fresh('plain');
        await two.broker.subscribe(channel);
        // Two publishers at once: their order is whatever the engine makes it, and the same for all.
        await Promise.all([publishMany(one.broker, channel, 100), publishMany(two.broker, channel, 100)]);
        await until('all events arrive', () => two.heard.events.length === 200);
        const page = await one.broker.readAfter(channel, ORIGIN, 1_000);
        assertChain(page);
        assert.deepEqual(two.heard.of(channel), copies(page));
      });

      it('never calls the listener from within the call', async () => {
        const { broker, heard } = await gateway();
        const channel = fresh('plain');
        await broker.subscribe(channel);
        heard.inside = true;
        const published = broker.publish(channel, message(1));
        heard.inside = false;
        await published;
        await until('the event arrives', () => heard.events.length === 1);
        assert.equal(heard.calledInside, false);
      });

      it('stores one event for one key, whoever repeats it and however often at once', async () => {
        const [one, two] = [await gateway(), await gateway()];
        const channel = fresh('plain');
        await one.broker.subscribe(channel);
        const results = await Promise.all(
          numbers(20).map((n) => (Number(n) % 2 ? one : two).broker.publish(channel, { ...message(n), key: 'k 1' })),
        );
        const [stored, ...others] = results.filter(({ duplicate }) => !duplicate);
        assert.ok(stored);
        assert.equal(others.length, 0);
        assert.ok(results.every(({ id }) => id === stored.id));
        const last = await two.broker.publish(channel, { ...message('x'), key: 'k 2' });
        await until('the second key arrives', () => one.heard.ids(channel).includes(last.id));
        assert.deepEqual(one.heard.ids(channel), [stored.id, last.id]);
        assert.deepEqual(idsOf(await one.broker.readAfter(channel, ORIGIN, 10)), [stored.id, last.id]);
      });

      it('keeps the keys of channels apart', async () => {
        const { broker } = await gateway();
        const [a, b] = [fresh('plain'), fresh('plain')];
        await broker.publish(a, { ...message(1), key: 'same' });
        const second = await broker.publish(b, { ...message(1), key: 'same' });
        assert.equal(second.duplicate, false);
      });

      it('keeps keys apart that differ in one character, whatever that is', async () => {
        const { broker } = await gateway();
        const channel = fresh('plain');
        const keys = [
          'k',
          'K',
          'k ',
          ' k',
          'k:k',
          'k}',
          '{k',
          'k\0',
          'k\n',
          'é',
          'e\u0301',
          '\u{1f600}',
          '\ufffd',
          ':s',
          '',
        ];
        const scoped = keys.flatMap((key) =>
          ['user/ada', 'user/:ada:20x', 'key/ada'].map((owner) => `${owner} ${key}`),
        );
        for (const key of scoped) {
          const { id, duplicate } = await broker.publish(channel, { ...message(1), key });
          assert.equal(duplicate, false, JSON.stringify(key));
          assert.deepEqual(await broker.publish(channel, { ...message(2), key }), { id, duplicate: true });
        }
        assert.equal((await broker.readAfter(channel, ORIGIN, 1_000)).events.length, scoped.length);
      });

      it('sends nothing that does not hold any more when it would be sent, and says so', async () => {
        const { broker, heard } = await gateway();
        const channel = fresh('plain');
        await broker.subscribe(channel);
        await assert.rejects(broker.publish(channel, { ...message(1), stillHolds: () => false }), BrokerUnavailable);
        const { id } = await broker.publish(channel, { ...message(2), stillHolds: () => true });
        await until('the other one arrives', () => heard.ids(channel).includes(id));
        assert.deepEqual(idsOf(await broker.readAfter(channel, ORIGIN, 10)), [id]);
        assert.deepEqual(heard.ids(channel), [id]);
      });

      it('carries names and data byte for byte', async () => {
        const { broker, heard } = await gateway();
        const channel = fresh('plain');
        await broker.subscribe(channel);
        const texts = [
          '"é ü 漢字 🙂"',
          '"\\" \\\\ \\n \\u0000"',
          '"\u2028\u2029"',
          '  { "a" : [ 1 , 2 ] }  ',
          '"%s %d - $1 * + ( \u007f"',
          '""',
          `"${'x'.repeat(65_534)}"`,
        ];
        const names = ['message', 'a.b:c-d_E9', 'x'.repeat(64)];
        const sent = texts.map((data, i) => ({ name: names[i % names.length] ?? '', data }));
        for (const each of sent) await broker.publish(channel, each);
        await until('all events arrive', () => heard.events.length === sent.length);
        const { events } = await broker.readAfter(channel, ORIGIN, 100);
        for (const got of [heard.of(channel), events])
          assert.deepEqual(
            got.map((event) => ({ name: event.name, data: dataOf(event) })),
            sent,
          );
      });

      it('gives growing ids where the last one is ahead of the clock', async () => {
        const { broker, heard } = await gateway();
        const channel = fresh('plain');
        await broker.subscribe(channel);
        const ahead = `${Date.now() + HOUR_MS}-7`;
        await harness.setHead(channel, ahead);
        const ids = await publishMany(broker, channel, 3);
        assertGrowing([ahead, ...ids]);
        await until('all events arrive', () => heard.events.length === 3);
        assert.equal(heard.of(channel)[0]?.prev, ahead);
        const page = await broker.readAfter(channel, ahead, 10);
        assert.equal(page.known, true);
        assert.deepEqual(idsOf(page), ids);
      });

      it('goes on with the chain and the ids when the history has expired', async () => {
        const { broker } = await gateway();
        const channel = fresh('brief');
        const { id } = await broker.publish(channel, message(1));
        await until('it has expired', async () => (await broker.readAfter(channel, ORIGIN, 1)).events.length === 0);
        const next = await broker.publish(channel, message(2));
        assertGrowing([id, next.id]);
        const page = await broker.readAfter(channel, id, 10);
        if (isKept(next.id)) assert.deepEqual([page.known, page.start, idsOf(page)], [true, id, [next.id]]);
      });

      it('stores and sends in the order of the calls, made over several turns while the engine forgets its scripts', async (t) => {
        const gateways = [await gateway(), await gateway()];
        const { forgetScripts } = harness;
        if (forgetScripts === undefined) return t.skip('this engine has no scripts');
        for (let round = 0; round < 8; round += 1) {
          for (const [kind, keyed] of [
            ['plain', false],
            ['plain', true],
            ['none', false],
          ] as const) {
            const channels = gateways.map(() => fresh(kind));
            for (const [i, { broker }] of gateways.entries()) await broker.subscribe(channels[i] ?? '');
            const [count, turns] = [60, 3 + round];
            let forgetting: Promise<unknown> = forgetScripts();
            const published: Promise<unknown>[] = [];
            for (let n = 0; n < count; n += 1) {
              for (const [i, { broker }] of gateways.entries()) {
                const key = keyed ? { key: `k${n}` } : {};
                published.push(broker.publish(channels[i] ?? '', { ...message(n), ...key }));
              }
              if (n % turns === 0) await new Promise((resolve) => setImmediate(resolve));
              if (n === 30) forgetting = forgetting.then(() => forgetScripts());
            }
            await Promise.all([forgetting, ...published]);
            for (const [i, { heard }] of gateways.entries()) {
              const channel = channels[i] ?? '';
              await until('all have come', () => heard.of(channel).length === count);
              const expected = Array.from({ length: count }, (_, n) => String(n));
              assert.deepEqual(heard.of(channel).map(dataOf), expected);
            }
          }
        }
      });

      it('stores and sends also after the engine forgot its scripts', async (t) => {
        const { broker } = await gateway();
        if (harness.forgetScripts === undefined) return t.skip('this engine has no scripts');
        await harness.forgetScripts();
        const channel = fresh('plain');
        const ids = await publishMany(broker, channel, 50);
        await harness.forgetScripts();
        assert.deepEqual(idsOf(await broker.readAfter(channel, ORIGIN, 100)), ids);
        assertGrowing(ids);
      });
    });

    describe('an ephemeral channel', () => {
      it('sends in order, without ids, and keeps nothing', async () => {
        const { broker, heard } = await gateway();
        const channel = fresh('none');
        await broker.subscribe(channel);
        const ids = await publishMany(broker, channel, 20);
        assert.ok(ids.every((id) => id === ''));
        await until('all events arrive', () => heard.events.length === 20);
        assert.deepEqual(heard.of(channel).map(dataOf), numbers(20));
        assert.ok(heard.of(channel).every(({ id, prev }) => id === '' && prev === ''));
        const empty: Page = { events: [], start: ORIGIN, head: ORIGIN, known: true, more: false };
        assert.deepEqual(await broker.readAfter(channel, ORIGIN, 10), empty);
        assert.deepEqual(await broker.readTail(channel, 10), empty);
        assert.deepEqual(await broker.heads([channel]), [ORIGIN]);
      });

      it('remembers keys', async () => {
        const { broker, heard } = await gateway();
        const channel = fresh('none');
        await broker.subscribe(channel);
        assert.deepEqual(await broker.publish(channel, { ...message(1), key: 'k' }), { id: '', duplicate: false });
        assert.deepEqual(await broker.publish(channel, { ...message(2), key: 'k' }), { id: '', duplicate: true });
        await broker.publish(channel, message(3));
        await until('the last event arrives', () => heard.of(channel).map(dataOf).includes('3'));
        assert.deepEqual(heard.of(channel).map(dataOf), ['1', '3']);
      });
    });

    describe('readAfter', () => {
      it('pages through the history without hole or overlap', async () => {
        const { broker } = await gateway();
        const channel = fresh('plain');
        const ids = await publishMany(broker, channel, 25);
        const read: Position[] = [];
        let position: Position = ORIGIN;
        for (const expected of [10, 10, 5]) {
          const page = await broker.readAfter(channel, position, 10);
          assert.deepEqual([page.known, page.start, page.head], [true, position, ids[24]]);
          assert.equal(page.events.length, expected);
          assert.equal(page.more, expected === 10);
          assertChain(page);
          read.push(...idsOf(page));
          position = read.at(-1) ?? position;
        }
        assert.deepEqual(read, ids);
        const end = await broker.readAfter(channel, position, 10);
        assert.deepEqual(end, { events: [], start: position, head: position, known: true, more: false });
      });

      it('says there is no more where the limit is just met', async () => {
        const { broker } = await gateway();
        const channel = fresh('plain');
        await publishMany(broker, channel, 10);
        assert.equal((await broker.readAfter(channel, ORIGIN, 10)).more, false);
        assert.equal((await broker.readAfter(channel, ORIGIN, 9)).more, true);
      });

      it('knows only the origin of a channel that never was', async () => {
        const { broker } = await gateway();
        const channel = fresh('plain');
        const empty = { events: [], start: ORIGIN, head: ORIGIN, more: false };
        assert.deepEqual(await broker.readAfter(channel, ORIGIN, 10), { ...empty, known: true });
        assert.deepEqual(await broker.readAfter(channel, '5-5', 10), { ...empty, known: false });
      });

      it('keeps exactly as many events as the retention says, and knows the predecessor of the oldest', async () => {
        const { broker } = await gateway();
        const channel = fresh('five');
        const ids: Position[] = [];
        // Far beyond the size, as an engine may throw away in lots.
        for (let count = 1; count <= 230; count += 1) {
          ids.push((await broker.publish(channel, message(count))).id);
          const kept = ids.slice(-5);
          const before = ids.at(-6) ?? ORIGIN;
          const page = await broker.readAfter(channel, before, 100);
          assert.deepEqual([page.known, page.start, idsOf(page)], [true, before, kept]);
          assertChain(page);
          const all = await broker.readAfter(channel, ORIGIN, 100);
          assert.deepEqual([all.known, all.start, idsOf(all)], [count <= 5, before, kept]);
          if (count >= 7) {
            const trimmed = await broker.readAfter(channel, ids.at(-7) ?? '', 2);
            assert.deepEqual([trimmed.known, trimmed.start, trimmed.more], [false, before, true]);
            assert.deepEqual(idsOf(trimmed), kept.slice(0, 2));
          }
        }
      });

      it('keeps as many bytes as the retention says, the last event however large, and tells of the others as gone', async () => {
        const { broker } = await gateway();
        const channel = fresh('sixty');
        // Each weighs 8 bytes and its data: of names and data, and one for each event.
        const publish = (length: number) => broker.publish(channel, message('1'.repeat(length))).then(({ id }) => id);
        const kept = async () => idsOf(await broker.readAfter(channel, ORIGIN, 100));
        const first = [await publish(12), await publish(12), await publish(12)];
        assert.deepEqual(await kept(), first, 'exactly 60 bytes');
        assert.equal((await broker.readAfter(channel, ORIGIN, 100)).known, true);
        const fourth = await publish(1);
        assert.deepEqual(await kept(), [...first.slice(1), fourth]);
        const page = await broker.readAfter(channel, ORIGIN, 100);
        assert.deepEqual([page.known, page.start, page.head], [false, first[0], fourth]);
        assert.equal((await broker.readAfter(channel, first[0] ?? '', 100)).known, true, 'nothing after it is gone');
        assertChain(page);
        const tail = await broker.readTail(channel, 100);
        assert.deepEqual([idsOf(tail), tail.start, tail.more], [[...first.slice(1), fourth], first[0], false]);
        const large = await publish(1_000);
        assert.deepEqual(await kept(), [large]);
        assert.equal((await broker.readAfter(channel, fourth, 100)).known, true);
        assert.equal((await broker.readAfter(channel, first[2] ?? '', 100)).known, false);
        const small = await publish(1);
        assert.deepEqual(await kept(), [small]);
        const many = await publishMany(broker, channel, 30);
        assert.deepEqual(await kept(), many.slice(-6), 'of ten bytes each');
      });

      it('counts bytes of events that are published together, and keeps none of a history that has expired', async () => {
        const { broker } = await gateway();
        const channel = fresh('sixty');
        const together = await Promise.all(
          [50, 1, 30, 10, 20].map((length) => broker.publish(channel, message('1'.repeat(length)))),
        );
        const ids = together.map(({ id }) => id);
        assert.deepEqual(idsOf(await broker.readAfter(channel, ORIGIN, 100)), ids.slice(3));
        await harness.loseStream(channel);
        const { id } = await broker.publish(channel, message('1'.repeat(40)));
        const page = await broker.readAfter(channel, ORIGIN, 100);
        assert.deepEqual([idsOf(page), page.start, page.known], [[id], ids[4], false]);
      });

      it('keeps events exactly as long as the retention says, and knows the predecessor of the oldest', async () => {
        const { broker } = await gateway();
        const channel = fresh('brief');
        const first = await broker.publish(channel, message(1));
        const second = await broker.publish(channel, message(2));
        await delay(BRIEF_MS * 0.6);
        const third = await broker.publish(channel, message(3));
        const { known: whole } = await broker.readAfter(channel, ORIGIN, 10);
        if (isKept(first.id)) assert.equal(whole, true);
        await until('the first two are too old', async () => {
          const page = await broker.readAfter(channel, ORIGIN, 10);
          return page.events.length < 2;
        });
        const check = async (kept: readonly Position[]) => {
          for (const [position, known] of [
            [second.id, true],
            [first.id, false],
            [ORIGIN, false],
          ] as const) {
            const page = await broker.readAfter(channel, position, 10);
            if (isKept(third.id)) assert.deepEqual([page.known, page.start, idsOf(page)], [known, second.id, kept]);
          }
        };
        await check([third.id]);
        // Publishing is what drops old entries for good.
        const fourth = await broker.publish(channel, message(4));
        await check([third.id, fourth.id]);
      });

      it('knows the last id, and nothing else, of a channel whose history has expired', async () => {
        const { broker } = await gateway();
        const channel = fresh('brief');
        const [first = '', last = ''] = await publishMany(broker, channel, 2);
        await until('it has expired', async () => (await broker.readAfter(channel, ORIGIN, 1)).events.length === 0);
        const empty = { events: [], start: last, head: last, more: false };
        assert.deepEqual(await broker.readAfter(channel, last, 10), { ...empty, known: true });
        for (const position of [ORIGIN, first, '5-5', beyond(last)])
          assert.deepEqual(await broker.readAfter(channel, position, 10), { ...empty, known: false });
        assert.deepEqual(await broker.readTail(channel, 10), { ...empty, known: true });
        assert.deepEqual(await broker.heads([channel]), [last]);
      });

      it('does not know a position ahead of the last id, nor one of another channel', async () => {
        const { broker } = await gateway();
        const [one, other] = [fresh('plain'), fresh('plain')];
        const [a = '', b = ''] = await publishMany(broker, one, 2);
        await until('the clock ticks', () => Date.now() > Number(b.split('-')[0]) + 1);
        const [foreign = ''] = await publishMany(broker, other, 1);
        await until('the clock ticks', () => Date.now() > Number(foreign.split('-')[0]) + 1);
        const [c = ''] = await publishMany(broker, one, 1);
        const between = await broker.readAfter(one, foreign, 10);
        assert.deepEqual([between.known, between.start, idsOf(between)], [false, b, [c]]);
        const ahead = await broker.readAfter(one, beyond(c), 10);
        assert.deepEqual(ahead, { events: [], start: c, head: c, known: false, more: false });
        assert.equal((await broker.readAfter(one, a, 10)).known, true);
      });

      it('does not know an event that a failover lost, and reads on from where the chain broke', async () => {
        const { broker, heard } = await gateway();
        const channel = fresh('plain');
        await broker.subscribe(channel);
        const ids = await publishMany(broker, channel, 5);
        const [, , third = '', fourth = '', fifth = ''] = ids;
        await until('the clock ticks', () => Date.now() > Number(fifth.split('-')[0]) + 1);
        await harness.rewind(channel, third);
        assert.deepEqual(await broker.heads([channel]), [third]);
        const before = await broker.readAfter(channel, fifth, 10);
        assert.deepEqual(before, { events: [], start: third, head: third, known: false, more: false });
        const { id } = await broker.publish(channel, message('new'));
        await until('the new event arrives', () => heard.ids(channel).includes(id));
        assert.equal(heard.of(channel).at(-1)?.prev, third);
        for (const lost of [fourth, fifth]) {
          const page = await broker.readAfter(channel, lost, 10);
          assert.deepEqual([page.known, page.start, idsOf(page)], [false, third, [id]]);
        }
        const whole = await broker.readAfter(channel, third, 10);
        assert.deepEqual([whole.known, idsOf(whole)], [true, [id]]);
      });

      it('takes lost events for a gap where the last id is remembered', async () => {
        const { broker } = await gateway();
        const channel = fresh('plain');
        const ids = await publishMany(broker, channel, 3);
        const [first = '', , last = ''] = ids;
        await harness.loseStream(channel);
        const empty = { events: [], start: last, head: last, more: false };
        assert.deepEqual(await broker.readAfter(channel, first, 10), { ...empty, known: false });
        assert.deepEqual(await broker.readAfter(channel, last, 10), { ...empty, known: true });
        const { id } = await broker.publish(channel, message('next'));
        assertGrowing([last, id]);
        const page = await broker.readAfter(channel, first, 10);
        assert.deepEqual([page.known, page.start, idsOf(page)], [false, last, [id]]);
        assert.equal((await broker.readAfter(channel, last, 10)).known, true);
      });

      it('loses nothing with a lost last id, as the events tell it', async () => {
        const { broker, heard } = await gateway();
        const channel = fresh('plain');
        await broker.subscribe(channel);
        const ids = await publishMany(broker, channel, 3);
        const [first = '', , last = ''] = ids;
        await harness.loseHead(channel);
        const page = await broker.readAfter(channel, first, 10);
        assert.deepEqual([page.known, page.head, idsOf(page)], [true, last, ids.slice(1)]);
        assert.equal((await broker.readAfter(channel, last, 10)).known, true);
        const { id } = await broker.publish(channel, message('next'));
        assertGrowing([last, id]);
        await until('the next event arrives', () => heard.ids(channel).includes(id));
        assert.equal(heard.of(channel).at(-1)?.prev, last);
        assert.deepEqual(await broker.heads([channel]), [id]);
      });

      it('takes everything lost for a gap', async () => {
        const { broker, heard } = await gateway();
        const channel = fresh('plain');
        await broker.subscribe(channel);
        const [, last = ''] = await publishMany(broker, channel, 2);
        await until('the clock ticks', () => Date.now() > Number(last.split('-')[0]) + 1);
        await harness.loseAll();
        const empty = { events: [], start: ORIGIN, head: ORIGIN, known: false, more: false };
        assert.deepEqual(await broker.readAfter(channel, last, 10), empty);
        const { id } = await broker.publish(channel, message('new'));
        await until('the new event arrives', () => heard.ids(channel).includes(id));
        assert.equal(heard.of(channel).at(-1)?.prev, ORIGIN);
        const page = await broker.readAfter(channel, last, 10);
        assert.deepEqual([page.known, page.start, idsOf(page)], [false, ORIGIN, [id]]);
      });
    });

    describe('readTail', () => {
      it('reads the last events, oldest first, also before a position', async () => {
        const { broker } = await gateway();
        const channel = fresh('plain');
        const ids = await publishMany(broker, channel, 12);
        const check = async (limit: number, before: Position | undefined, from: number, to: number) => {
          const page = await broker.readTail(channel, limit, before);
          assert.deepEqual(idsOf(page), ids.slice(from, to));
          assert.equal(page.start, ids[from - 1] ?? ORIGIN);
          assert.deepEqual([page.known, page.head, page.more], [true, ids[11], from > 0]);
          assertChain(page);
        };
        await check(5, undefined, 7, 12);
        await check(12, undefined, 0, 12);
        await check(100, undefined, 0, 12);
        await check(5, ids[7], 2, 7);
        await check(5, ids[2], 0, 2);
        await check(5, ids[0], 0, 0);
        await check(5, ORIGIN, 0, 0);
        await check(3, beyond(ids[11] ?? ''), 9, 12);
        await check(0, undefined, 12, 12);
        await check(0, ids[4], 4, 4);
      });

      it('shows only what is kept', async () => {
        const { broker } = await gateway();
        const channel = fresh('five');
        const ids = await publishMany(broker, channel, 8);
        const page = await broker.readTail(channel, 100);
        assert.deepEqual([idsOf(page), page.start, page.more], [ids.slice(3), ids[2], false]);
        const older = await broker.readTail(channel, 100, ids[3]);
        assert.deepEqual([idsOf(older), older.start, older.more], [[], ids[2], false]);
      });

      it('is empty on a channel that never was', async () => {
        const { broker } = await gateway();
        const empty: Page = { events: [], start: ORIGIN, head: ORIGIN, known: true, more: false };
        assert.deepEqual(await broker.readTail(fresh('plain'), 10), empty);
        assert.deepEqual(await broker.readTail(fresh('plain'), 0), empty);
      });
    });

    describe('a page of large events', () => {
      const large = 'x'.repeat(60_000);
      const publishLarge = async (broker: Broker, channel: string, count: number): Promise<Position[]> => {
        const ids: Position[] = [];
        for (let n = 0; n < count; n += 1)
          ids.push((await broker.publish(channel, message(JSON.stringify(`${n} ${large}`)))).id);
        return ids;
      };

      it('ends by its bytes, in either direction, and the next one goes on from there', async () => {
        const { broker } = await gateway();
        const channel = fresh('plain');
        const ids = await publishLarge(broker, channel, 25);
        const forward: Position[] = [];
        for (let position: Position = ORIGIN, more = true; more; position = forward.at(-1) ?? position) {
          const page = await broker.readAfter(channel, position, 1_000);
          assertChain(page);
          assert.deepEqual([page.known, page.start, page.head], [true, position, ids[24]]);
          assert.equal(page.events.length, Math.min(2, 25 - forward.length), `${PAGE_BYTES} bytes`);
          forward.push(...idsOf(page));
          more = page.more;
        }
        assert.deepEqual(forward, ids);
        const backward: Position[] = [];
        for (let before: Position | undefined, more = true; more; before = backward[0]) {
          const page = await broker.readTail(channel, 1_000, before, 300_000);
          assertChain(page);
          assert.equal(page.events.length, Math.min(4, 25 - backward.length));
          backward.unshift(...idsOf(page));
          assert.equal(page.start, ids[ids.indexOf(backward[0] ?? '') - 1] ?? ORIGIN);
          more = page.more;
        }
        assert.deepEqual(backward, ids);
      });

      it('has at least one event, however large that is', async () => {
        const { broker } = await gateway();
        const channel = fresh('plain');
        const [first = '', second = ''] = await publishLarge(broker, channel, 2);
        const page = await broker.readAfter(channel, ORIGIN, 10, 1);
        assert.deepEqual([idsOf(page), page.start, page.more], [[first], ORIGIN, true]);
        const tail = await broker.readTail(channel, 10, undefined, 1);
        assert.deepEqual([idsOf(tail), tail.start, tail.more], [[second], first, true]);
        assert.deepEqual(idsOf(await broker.readTail(channel, 0, undefined, 1)), []);
      });

      it('counts names and data, to the byte', async () => {
        const { broker } = await gateway();
        const channel = fresh('plain');
        const ids: Position[] = [];
        for (const data of ['"aé"', '"b"', '"c"']) ids.push((await broker.publish(channel, { name: 'ab', data })).id);
        for (const [maxBytes, count] of [
          [8, 1],
          [13, 1],
          [14, 2],
          [19, 2],
          [20, 3],
        ] as const) {
          assert.deepEqual(idsOf(await broker.readAfter(channel, ORIGIN, 10, maxBytes)), ids.slice(0, count));
        }
        assert.deepEqual(idsOf(await broker.readTail(channel, 10, undefined, 12)), ids.slice(1));
        assert.deepEqual(idsOf(await broker.readTail(channel, 10, undefined, 11)), ids.slice(2));
      });

      it('need not be read to learn where a tail begins', async () => {
        const { broker } = await gateway();
        const channel = fresh('plain');
        const ids = await publishLarge(broker, channel, 160);
        for (const tail of [0, 1, 2, 70, 71, 159, 160, 1_000])
          assert.equal(await broker.tailStart(channel, tail), ids[159 - tail] ?? ORIGIN, String(tail));
        assert.equal(await broker.tailStart(fresh('plain'), 10), ORIGIN);
        assert.equal(await broker.tailStart(fresh('none'), 10), ORIGIN);
      });
    });

    it('tells by where the tail begins whether something before it is gone', async () => {
      const { broker } = await gateway();
      const channel = fresh('five');
      const ids = await publishMany(broker, channel, 5);
      for (const before of [undefined, ids[0], ids[3]])
        assert.equal((await broker.readTail(channel, 10, before)).start, ORIGIN, 'nothing is');
      const [next] = await publishMany(broker, channel, 1);
      for (const before of [undefined, ids[1], ids[3], next])
        assert.equal((await broker.readTail(channel, 10, before)).start, ids[0], 'the first one is');
      await harness.loseStream(channel);
      assert.equal((await broker.readTail(channel, 10)).start, next, 'all are');
    });

    for (const namespace of ['five', 'sixty'])
      it(`answers for any course of events as the embedded engine does (${namespace})`, async () => {
        const { broker } = await gateway();
        const model = memoryHarness();
        await fc.assert(
          fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
            const channel = fresh(namespace);
            const twin = await model.open();
            const runs = [new Run(broker, harness, channel), new Run(twin, model, channel)] as const;
            for (const each of steps) {
              const [actual, expected] = [await runs[0].take(each), await runs[1].take(each)];
              assert.deepEqual(actual, expected);
            }
            await twin.close();
          }),
          { numRuns: 60 },
        );
      });

    it('tells the last ids of many channels in the order asked', async () => {
      const { broker } = await gateway();
      const channels = numbers(60).map(() => fresh('plain'));
      const expected = await Promise.all(
        channels.map(async (channel, i) => (i % 3 ? (await broker.publish(channel, message(i))).id : ORIGIN)),
      );
      assert.deepEqual(await broker.heads(channels), expected);
      assert.deepEqual(await broker.heads([]), []);
      const many = Array.from({ length: 50 }, () => channels).flat(); // more than are asked for at a time
      assert.deepEqual(await broker.heads(many), Array.from({ length: 50 }, () => expected).flat());
    });

    describe('subscribe', () => {
      it('brings every event published after it resolved, and none after unsubscribe', async () => {
        const [one, two] = [await gateway(), await gateway()];
        const [channel, other] = [fresh('plain'), fresh('plain')];
        const ids: Position[] = [];
        for (let round = 0; round < 20; round += 1) {
          await one.broker.subscribe(channel);
          ids.push((await two.broker.publish(channel, message(round))).id);
          await until('the event arrives', () => one.heard.ids(channel).length === ids.length);
          await one.broker.unsubscribe(channel);
          await two.broker.publish(channel, message('unheard'));
        }
        await one.broker.subscribe(other);
        const { id } = await two.broker.publish(other, message('end'));
        await until('the last event arrives', () => one.heard.ids(other).includes(id));
        assert.deepEqual(one.heard.ids(channel), ids);
        assert.deepEqual(two.heard.events, []);
      });

      it('keeps channels apart, in order within each', async () => {
        const { broker, heard } = await gateway();
        const channels = numbers(40).map(() => fresh('plain'));
        await Promise.all(channels.map((channel) => broker.subscribe(channel)));
        const ids = await Promise.all(channels.map((channel) => publishMany(broker, channel, 10)));
        await until('all events arrive', () => heard.events.length === 400);
        assert.deepEqual(
          channels.map((channel) => heard.ids(channel)),
          ids,
        );
      });

      it('tells of an interruption once the subscriptions hold again', async (t) => {
        if (harness.interrupt === undefined) return t.skip('this engine has no connection to lose');
        const [one, two] = [await gateway(), await gateway()];
        const channels = numbers(10).map(() => fresh('plain'));
        const left = fresh('plain');
        await Promise.all([...channels, left].map((channel) => one.broker.subscribe(channel)));
        await harness.interrupt();
        await one.broker.unsubscribe(left);
        await until('all are told', () => channels.every((each) => one.heard.resubscriptions.includes(each)));
        const ids = await Promise.all(
          channels.map(async (channel) => (await two.broker.publish(channel, message(1))).id),
        );
        await until('all events arrive', () => one.heard.events.length >= channels.length);
        assert.deepEqual(
          channels.map((channel) => one.heard.ids(channel)),
          ids.map((id) => [id]),
        );
        assert.equal(one.heard.resubscriptions.includes(left), false);
        await until('the broker is ready', () => one.broker.status().ready);
      });
    });

    describe('shards', () => {
      it('names a channel on each, by which it can be tried out', async () => {
        const { broker, heard } = await gateway();
        const prefix = fresh('none');
        const shards = broker.shards(prefix);
        assert.ok(shards.length > 0);
        assert.equal(new Set(shards.map(({ name }) => name)).size, shards.length);
        assert.deepEqual(broker.shards(prefix), shards, 'as long as nothing moves they are the same');
        for (const { channel } of shards) {
          assert.ok(channel.startsWith(prefix));
          await broker.subscribe(channel);
          await broker.publish(channel, message(channel));
        }
        await until('all come back', () => shards.every(({ channel }) => heard.of(channel).length === 1));
      });
    });

    presenceConformance(() => harness, gateway);
    vaultConformance(() => harness, gateway);

    describe('when the engine cannot be used', () => {
      it('rejects every call within the time limit, says so, and recovers', async (t) => {
        if (harness.freeze === undefined) return t.skip('this engine cannot be cut off');
        const { broker, heard } = await gateway(undefined, SHORT_LIMIT_MS);
        const channel = fresh('plain');
        await broker.subscribe(channel);
        await broker.publish(channel, message(1));
        assert.deepEqual(broker.status(), { ready: true });
        const thaw = await harness.freeze();
        try {
          // Should this process be held up, the timers for the time limit still come before this one.
          const tooLate = delay(SHORT_LIMIT_MS + 500, undefined, { ref: false });
          const calls = [
            broker.publish(channel, message(2)),
            broker.readAfter(channel, ORIGIN, 1),
            broker.readTail(channel, 1),
            broker.tailStart(channel, 1),
            broker.heads([channel]),
            broker.subscribe(fresh('plain')),
            ...everyCall(broker.presence),
            ...everyVaultCall(broker.vault),
          ];
          const results = await Promise.race([Promise.allSettled(calls), tooLate]);
          assert.ok(results !== undefined, 'within the time limit');
          for (const result of results) {
            assert.equal(result.status, 'rejected');
            assert.ok(result.reason instanceof BrokerUnavailable, String(result.reason));
          }
          await until('the broker says so', () => !broker.status().ready);
          await assert.rejects(broker.publish(channel, message(3)), BrokerUnavailable);
        } finally {
          await thaw();
        }
        await broker.connect();
        await until('the interruption is told', () => heard.resubscriptions.includes(channel));
        const { id } = await broker.publish(channel, message(4));
        await until('events flow again', () => heard.ids(channel).includes(id));
      });

      it('never lets a join that was given up take effect after the leave that undid it', async (t) => {
        if (harness.freeze === undefined) return t.skip('this engine cannot be cut off');
        const { broker } = await gateway(undefined, SHORT_LIMIT_MS);
        const { broker: witness } = await gateway();
        for (let round = 0; round < 4; round += 1) {
          const member = joining({ gateway: fresh('gw') });
          await broker.presence.renewLease(member.gateway, HOUR_MS);
          const channel = fresh('plain');
          const thaw = await harness.freeze();
          await assert.rejects(broker.presence.join(channel, member), BrokerUnavailable);
          const leave = () => broker.presence.leave(channel, member.connection).then(Boolean, () => 'failed');
          const leaving = leave();
          await thaw();
          if ((await leaving) === 'failed') await until('it has left', async () => (await leave()) !== 'failed');
          // What was on its way has arrived once so many later calls have been answered, whichever connection it was on.
          for (let call = 0; call < 50; call += 1)
            await Promise.all([broker, witness].map((each) => each.heads([channel])));
          assert.deepEqual((await witness.presence.members(channel, 10)).members, []);
          await broker.presence.endLease(member.gateway);
        }
      });

      it('stores one event for a key, also where the publish before was given up', async (t) => {
        if (harness.freeze === undefined) return t.skip('this engine cannot be cut off');
        const { broker } = await gateway(undefined, SHORT_LIMIT_MS);
        const { broker: witness } = await gateway();
        const keyed = { ...message(1), key: 'given up' };
        // With a stream already, and for the first event of a new one.
        for (const before of [[], [message(0)]]) {
          const channel = fresh('plain');
          for (const event of before) await broker.publish(channel, event);
          const thaw = await harness.freeze();
          await assert.rejects(broker.publish(channel, keyed), BrokerUnavailable);
          const again = () =>
            broker.publish(channel, keyed).then(
              ({ id }) => id,
              () => undefined,
            );
          let repeated = again();
          await thaw();
          await until('it is acknowledged', async () => {
            if ((await repeated) === undefined) repeated = again();
            return (await repeated) !== undefined;
          });
          for (let call = 0; call < 50; call += 1)
            await Promise.all([broker, witness].map((each) => each.heads([channel])));
          const page = await witness.readAfter(channel, ORIGIN, 10);
          assert.deepEqual(page.events.map(dataOf), [...before.map(() => '0'), '1']);
          assert.equal(idsOf(page).at(-1), await repeated);
        }
      });

      it('rejects calls after it was closed', async () => {
        const { broker } = await gateway();
        await broker.close();
        assert.equal(broker.status().ready, false);
        await assert.rejects(broker.publish(fresh('plain'), message(1)), BrokerUnavailable);
        await assert.rejects(broker.subscribe(fresh('plain')), BrokerUnavailable);
        await assert.rejects(broker.connect(), BrokerUnavailable);
        for (const call of [...everyCall(broker.presence), ...everyVaultCall(broker.vault)])
          await assert.rejects(call, BrokerUnavailable);
        await broker.close();
      });
    });
  });
}
