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
