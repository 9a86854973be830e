/** Failures that may come in a storm, of which one line of the log every few seconds says enough. */
import { BrokerUnavailable } from '../../broker/broker.ts';

/** How often such a failure is logged at most. */
export const COMPLAINT_MS = 5_000;

/** Waits for something that may fail for as long as Redis is away, and that will be tried again. */
export async function whileAvailable(task: Promise<void>): Promise<void> {
  try {
    await task;
  } catch (error) {
    if (!(error instanceof BrokerUnavailable)) throw error; // its status is in the log and in the metrics
  }
}
