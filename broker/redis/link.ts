/**
 * One connection for commands, to a server, the master that Sentinels name, or a cluster's nodes: opens it, looks at what is at its other end
 * before anything else is sent, and lets calls through by its gate. Must not know what is asked by it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Cluster, type Redis } from 'ioredis';
import { openCommands } from './connections.ts';
import { describeError, Gate, type GateOptions } from './gate.ts';
import { type Ask, checkServer } from './server-check.ts';
import type { RedisTarget } from './url.ts';

export interface LinkParts {
  readonly target: RedisTarget;
  readonly gate: GateOptions;
  /** Called first of all once it can be used, with the server's own name for itself: what is sent then goes out before any call that waits. */
  readonly onUsable?: (server: string | undefined) => void;
  /** Called when it ends. */
  readonly onClosed?: () => void;
  /** Called whenever `ready` or `reason` may be another. */
  readonly onChange: () => void;
  /** Called at the end of each turn of the event loop in which something was sent, before that leaves. */
  readonly onTurnEnd?: () => void;
}

/** How soon a server that cannot be used is looked at again. */
const CHECK_AGAIN_MS = 500;

export class Link {
  readonly connection: Redis | Cluster;
  readonly gate: Gate;
  readonly #parts: LinkParts;
  /** Raised when the connection ends: answers of an earlier one are of no interest then. */
  #epoch = 0;
  #ready = false;
  #closed = false;
  #lastError: string | undefined;
  /** Whether the end of this turn is planned already. */
  #ending = false;
  /** What is written at the end of it. */
  #corked: Redis['stream'] | undefined;

  constructor(parts: LinkParts) {
    this.#parts = parts;
    this.gate = new Gate(parts.gate);
    this.connection = openCommands(parts.target, parts.gate.timeoutMs);
    this.#watch();
  }

  /** Whether it can be used. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Why it cannot. */
  get reason(): string {
    return this.#lastError ?? 'The connection to Redis was lost.';
  }

  /** Whether something went wrong since it could be used last. */
  get failed(): boolean {
    return this.#lastError !== undefined;
  }

  *nodes(): Iterable<Redis> {
    if (this.connection instanceof Cluster) yield* this.connection.nodes('all');
    else yield this.connection;
  }

  /**
   * Sends a command. What is sent in one turn of the event loop, for however many clients, leaves in one write: that costs one system call, and
   * Redis then runs it in one go, so that its events reach every gateway together. (A cluster's commands go to several nodes, each by its own connection.)
   */
  send(command: string, args: (string | number)[]): Promise<unknown> {
    this.#gather();
    return this.connection.callBuffer(command, args);
  }

  /** Has what was gathered in this turn leave at its end. */
  endTurn(): void {
    if (this.#ending) return;
    this.#ending = true;
    setImmediate(() => {
      this.#parts.onTurnEnd?.();
      this.#corked?.uncork();
      this.#corked = undefined;
      this.#ending = false;
    });
  }

  /** Connects anew, to wherever the address leads by now. (A cluster finds its nodes by itself.) */
  renew(): void {
    if (!(this.connection instanceof Cluster) && this.connection.status === 'ready') this.connection.disconnect(true);
  }

  close(): void {
    this.#closed = true;
    this.gate.close();
    this.connection.disconnect();
  }

  /** What went wrong before is of no interest any more. */
  forgetError(): void {
    this.#lastError = undefined;
  }

  #gather(): void {
    if (this.connection instanceof Cluster) return;
    const { stream } = this.connection;
    if (stream === undefined || stream.writableCorked > 0) return;
    stream.cork();
    this.#corked = stream;
    this.endTurn();
  }

  #watch(): void {
    const { connection } = this;
    connection.on('ready', () => void this.#reached());
    connection.on('close', () => {
      this.#epoch++;
      this.#ready = false;
      this.gate.shut(this.reason);
      this.#parts.onClosed?.();
      this.#parts.onChange();
    });
    connection.on('error', (error: Error) => {
      this.#lastError = describeError(error);
      this.#parts.onChange();
    });
    // Its failures are heard as `error`, and it goes on by itself.
    connection.connect().catch(() => undefined);
  }

  /** The connection is there: it is used once it is known that what is at its other end can be. */
  async #reached(): Promise<void> {
    const { connection } = this;
    const epoch = this.#epoch;
    const isCurrent = () => epoch === this.#epoch && !this.#closed;
    const ask: Ask = (command, args) => connection.call(command, [...args]);
    while (isCurrent()) {
      const server = await checkServer(ask, this.#parts.target);
      if (!isCurrent()) return;
      if (server.state === 'usable') return this.#use(server.instance);
      if (server.state === 'lost') return;
      if (server.state === 'replaced') return connection.disconnect(true);
      this.#lastError = server.state === 'loading' ? 'Redis is loading its data from disk.' : server.reason;
      this.gate.shut(this.reason);
      this.#parts.onChange();
      // It may end loading, become a master, or be set up otherwise, and keep the connection.
      await delay(CHECK_AGAIN_MS, undefined, { ref: false });
    }
  }

  #use(instance: string | undefined): void {
    this.#parts.onUsable?.(instance);
    this.#ready = true;
    this.gate.open();
    this.#parts.onChange();
  }
}
