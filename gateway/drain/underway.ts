/** Requests whose answers are still being worked out: a gateway that leaves finishes them first. */
export class Underway {
  #count = 0;
  readonly #waiting: (() => void)[] = [];

  get count(): number {
    return this.#count;
  }

  /** Settles as the task does, which counts until then. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    this.#count++;
    try {
      return await task();
    } finally {
      this.#count--;
      if (this.#count === 0) for (const done of this.#waiting.splice(0)) done();
    }
  }

  /** Resolves when there are none. */
  async none(): Promise<void> {
    if (this.#count > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
