/**
 * Leaves a master that the Sentinels have replaced, and that keeps its clients: one that was cut off from them, and not killed. What
 * it acknowledges is lost when it comes back.
 *
 * ioredis has a detector of its own. Where that hears of the new master while a connection is just being made, it ends the
 * connection for good, and it leaves connections to the Sentinels behind when one is closed while it is being made.
 */
import type { Redis } from 'ioredis';

/** What Sentinels publish when they have agreed on another master: its name, the old address, the new address. */
const SWITCHED = '+switch-master';

export class FailoverWatch {
  readonly #sentinels: readonly Redis[];

  /** `sentinels` are connections of its own, one to each; `connections` are those to the master. */
  constructor(sentinels: readonly Redis[], masterName: string, connections: () => Iterable<Redis>) {
    this.#sentinels = sentinels;
    for (const sentinel of sentinels) {
      sentinel.on('message', (_channel: string, message: string) => {
        const [name, , oldPort] = message.split(' ');
        if (name !== masterName) return;
        for (const redis of connections()) leave(redis, Number(oldPort));
      });
      // A Sentinel that is away is not missed as long as another one is there, and is subscribed to anew when it returns.
      sentinel.on('error', () => undefined);
      sentinel.subscribe(SWITCHED).catch(() => undefined);
    }
  }

  close(): void {
    for (const sentinel of this.#sentinels) sentinel.disconnect();
  }
}

/**
 * A connection that is still being made may lead there as well: a master that was stopped takes it, and answers when it goes on, as a
 * master until the Sentinels have told it otherwise. Before anything else is sent on it, it is left.
 */
function leave(redis: Redis, oldPort: number): void {
  if (isTo(redis, oldPort)) redis.disconnect(true);
  else if (redis.status !== 'ready')
    redis.prependOnceListener('ready', () => {
      if (isTo(redis, oldPort)) redis.disconnect(true);
    });
}

/** By its port alone: a Sentinel may call the host by another name. One that led elsewhere already is only made anew. */
function isTo({ status, stream }: Redis, port: number): boolean {
  return status === 'ready' && 'remotePort' in stream && stream.remotePort === port;
}
