/** A queue for reads as tests need it: wide, and so patient that none is given up. */
import { ReadQueue } from '../read-queue.ts';

export function readQueue(maxReads = 8): ReadQueue {
  return new ReadQueue({
    maxReads,
    maxReadsPerHolder: maxReads,
    maxBytes: 1 << 30,
    maxWaiting: 10_000,
    timeoutMs: 60_000,
    clock: () => performance.now(),
  });
}
