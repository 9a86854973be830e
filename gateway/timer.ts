/** Tasks by time: again and again, or at most so often. */

/** Runs the task again and again, `intervalMs` after the last run has ended. Never two at once. */
export function every(intervalMs: number, task: () => void | Promise<void>): { stop(): void } {
  let stopped = false;
  let timer = setTimeout(run, intervalMs);

  async function run(): Promise<void> {
    await task();
    if (!stopped) timer = setTimeout(run, intervalMs);
  }

  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Calls the task at most once in so many milliseconds; what comes in between is passed over. */
export function rarely<T>(intervalMs: number, task: (given: T) => void): (given: T) => void {
  let last = -intervalMs;
  return (given) => {
    const now = performance.now();
    if (now - last < intervalMs) return;
    last = now;
    task(given);
  };
}
