/**
 * One of the client processes of the scenario `jitter`: so many clients, each cut about every 15 seconds for about 2, at times of its
 * own. Started with what to do as its argument; tells its parent how far it is, and ends with that.
 */
import type { Transport } from './dialects.ts';
import { Roamer } from './roamer.ts';

export interface JitterOrder {
  readonly urls: readonly string[];
  readonly transport: Transport;
  readonly count: number;
  readonly localAddress: string;
  readonly channel: string;
  /** How many events everybody is to get. */
  readonly events: number;
}

/** Whether everybody is ready for the first event, what came of it, and the word to stop cutting. */
export type JitterNews =
  | { readonly is: 'ready' }
  | {
      readonly is: 'done';
      readonly received: number;
      readonly duplicates: number;
      readonly missed: number;
      readonly gaps: number;
      readonly cuts: number;
      readonly refusals: number;
      readonly replays: readonly number[];
    };

const CUT_EVERY_MS = 15_000;
const AWAY_MS = 2_000;
/** The first connects are spread over this time. */
const CONNECT_WITHIN_MS = 10_000;
const FINISH_LIMIT_MS = 60_000;

const order = JSON.parse(process.argv[2] ?? '') as JitterOrder;
process.once('disconnect', () => process.exit());
const { random } = Math;
const about = (ms: number) => ms * (0.67 + 0.67 * random());
const roamers = Array.from({ length: order.count }, () => new Roamer({ ...order, random, now: Date.now }));
let cutting = true;

process.on('message', () => void finish());
await Promise.all(roamers.map(begin));
tell({ is: 'ready' });

async function begin(roamer: Roamer): Promise<void> {
  await pause(random() * CONNECT_WITHIN_MS);
  roamer.connect();
  // The first cut comes at any time within the interval, so that never many are cut at once.
  setTimeout(() => cut(roamer), random() * CUT_EVERY_MS);
}

function cut(roamer: Roamer): void {
  if (!cutting) return;
  roamer.cut();
  setTimeout(() => {
    roamer.connect();
    setTimeout(() => cut(roamer), about(CUT_EVERY_MS));
  }, about(AWAY_MS));
}

async function finish(): Promise<void> {
  cutting = false;
  const deadline = Date.now() + FINISH_LIMIT_MS;
  const done = () => roamers.every(({ received, missed }) => received + missed >= order.events);
  while (!done() && Date.now() < deadline) await pause(50);
  for (const roamer of roamers) roamer.end();
  const sum = (of: 'received' | 'duplicates' | 'missed' | 'gaps' | 'cuts' | 'refusals') =>
    roamers.reduce((total, roamer) => total + roamer[of], 0);
  tell({
    is: 'done',
    received: sum('received'),
    duplicates: sum('duplicates'),
    missed: sum('missed'),
    gaps: sum('gaps'),
    cuts: sum('cuts'),
    refusals: sum('refusals'),
    replays: roamers.flatMap(({ replays }) => replays),
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function tell(news: JitterNews): void {
  process.send?.(news);
}
