/** What the client needs of the world around it: time, chance and news of the network. Tests put a world of their own in its place. */

/** `visible`: the page is being looked at again. */
export type News = 'online' | 'offline' | 'visible';

export interface Surroundings {
  /** Runs the task once after that time; the function returned cancels it. */
  after(ms: number, task: () => void): () => void;
  /** Milliseconds since 1970. */
  now(): number;
  /** From 0 up to 1. */
  random(): number;
  /** False only where it is certain that there is no network. */
  online(): boolean;
  /** Calls the task at every such news, until the function returned is called. */
  on(news: News, task: () => void): () => void;
}

/** A browser; in Node, which has no such news, there is none. */
export const browser: Surroundings = {
  after(ms, task) {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
  now: () => Date.now(),
  random: () => Math.random(),
  online: () => globalThis.navigator?.onLine !== false,
  on(news, task) {
    if (typeof document === 'undefined') return nothing;
    const visible = news === 'visible';
    const target = visible ? document : globalThis;
    const name = visible ? 'visibilitychange' : news;
    const listener = () => {
      if (!visible || document.visibilityState === 'visible') task();
    };
    target.addEventListener(name, listener);
    return () => target.removeEventListener(name, listener);
  },
};

/** In place of a cancellation where there is nothing to cancel. */
export function nothing(): void {
  // That is all.
}
