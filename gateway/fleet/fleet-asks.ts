/** What gateways ask each other. Gateways of two versions may live side by side, so what one does not know it says so of, and does nothing. */
import { z } from 'zod';

// Strict: what is asked with a field more than is known here may be meant more narrowly than it would be done.
const fleetAsk = z.union([
  /** Which channels have subscribers, by the beginning of their names. */
  z.strictObject({ kind: z.literal('channels'), prefix: z.string() }),
  /** Ends the connections of a user. */
  z.strictObject({ kind: z.literal('disconnect'), user: z.string() }),
  /** Ends one connection. */
  z.strictObject({ kind: z.literal('disconnect'), connection: z.string() }),
]);
export type FleetAsk = z.infer<typeof fleetAsk>;

/** What is asked, or undefined where this gateway does not know it. */
export function decodeAsk(given: unknown): FleetAsk | undefined {
  const parsed = fleetAsk.safeParse(given);
  return parsed.success ? parsed.data : undefined;
}
