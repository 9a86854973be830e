/** The few statistics that the benchmarks need. Pure. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  const lower = sorted[Math.ceil(half) - 1];
  const upper = sorted[Math.floor(half)];
  if (lower === undefined || upper === undefined) throw new Error('There is no median of nothing');
  return { median: (lower + upper) / 2, min: sorted[0] ?? lower, max: sorted.at(-1) ?? upper };
}

/** For instance `1.02 (0.97 to 1.10)`. */
export function show({ median, min, max }: Spread, digits = 0): string {
  const text = (value: number) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${text(median)} (${text(min)} to ${text(max)})`;
}

/** For instance `12,345`. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

/** The value that so many percent of the others do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = Float64Array.from(values).sort();
  const found = sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)];
  if (found === undefined) throw new Error('There is no percentile of nothing');
  return found;
}
