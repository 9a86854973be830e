/** A storm of reconnects against one gateway, with a virtual clock: who is back when. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { backoff } from '../client/backoff.ts';
import { Admission } from './admission.ts';
import { noRefusals } from './limits.ts';

interface Storm {
  readonly clients: number;
  readonly perSecond: number;
  /** Newcomers per second, beside those of the storm, for as long as it lasts. */
  readonly newcomers?: number;
  /** Whether clients know `reconnect`, or only wait as after any lost connection. */
  readonly obeys?: boolean;
  readonly seed: number;
}

/** Runs until everybody has a place, or for ten minutes. Times are in seconds from the storm's beginning. */
function simulate({ clients, perSecond, newcomers = 0, obeys = true, seed }: Storm) {
  const random = randomFrom(seed);
  let now = 0;
  const admission = new Admission({
    maxConnections: 1_000_000,
    maxConnectionsPerAddress: 0,
    maxConnectionsPerUser: 0,
    maxConnectsPerSecond: perSecond,
    maxEventLoopLagMs: 0,
    maxPenaltySeconds: 0,
    lagMs: () => 0,
    clock: () => now,
    random,
    refusals: noRefusals(),
  });
  const agenda = new Agenda();
  const waits: number[] = [];
  const attempts: number[] = [];
  const admittedIn: number[] = [];
  const storm = { last: 0, back: 0 };

  /** Connecting takes 5 to 100 ms; then a client waits as `Reconnector` does: as long as it is told, or a time that doubles. */
  const connect = (client: { readonly since: number; attempt: number; readonly returns: boolean }) => {
    agenda.at(now + 5 + random() * 95, () => {
      const verdict = admission.admit('192.0.2.1', undefined);
      client.attempt++;
      if (!verdict.admitted) {
        const delay = obeys ? verdict.comeBackAfterMs : backoff(client.attempt - 1, random());
        agenda.at(now + delay, () => connect(client));
        return;
      }
      const second = Math.floor(now / 1_000);
      admittedIn[second] = (admittedIn[second] ?? 0) + 1;
      attempts.push(client.attempt);
      waits.push((now - client.since) / 1_000);
      if (client.returns) {
        storm.back++;
        storm.last = now / 1_000;
      }
    });
  };
  for (let i = 0; i < clients; i++) connect({ since: 0, attempt: 0, returns: true });
  for (let i = 0; newcomers > 0 && i < newcomers * 15; i++)
    agenda.at((i * 1_000) / newcomers, () => connect({ since: now, attempt: 0, returns: false }));
  agenda.run(600_000, (time) => {
    now = time;
  });
  return { ...storm, all: attempts.length, waits, attempts, admittedIn };
}

describe('a storm of 5,000 reconnects against 500 per second', () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    it(`is over within 12 seconds, and nobody fails for good (${seed})`, () => {
      const { back, last, attempts, admittedIn } = simulate({ clients: 5_000, perSecond: 500, seed });
      assert.equal(back, 5_000);
      assert(last >= 8.9 && last <= 12, `the last was back after ${last} s`);
      assert(Math.max(...attempts) <= 4, `somebody needed ${Math.max(...attempts)} attempts`);
      const needed = attempts.reduce((sum, each) => sum + each, 0) / attempts.length;
      assert(needed < 2.1, `${needed} attempts each`);
      assert(Math.max(...admittedIn.slice(1)) <= 1_000, `${admittedIn}`);
    });
  }

  it('keeps all that is allowed in use until it is over', () => {
    const { admittedIn } = simulate({ clients: 5_000, perSecond: 500, seed: 6 });
    for (const [second, count = 0] of admittedIn.entries())
      if (second > 0 && second < 8) assert(count > 400 && count < 800, `${count} in second ${second}`);
  });

  it('leaves room for newcomers, and is left room by them', () => {
    const { back, last, all, waits } = simulate({ clients: 5_000, perSecond: 500, newcomers: 100, seed: 7 });
    assert.deepEqual([back, all], [5_000, 6_500]);
    assert(last <= 16, `the last was back after ${last} s`);
    assert(Math.max(...waits) <= 16);
  });

  it('brings in also clients that do not know what they are told', () => {
    const { back, last } = simulate({ clients: 5_000, perSecond: 500, obeys: false, seed: 8 });
    assert.equal(back, 5_000);
    assert(last <= 60, `the last was back after ${last} s`);
  });
});

it('a storm far beyond what is allowed is worked off at the pace that is allowed', () => {
  for (const [clients, perSecond] of [
    [100, 1],
    [2_000, 10],
  ] as const) {
    const { back, last } = simulate({ clients, perSecond, seed: 9 });
    assert.equal(back, clients);
    assert(last <= (clients / perSecond) * 1.3 + 60, `the last was back after ${last} s`);
  }
});

/** What is to be done when; a binary heap. */
class Agenda {
  readonly #heap: { readonly time: number; readonly task: () => void }[] = [];

  at(time: number, task: () => void): void {
    const heap = this.#heap;
    let i = heap.push({ time, task }) - 1;
    while (i > 0 && this.#time((i - 1) >> 1) > this.#time(i)) {
      this.#swap(i, (i - 1) >> 1);
      i = (i - 1) >> 1;
    }
  }

  run(untilMs: number, advance: (time: number) => void): void {
    for (let first = this.#take(); first !== undefined && first.time <= untilMs; first = this.#take()) {
      advance(first.time);
      first.task();
    }
  }

  #take() {
    const heap = this.#heap;
    if (heap.length > 1) this.#swap(0, heap.length - 1);
    const first = heap.pop();
    for (let i = 0; ; ) {
      const least = [2 * i + 1, 2 * i + 2].reduce(
        (best, child) => (this.#time(child) < this.#time(best) ? child : best),
        i,
      );
      if (least === i) return first;
      this.#swap(i, least);
      i = least;
    }
  }

  #time(i: number): number {
    return this.#heap[i]?.time ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const [x, y] = [this.#heap[a], this.#heap[b]];
    if (x !== undefined && y !== undefined) [this.#heap[a], this.#heap[b]] = [y, x];
  }
}

/** The same numbers for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
