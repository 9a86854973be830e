/** Holds one conversation with a gateway over a socket of its own. It knows bytes only, and judges nothing. */
import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep, setImmediate as yieldOnce } from 'node:timers/promises';
import type { Conversation } from './conversation.ts';
import type { Step } from './step.ts';

/**
 * `whole`: each step came to what it awaits. `cut`: the gateway ended the connection where it should not. `unanswered`: it
 * kept it, and what a step awaits never came. `refused`: there was no connection at all.
 */
export type Outcome = 'whole' | 'cut' | 'unanswered' | 'refused';

/** For an answer that must come, also from a busy machine. */
const ANSWER_MS = 60_000;
/** For one that need not come. */
const MAYBE_MS = 40;
/** What needs no answer still should reach the other side before the end does. */
const UNAWAITED_MS = 3;
const KEPT = 64;

export async function talk(gateway: URL, { steps, ending }: Conversation): Promise<Outcome> {
  const line = await Line.open(gateway);
  if (line === undefined) return 'refused';
  try {
    for (const step of steps) {
      await line.write(step);
      const came = await line.awaited(step.awaits, step.mayEnd ? MAYBE_MS : ANSWER_MS);
      if (!came && !step.mayEnd) return line.ended ? 'cut' : 'unanswered';
      if (line.ended) return 'whole';
    }
    return 'whole';
  } finally {
    await line.end(ending);
  }
}

class Line {
  ended = false;
  readonly #socket: Socket;
  #awaits: string | undefined;
  #seen = '';
  #came = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#take(chunk));
    socket.on('error', () => undefined); // a reset is an end, which `close` tells
    for (const event of ['end', 'close'])
      socket.on(event, () => {
        this.ended = true;
        this.#wake?.();
      });
  }

  static open({ hostname, port }: URL): Promise<Line | undefined> {
    return new Promise((resolve) => {
      const socket = createConnection({ host: hostname, port: Number(port), noDelay: true, allowHalfOpen: true });
      const line = new Line(socket);
      socket.once('connect', () => resolve(line));
      socket.once('error', () => resolve(undefined));
    });
  }

  async write({ bytes, cuts, paceMs, awaits }: Step): Promise<void> {
    this.#awaits = awaits;
    this.#seen = '';
    this.#came = false;
    let from = 0;
    for (const to of [...cuts, bytes.length]) {
      if (to === from) continue;
      if (this.ended || this.#socket.destroyed) return;
      this.#socket.write(bytes.subarray(from, to));
      from = to;
      if (to < bytes.length) await (paceMs > 0 ? sleep(paceMs) : yieldOnce());
    }
  }

  /** Whether it came within the limit. */
  async awaited(text: string | undefined, limitMs: number): Promise<boolean> {
    if (!this.#came && !this.ended) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, text === undefined ? UNAWAITED_MS : limitMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    return this.#came || text === undefined;
  }

  async end(ending: Conversation['ending']): Promise<void> {
    const socket = this.#socket;
    if (ending === 'end' && !socket.destroyed) {
      socket.end();
      if (!this.ended) await this.awaited('', MAYBE_MS);
    }
    if (ending === 'reset') socket.resetAndDestroy();
    else socket.destroy();
  }

  #take(chunk: Buffer): void {
    if (this.#awaits === undefined || this.#came) return;
    this.#seen += chunk.toString('latin1');
    this.#came = this.#seen.includes(this.#awaits);
    if (this.#came) this.#wake?.();
    else this.#seen = this.#seen.slice(-KEPT);
  }
}
