/**
 * The process that starts the workers, and serves nobody itself: starts another one for each that dies, passes on what one asks of all,
 * and ends when they have. Knows nothing of what a worker does.
 */
import type { ChildProcess } from 'node:child_process';
import type { Logger } from '../log.ts';
import type { FromWorker, Question, ToWorker } from './messages.ts';

export interface SupervisorOptions {
  readonly count: number;
  /** Starts the worker with this number, from 1. */
  readonly fork: (number: number) => ChildProcess;
  readonly log: Logger;
  /** Every worker listens. */
  readonly onListening: () => void;
  /** Every worker has ended, or one could not start; with the exit code for this process. */
  readonly onEnd: (code: number) => void;
}

/** How long a worker may take to answer what another one asked. */
const ANSWER_LIMIT_MS = 2_000;
/** How long it takes until a worker that died is replaced: twice as long each time, until one has lived for a while. */
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 10_000;
const LONG_LIFE_MS = 30_000;

interface Slot {
  readonly number: number;
  child: ChildProcess | undefined;
  listening: boolean;
  backoffMs: number;
}

/** A question that is being answered. */
interface Round {
  readonly answers: unknown[];
  readonly missing: Set<Slot>;
  finish(): void;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #slots: readonly Slot[];
  readonly #rounds = new Map<number, Round>();
  #nextRound = 0;
  #announced = false;
  #stopping = false;
  #code = 0;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.count }, (_, index) => ({
      number: index + 1,
      child: undefined,
      listening: false,
      backoffMs: FIRST_BACKOFF_MS,
    }));
  }

  start(): void {
    for (const slot of this.#slots) this.#launch(slot);
  }

  /** Ends all workers, each in its own time; the second time wherever they are. */
  stop(signal: NodeJS.Signals): void {
    const how = this.#stopping ? 'SIGKILL' : signal;
    this.#stopping = true;
    for (const { child } of this.#slots) child?.kill(how);
    this.#endIfNoneIsLeft();
  }

  /** What each worker answers; `null` for one that does not listen yet, has ended, or gives no answer within two seconds. */
  ask(question: Question): Promise<readonly unknown[]> {
    return new Promise((resolve) => this.#ask(question, resolve));
  }

  #launch(slot: Slot): void {
    const { fork, log } = this.#options;
    const child = fork(slot.number);
    const startedAt = performance.now();
    slot.child = child;
    slot.listening = false;
    child.on('message', (message: FromWorker) => this.#hear(slot, message));
    child.on('error', (err) => log.error({ err, worker: slot.number }, 'a worker cannot be reached'));
    child.once('exit', (code, signal) => {
      if (performance.now() - startedAt > LONG_LIFE_MS) slot.backoffMs = FIRST_BACKOFF_MS;
      this.#ended(slot, code, signal);
    });
  }

  #ended(slot: Slot, code: number | null, signal: NodeJS.Signals | null): void {
    const { log } = this.#options;
    slot.child = undefined;
    slot.listening = false;
    for (const round of this.#rounds.values()) this.#answered(round, slot, null);
    if (this.#stopping) {
      if (code !== 0) this.#code ||= 1;
      this.#endIfNoneIsLeft();
      return;
    }
    if (!this.#announced) {
      this.#code = code || 1; // it has said why
      this.stop('SIGTERM');
      return;
    }
    log.error({ worker: slot.number, code, signal, inMs: slot.backoffMs }, 'a worker ended; another one will start');
    setTimeout(() => {
      if (!this.#stopping) this.#launch(slot);
    }, slot.backoffMs);
    slot.backoffMs = Math.min(2 * slot.backoffMs, MAX_BACKOFF_MS);
  }

  #endIfNoneIsLeft(): void {
    if (this.#slots.every(({ child }) => child === undefined)) this.#options.onEnd(this.#code);
  }

  #hear(slot: Slot, message: FromWorker): void {
    switch (message.type) {
      case 'listening':
        slot.listening = true;
        this.#listening();
        return;
      case 'ask':
        void this.ask(message.question).then((answers) =>
          tell(slot.child, { type: 'answers', id: message.id, answers }),
        );
        return;
      case 'answer': {
        const round = this.#rounds.get(message.id);
        if (round !== undefined) this.#answered(round, slot, message.answer);
        return;
      }
    }
  }

  #listening(): void {
    if (this.#announced || this.#stopping || !this.#slots.every(({ listening }) => listening)) return;
    this.#announced = true;
    this.#options.onListening();
  }

  #ask(question: Question, done: (answers: readonly unknown[]) => void): void {
    const id = this.#nextRound++;
    const asked = this.#slots.filter(({ listening }) => listening);
    const answers: unknown[] = this.#slots.filter(({ listening }) => !listening).map(() => null);
    const timer = setTimeout(() => {
      for (const slot of [...round.missing]) this.#answered(round, slot, null);
    }, ANSWER_LIMIT_MS);
    const finish = () => {
      clearTimeout(timer);
      this.#rounds.delete(id);
      done(answers);
    };
    const round: Round = { answers, missing: new Set(asked), finish };
    this.#rounds.set(id, round);
    if (asked.length === 0) finish();
    for (const { child } of asked) tell(child, { type: 'question', id, question });
  }

  #answered(round: Round, slot: Slot, answer: unknown): void {
    if (!round.missing.delete(slot)) return;
    round.answers.push(answer);
    if (round.missing.size === 0) round.finish();
  }
}

/** One that is gone meanwhile is heard of by its end. */
function tell(child: ChildProcess | undefined, message: ToWorker): void {
  if (child?.connected) child.send(message, () => undefined);
}
