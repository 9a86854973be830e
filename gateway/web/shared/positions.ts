/** Positions as the gateway forms them, `<milliseconds>-<sequence>`: their order, and the time that they hold. */

/** The one of the two that comes first. */
export function earlier(a: string, b: string): string {
  const [aMs, aSequence] = parts(a);
  const [bMs, bSequence] = parts(b);
  return aMs < bMs || (aMs === bMs && aSequence <= bSequence) ? a : b;
}

/** When the event of this id was stored, by the clock of Redis. */
export function timeOf(id: string): Date {
  return new Date(parts(id)[0]);
}

function parts(position: string): [ms: number, sequence: number] {
  const [ms = '', sequence = ''] = position.split('-');
  return [Number(ms), Number(sequence)];
}
