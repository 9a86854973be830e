/**
 * Ports for servers that have to be told theirs: free ones, below those that the kernel hands out by itself. Each process hands out a stretch of
 * its own, so no other takes what one has found free, or lets go for a moment to take it again.
 */
import { createServer } from 'node:net';

/** The bus of a cluster node lies 10,000 above its port, where nothing is handed out. */
const FIRST = 10_100;
const STRETCH = 200;
const STRETCHES = 60;
const TO_BUS = 10_000;

class Ports {
  #stretch: Promise<number> | undefined;
  #handedOut = 0;

  /** A port on which nobody listens now, nor on the one of its bus; the longest not handed out. */
  async free(): Promise<number> {
    this.#stretch ??= claim();
    const first = await this.#stretch;
    for (let tried = 1; tried < STRETCH; tried++) {
      const port = first + 1 + (this.#handedOut++ % (STRETCH - 1));
      if ((await isFree(port)) && (await isFree(port + TO_BUS))) return port;
    }
    throw new Error(`All ports from ${first} to ${first + STRETCH - 1} are taken`);
  }
}

export const ports = new Ports();

/** Whoever has the first port of a stretch has all of it, for as long as the process lives. */
async function claim(): Promise<number> {
  for (let stretch = 0; stretch < STRETCHES; stretch++) {
    const first = FIRST + stretch * STRETCH;
    const server = createServer();
    const mine = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(first, '127.0.0.1', () => resolve(true));
    });
    if (!mine) continue;
    server.unref();
    return first;
  }
  throw new Error('There are too many processes that want ports');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
