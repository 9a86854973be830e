/** A worker's side of the talk with the one that started it: asks all workers, and answers for itself. */
import type { FromWorker, Question, ToWorker } from './messages.ts';

/** The channel to the supervisor: that of this process, unless a test has another. */
export interface Channel {
  /** What cannot be sent any more is lost. */
  send(message: FromWorker): void;
  onMessage(hear: (message: ToWorker) => void): void;
  /** Calls back once the supervisor is gone, at once where it is already. */
  onEnd(hear: () => void): void;
}

interface Asked {
  readonly question: Question;
  readonly resolve: (answers: readonly unknown[] | Promise<readonly unknown[]>) => void;
}

export class Colleagues {
  readonly #channel: Channel;
  readonly #answer: (question: Question) => unknown;
  readonly #waiting = new Map<number, Asked>();
  #nextId = 0;
  /** Whether the supervisor is gone, by which the others were asked. */
  #alone = false;

  /** `answer` answers for this worker. */
  constructor(channel: Channel, answer: (question: Question) => unknown) {
    this.#channel = channel;
    this.#answer = answer;
    channel.onMessage((message) => {
      if (message.type === 'answers') {
        this.#waiting.get(message.id)?.resolve(message.answers);
        this.#waiting.delete(message.id);
        return;
      }
      const { id, question } = message;
      void Promise.resolve(answer(question)).then((given) => channel.send({ type: 'answer', id, answer: given }));
    });
    channel.onEnd(() => {
      this.#alone = true;
      for (const { question, resolve } of this.#waiting.values()) resolve(this.#own(question));
      this.#waiting.clear();
    });
  }

  /** What each worker answers, this one among them; `null` for one that gives no answer. Without a supervisor it answers for itself alone. */
  ask(question: Question): Promise<readonly unknown[]> {
    if (this.#alone) return this.#own(question);
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#waiting.set(id, { question, resolve });
      this.#channel.send({ type: 'ask', id, question });
    });
  }

  async #own(question: Question): Promise<readonly unknown[]> {
    return [await this.#answer(question)];
  }
}

/** The channel of a process that was started as a worker. */
export function processChannel(): Channel {
  return {
    send: (message) => {
      // Told nobody that the channel is closed, Node would take it for a fault of this process.
      process.send?.(message, undefined, undefined, () => undefined);
    },
    onMessage: (hear) => {
      process.on('message', (message) => hear(message as ToWorker));
    },
    onEnd: (hear) => {
      if (process.connected) process.once('disconnect', hear);
      else hear();
    },
  };
}
