/** What the conformance suite needs of an engine under test, and the embedded engine as one such. */
import type { Broker, Position, RetentionOf } from '../broker.ts';
import { MemoryBroker, MemoryStore } from '../memory.ts';

/** The engine under test, and what may befall it. */
export interface Harness {
  /** One more gateway's broker, with `retentionOf` as below; `graceMs` in place of `GRACE_MS`, `timeoutMs` as its time limit, which is longer unless given. */
  open(graceMs?: number, timeoutMs?: number): Promise<Broker>;
  /** Loses a channel's kept events, as an eviction would. */
  loseStream(channel: string): Promise<void>;
  /** Loses a channel's remembered last id. */
  loseHead(channel: string): Promise<void>;
  /** Loses everything, as FLUSHALL would. */
  loseAll(): Promise<void>;
  /** Makes a channel what it was when this event was its last, as a failover that lost its tail would. */
  rewind(channel: string, last: Position): Promise<void>;
  setHead(channel: string, head: Position): Promise<void>;
  /** Cuts the connections that carry subscriptions. */
  interrupt?(): Promise<void>;
  /** Makes the engine fall silent without closing a connection; resolves to what wakes it. */
  freeze?(): Promise<() => Promise<void>>;
  /** Forgets every script that the engine was taught. */
  forgetScripts?(): Promise<void>;
  /** What the engine keeps under names that contain this word. */
  traces(word: string): Promise<readonly string[]>;
  stop(): Promise<void>;
}

/** For what must fail: it is waited for. */
export const SHORT_LIMIT_MS = 1_500;
/** For what must not, also on a busy machine. */
export const LONG_LIMIT_MS = 30_000;

/** How long events of the namespace `brief` are kept. */
export const BRIEF_MS = 1_500;

export const HOUR_MS = 3_600_000;

/** Engines under test rule their channels by this. */
export const retentionOf: RetentionOf = (channel) => {
  switch (channel.slice(0, channel.indexOf(':'))) {
    case 'five':
      return { size: 5, retentionMs: HOUR_MS };
    case 'brief':
      return { size: 100, retentionMs: BRIEF_MS };
    case 'sixty':
      return { size: 8, retentionMs: HOUR_MS, maxBytes: 60 };
    case 'none':
      return { size: 0, retentionMs: HOUR_MS };
    default:
      return { size: 1_000, retentionMs: HOUR_MS };
  }
};

/** The embedded engine as a harness: it is both an engine under test and the model of the others. */
export function memoryHarness(): Harness {
  const store = new MemoryStore({ retentionOf });
  const state = (channel: string) => store.channels.get(channel) ?? { stream: undefined, head: undefined };
  return {
    open: async (graceMs) => new MemoryBroker(store, graceMs),
    loseStream: async (channel) => {
      state(channel).stream = undefined;
    },
    loseHead: async (channel) => {
      state(channel).head = undefined;
    },
    loseAll: async () => {
      store.channels.clear();
      store.vault.clear();
    },
    rewind: async (channel, last) => {
      const { stream, head } = state(channel);
      stream?.events.splice(stream.events.findIndex(({ id }) => id === last) + 1);
      if (head !== undefined) head.id = last;
    },
    setHead: async (channel, id) => {
      const head = { id, expiresAtMs: Date.now() + HOUR_MS };
      store.channels.set(channel, { stream: undefined, keys: new Map(), ...store.channels.get(channel), head });
    },
    traces: async (word) => {
      store.vault.sweep(); // as the store does by itself now and then
      const names = [...store.channels.keys(), ...store.presence.channels(), ...store.vault.ids()];
      return names.filter((name) => name.includes(word));
    },
    stop: async () => undefined,
  };
}
