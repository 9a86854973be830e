/** The part of the suite that holds every engine to `vault.ts`: one test for each of its promises. `conformance.ts` runs it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { numbers } from './testing/events.ts';
import type { Harness } from './testing/harness.ts';
import type { OpenGateway } from './testing/presence.ts';
import { until } from './testing/until.ts';
import type { Vault } from './vault.ts';

/** Longer than any test. */
const LONG_MS = 600_000;
const BRIEF_MS = 200;

/** Each call once. */
export function everyVaultCall(vault: Vault): Promise<unknown>[] {
  return [vault.put('a', 'text', 1_000), vault.take('a')];
}

export function vaultConformance(harness: () => Harness, open: OpenGateway): void {
  const scene = async () => {
    const [one, two] = [(await open()).broker.vault, (await open()).broker.vault];
    return { one, two, id: freshId() };
  };

  describe('the vault', () => {
    it('gives what was put in to whoever takes it first, on whatever gateway, and leaves nothing behind', async () => {
      const { one, two, id } = await scene();
      await one.put(id, 'text', LONG_MS);
      assert.equal((await harness().traces(id)).length, 1);
      assert.equal(await two.take(id), 'text');
      assert.equal(await two.take(id), undefined);
      assert.equal(await one.take(id), undefined);
      assert.deepEqual(await harness().traces(id), []);
    });

    it('gives it to one of many who take it at once', async () => {
      const { one, two } = await scene();
      for (let round = 0; round < 20; round += 1) {
        const id = freshId();
        await one.put(id, 'text', LONG_MS);
        const taken = await Promise.all(numbers(20).map((n) => (Number(n) % 2 ? one : two).take(id)));
        assert.deepEqual(
          taken.filter((value) => value !== undefined),
          ['text'],
        );
      }
    });

    it('gives it to nobody after its lifetime, and leaves nothing behind', async () => {
      const { one, two, id } = await scene();
      await one.put(id, 'text', BRIEF_MS);
      await until('it has expired', async () => (await harness().traces(id)).length === 0);
      assert.equal(await two.take(id), undefined);
    });

    it('has nothing under an id that it does not know', async () => {
      const { one, id } = await scene();
      assert.equal(await one.take(id), undefined);
    });

    it('keeps what was put under an id last, for the lifetime given then', async () => {
      const { one, two, id } = await scene();
      await one.put(id, 'first', BRIEF_MS);
      await two.put(id, 'second', LONG_MS);
      const other = freshId();
      await one.put(other, 'later', BRIEF_MS);
      await until('the lifetime of the first is over', async () => (await harness().traces(other)).length === 0);
      assert.equal(await one.take(id), 'second');
    });

    it('keeps ids apart, and texts byte for byte', async () => {
      const { one, two } = await scene();
      const texts = ['', '"é ü 漢字 🙂"', 'a\r\nb\u0000c', 'x'.repeat(65_536)];
      const ids = texts.map(() => freshId());
      await Promise.all(texts.map((text, i) => one.put(ids[i] ?? '', text, LONG_MS)));
      assert.deepEqual(await Promise.all(ids.map((id) => two.take(id))), texts);
    });

    it('refuses an id that could be no part of a name', async () => {
      const { one } = await scene();
      for (const id of ['', 'a b', '{a}', 'ä', 'x'.repeat(129)]) {
        await assert.rejects(one.put(id, 'text', LONG_MS), TypeError);
        await assert.rejects(one.take(id), TypeError);
      }
    });
  });
}

function freshId(): string {
  return randomBytes(16).toString('base64url');
}
