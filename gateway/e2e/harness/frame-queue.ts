/** Keeps what a connection received until a test asks for it, so that nothing is missed between two awaits. */

export class FrameQueue<Frame> {
  /** Everything that ever came, taken or not, in order. */
  readonly all: Frame[] = [];
  #taken = 0;
  #ended: Error | undefined;
  #wake: (() => void)[] = [];

  push(frame: Frame): void {
    this.all.push(frame);
    this.#signal();
  }

  /** No more frames will come: whoever waits is told why. */
  end(reason: string): void {
    this.#ended ??= new Error(reason);
    this.#signal();
  }

  /** The next frame not yet taken. */
  async next(timeoutMs?: number): Promise<Frame> {
    return this.find(() => true, timeoutMs);
  }

  /** The next frame that matches; those before it are passed over (and stay in `all`). */
  async find<Wanted extends Frame>(matches: (frame: Frame) => frame is Wanted, timeoutMs?: number): Promise<Wanted>;
  async find(matches: (frame: Frame) => boolean, timeoutMs?: number): Promise<Frame>;
  async find(matches: (frame: Frame) => boolean, timeoutMs = 30_000): Promise<Frame> {
    const passed: Frame[] = [];
    const deadline = Date.now() + timeoutMs;
    while (true) {
      while (this.#taken < this.all.length) {
        const frame = this.all[this.#taken++] as Frame;
        if (matches(frame)) return frame;
        passed.push(frame);
      }
      const left = deadline - Date.now();
      if (this.#ended) throw new Error(`${this.#ended.message}, while waiting; passed over: ${show(passed)}`);
      if (left <= 0) throw new Error(`Nothing that matches within ${timeoutMs} ms; passed over: ${show(passed)}`);
      await this.#signalled(left);
    }
  }

  #signalled(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#wake.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #signal(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}

function show(frames: readonly unknown[]): string {
  return JSON.stringify(frames.slice(-5));
}
