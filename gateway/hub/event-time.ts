import type { Position } from '../../broker/broker.ts';

/** When the event was stored, in epoch milliseconds by the clock of the event store. */
export function millisecondsOf(id: Position): number {
  return Number(id.slice(0, id.indexOf('-')));
}

/** The time at which an event was stored, as ISO 8601; for one without an id, now. */
export function timestampOf(id: Position): string {
  return new Date(id === '' ? Date.now() : millisecondsOf(id)).toISOString();
}
