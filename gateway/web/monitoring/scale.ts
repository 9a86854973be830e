/** Where the axis of a chart ends. Pure. */

/** Of counts, the half of each is a whole number, too, from 2 on. */
const STEPS = [1, 2, 4, 6, 8, 10];

/** The first round number that is not less than the highest figure. */
export function axisOf(highest: number): number {
  if (highest <= 0) return 1;
  const magnitude = 10 ** Math.floor(Math.log10(highest));
  const step = STEPS.find((each) => each * magnitude >= highest) ?? 10;
  return step * magnitude;
}
