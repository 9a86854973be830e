/**
 * How often Sentinels have replaced the master, and how often a fault meant them to. They do so by themselves where a master stands still for
 * too long, as on a machine that has too much to do; what Redis then loses no fault has told of, so it cannot be judged.
 */
import { Redis } from 'ioredis';
import type { RedisServer } from '../../broker/redis/testing/servers.ts';

export class Switches {
  count = 0;
  /** Those that faults have brought about. */
  meant = 0;
  readonly #connections: readonly Redis[];
  /** What was told last: from where to where. */
  #last = '';

  private constructor(connections: readonly Redis[]) {
    this.#connections = connections;
    for (const redis of connections) {
      redis.on('error', () => undefined); // it is killed by a fault, and subscribed to anew when it is back
      redis.on('message', (_channel: string, text: string) => {
        // All of them tell of each. There are two servers, so the next one leads the other way.
        if (text !== this.#last) this.count++;
        this.#last = text;
      });
    }
  }

  static async watch(sentinels: readonly RedisServer[]): Promise<Switches> {
    const connections = sentinels.map(({ port }) => new Redis({ host: '127.0.0.1', port, maxRetriesPerRequest: null }));
    const switches = new Switches(connections);
    await Promise.all(connections.map((redis) => redis.subscribe('+switch-master')));
    return switches;
  }

  /** In a sentence, where there were more than were meant. */
  complaint(): string | undefined {
    const more = this.count - this.meant;
    if (more <= 0) return undefined;
    return `The Sentinels have replaced the master ${more} times more than faults meant them to: this machine stood still for longer than they bear. What Redis lost by that is not known, so this run proves nothing.`;
  }

  close(): void {
    for (const redis of this.#connections) redis.disconnect();
  }
}
