/**
 * Who may read from the broker, and when: so many reads at once, of so many bytes together, in turn between those who ask. Nobody waits for
 * longer than one call may take, and what nobody wants any more is not read. Knows neither the broker nor what is read.
 */
import { BrokerUnavailable } from '../../broker/broker.ts';

/** For whom something is read. */
export interface Asker {
  /** Reads of one holder wait for each other, and take turns with those of the other holders. */
  readonly holder: string;
  /** Whether nobody wants the answer any more. */
  readonly gone?: (() => boolean) | undefined;
  /** Hears how many bytes were read for it. */
  readonly onRead?: ((bytes: number) => void) | undefined;
}

export interface ReadQueueOptions {
  /** Reads under way at once, of all and of one holder. */
  readonly maxReads: number;
  readonly maxReadsPerHolder: number;
  /** What those under way may bring at most, together. A read that may bring more runs alone. */
  readonly maxBytes: number;
  /** Reads that may wait. */
  readonly maxWaiting: number;
  /** For one read altogether: its waiting, and its answer. */
  readonly timeoutMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly clock: () => number;
}

/** Nobody wants the answer any more, so nothing was read. */
export class AskerGone extends BrokerUnavailable {
  constructor() {
    super('Nobody waits for this read any more.');
  }
}

/** The gateway's own: by them many are served at once, so they have every second turn. */
export const OWN_READS: Asker = { holder: '' };

interface Read {
  readonly asker: Asker;
  readonly bytes: number;
  readonly dueMs: number;
  readonly start: () => void;
  readonly refuse: (error: BrokerUnavailable) => void;
}

export class ReadQueue {
  readonly #options: ReadQueueOptions;
  /** Those that wait, by holder; whose turn is next comes first. No line is empty. */
  readonly #lines = new Map<string, Read[]>();
  /** All that are not settled, in the order in which they are due: each has the same time. */
  readonly #open = new Set<Read>();
  readonly #runningBy = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #running = 0;
  #runningBytes = 0;
  #waiting = 0;
  #refused = 0;
  #dropped = 0;
  #ownTurn = true;

  constructor(options: ReadQueueOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running;
  }

  /** What those under way may bring at most. */
  get runningBytes(): number {
    return this.#runningBytes;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Reads that were given up because they waited, or were answered, too long, or because too many waited already. */
  get refused(): number {
    return this.#refused;
  }

  /** Reads that were not done, as nobody wanted the answer any more when their turn came. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Reads when it is the asker's turn; `bytes` is what the read may bring at most. Rejects with `BrokerUnavailable` after the time limit, or
   * where too many wait already, and otherwise settles as the read does.
   */
  run<T>(asker: Asker, bytes: number, read: () => Promise<T>): Promise<T> {
    const { maxWaiting, timeoutMs, clock } = this.#options;
    return new Promise<T>((resolve, reject) => {
      if (this.#waiting >= maxWaiting) {
        this.#refused += 1;
        return reject(new BrokerUnavailable(`Too many reads wait already (${maxWaiting}).`));
      }
      const entry: Read = {
        asker,
        bytes,
        dueMs: clock() + timeoutMs,
        start: () => {
          read()
            .finally(() => this.#ended(entry))
            .then(resolve, reject);
        },
        refuse: (error) => {
          this.#open.delete(entry);
          reject(error);
        },
      };
      this.#open.add(entry);
      this.#waiting += 1;
      const line = this.#lines.get(asker.holder);
      if (line === undefined) this.#lines.set(asker.holder, [entry]);
      else line.push(entry);
      this.#timer ??= setTimeout(this.#giveUp, timeoutMs).unref();
      this.#startNext();
    });
  }

  #startNext(): void {
    const { maxReads, maxBytes } = this.#options;
    while (this.#running < maxReads) {
      const next = this.#nextRead();
      if (next === undefined) return;
      if (this.#running > 0 && this.#runningBytes + next.bytes > maxBytes) return; // whoever comes later has to wait for it
      this.#take(next);
      if (next.asker.gone?.() === true) {
        this.#dropped += 1;
        next.refuse(new AskerGone());
        continue;
      }
      const { holder } = next.asker;
      this.#running += 1;
      this.#runningBytes += next.bytes;
      this.#runningBy.set(holder, (this.#runningBy.get(holder) ?? 0) + 1);
      next.start();
    }
  }

  #nextRead(): Read | undefined {
    const own = this.#ownTurn ? this.#lines.get(OWN_READS.holder)?.[0] : undefined;
    if (own !== undefined) return own;
    for (const [holder, line] of this.#lines) {
      const isOwn = holder === OWN_READS.holder;
      if (isOwn && this.#lines.size > 1 && this.#othersMay()) continue;
      if (isOwn || (this.#runningBy.get(holder) ?? 0) < this.#options.maxReadsPerHolder) return line[0];
    }
    return undefined;
  }

  /** Whether any other than the gateway itself may read now. */
  #othersMay(): boolean {
    for (const holder of this.#lines.keys()) {
      if (holder === OWN_READS.holder) continue;
      if ((this.#runningBy.get(holder) ?? 0) < this.#options.maxReadsPerHolder) return true;
    }
    return false;
  }

  /** Takes the first one out of its line, which then is the last one. */
  #take({ asker: { holder } }: Read): void {
    const line = this.#lines.get(holder);
    line?.shift();
    this.#lines.delete(holder);
    if (line !== undefined && line.length > 0) this.#lines.set(holder, line);
    this.#waiting -= 1;
    this.#ownTurn = holder !== OWN_READS.holder;
  }

  #ended(read: Read): void {
    const { holder } = read.asker;
    const left = (this.#runningBy.get(holder) ?? 1) - 1;
    if (left === 0) this.#runningBy.delete(holder);
    else this.#runningBy.set(holder, left);
    this.#running -= 1;
    this.#runningBytes -= read.bytes;
    this.#open.delete(read);
    this.#startNext();
  }

  /** Gives up those whose time is over, and comes back when the next one's is. One that is under way has its place until it is settled. */
  readonly #giveUp = (): void => {
    this.#timer = undefined;
    const { timeoutMs, clock } = this.#options;
    const now = clock();
    for (const read of this.#open) {
      const leftMs = read.dueMs - now;
      if (leftMs > 0) {
        this.#timer = setTimeout(this.#giveUp, Math.ceil(leftMs)).unref();
        break;
      }
      const waited = this.#withdraw(read);
      if (waited && read.asker.gone?.() === true) {
        this.#dropped += 1;
        read.refuse(new AskerGone());
        continue;
      }
      this.#refused += 1;
      const error = waited
        ? `Its turn did not come within ${timeoutMs} ms.`
        : `It was not answered within ${timeoutMs} ms.`;
      read.refuse(new BrokerUnavailable(error));
    }
    this.#startNext();
  };

  /** Takes one out of its line; false where it is under way. */
  #withdraw(read: Read): boolean {
    const { holder } = read.asker;
    const line = this.#lines.get(holder);
    const at = line?.indexOf(read) ?? -1;
    if (line === undefined || at < 0) return false;
    line.splice(at, 1);
    if (line.length === 0) this.#lines.delete(holder);
    this.#waiting -= 1;
    return true;
  }
}
