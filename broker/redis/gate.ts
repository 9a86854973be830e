/**
 * Lets calls through to Redis while it can be used, and sees to it that none waits without bound and none queues
 * without bound. Knows no Redis: a call is any function that returns a promise.
 */
import { BrokerUnavailable } from '../broker.ts';
import { refusalOf } from '../refusals.ts';

export interface GateOptions {
  /** For one call altogether: waiting for the engine, and its answer. */
  readonly timeoutMs: number;
  /** Calls that may wait for an engine that is away. */
  readonly maxWaiting: number;
  /** Calls sent and not answered. A call that timed out still counts, as it still takes up memory, until it is settled. */
  readonly maxInFlight: number;
}

/** One call, from when it is made until it is settled for whoever made it. */
interface Call {
  readonly dueMs: number;
  /** Sends it, once the engine can be used. */
  start(): void;
  /** Settles it without its answer. */
  refuse(error: BrokerUnavailable): void;
}

export class Gate {
  readonly #options: GateOptions;
  /** In the order of the calls, which is the order in which they are let through. */
  readonly #waiting = new Set<Call>();
  /** All that are not settled, in the order in which they are due: each has the same time. One timer serves all of them. */
  readonly #open = new Set<Call>();
  #timer: NodeJS.Timeout | undefined;
  #inFlight = 0;
  #shut: string | undefined = 'Redis has not been reached yet.';
  #closed = false;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Lets through those that wait, before any later call. */
  open(): void {
    this.#shut = undefined;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const call of waiting) call.start();
  }

  shut(reason: string): void {
    this.#shut = reason;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.unref(); // what was sent is given up with its connection; that alone keeps no process alive
    for (const call of this.#waiting) call.refuse(new BrokerUnavailable('The broker was closed.'));
    this.#waiting.clear();
  }

  /**
   * Rejects with `BrokerUnavailable` for whatever reason the call fails. A call of several steps asks `isOpen` before each further one: once it
   * has been given up, whoever made it may have gone on to undo it.
   */
  run<T>(send: (isOpen: () => boolean) => Promise<T>): Promise<T> {
    const { timeoutMs, maxWaiting, maxInFlight } = this.#options;
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) return reject(new BrokerUnavailable('The broker was closed.'));
      if (this.#shut !== undefined && this.#waiting.size >= maxWaiting)
        return reject(new BrokerUnavailable(`${this.#shut} Too many calls wait for it already (${maxWaiting}).`));
      if (this.#shut === undefined && this.#inFlight >= maxInFlight)
        return reject(new BrokerUnavailable(`Redis owes the answers to too many calls already (${maxInFlight}).`));

      const call: Call = {
        dueMs: performance.now() + timeoutMs,
        start: () => {
          this.#inFlight += 1;
          send(() => this.#open.has(call)).then(
            (result) => {
              this.#inFlight -= 1;
              this.#open.delete(call);
              resolve(result);
            },
            (error: unknown) => {
              this.#inFlight -= 1;
              call.refuse(unavailable(error, this.#closed));
            },
          );
        },
        refuse: (error) => {
          this.#open.delete(call);
          reject(error);
        },
      };
      this.#open.add(call);
      this.#timer ??= setTimeout(this.#giveUp, timeoutMs);
      if (this.#shut === undefined) call.start();
      else this.#waiting.add(call);
    });
  }

  /** Gives up the calls whose time is over, and comes back when the next one's is. */
  readonly #giveUp = (): void => {
    this.#timer = undefined;
    const { timeoutMs } = this.#options;
    const cause = new Error(this.#shut ?? 'Redis can be reached.');
    const now = performance.now();
    for (const call of this.#open) {
      const leftMs = call.dueMs - now;
      if (leftMs > 0) {
        this.#timer = setTimeout(this.#giveUp, Math.ceil(leftMs));
        if (this.#closed) this.#timer.unref();
        return;
      }
      const error = this.#waiting.delete(call)
        ? `Redis could not be reached within ${timeoutMs} ms.`
        : `Redis did not answer within ${timeoutMs} ms; whether it did what was asked is unknown.`;
      call.refuse(new BrokerUnavailable(error, { cause }));
    }
  };
}

function unavailable(error: unknown, closed: boolean): BrokerUnavailable {
  if (error instanceof BrokerUnavailable) return error;
  if (closed) return new BrokerUnavailable('The broker was closed.');
  const reason = describeError(error);
  return new BrokerUnavailable(`Redis failed the call: ${reason}`, {
    cause: new Error(reason),
    refusal: refusalOf(reason),
  });
}

/** What an error says, and nothing else of it: ioredis hangs a command's arguments, thus also a password, onto its errors. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return 'an unknown error.';
  if (error.message === 'Connection is closed.' || error.name === 'MaxRetriesPerRequestError')
    return 'The connection was lost.';
  // Node joins the failures of several addresses of one host in an error that has no message of its own.
  if (error instanceof AggregateError && error.message === '') return describeError(error.errors[0]);
  // What a cluster's last node said is the reason; the error around it says only that all failed.
  if ('lastNodeError' in error && error.lastNodeError instanceof Error) return describeError(error.lastNodeError);
  if (error.message.includes('cluster support disabled'))
    return 'REDIS_URL names a Redis Cluster, and the server there is none: use redis://HOST:PORT.';
  return error.message;
}
