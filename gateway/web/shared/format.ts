/** Numbers, sizes and times as the reader's locale writes them. Pure. */

const SIZES = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;
const STEP = 1_000;
/** In seconds, the largest first. */
const UNITS = [
  { unit: 'day', size: 86_400 },
  { unit: 'hour', size: 3_600 },
  { unit: 'minute', size: 60 },
  { unit: 'second', size: 1 },
] as const;

export class Format {
  readonly #locale: string;
  readonly #number: Intl.NumberFormat;
  readonly #short: Intl.NumberFormat;
  readonly #percent: Intl.NumberFormat;
  readonly #clock: Intl.DateTimeFormat;
  readonly #exactClock: Intl.DateTimeFormat;
  readonly #dateTime: Intl.DateTimeFormat;
  readonly #list: Intl.ListFormat;

  constructor(locale: string) {
    const clock = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const;
    this.#locale = locale;
    this.#number = new Intl.NumberFormat(locale);
    this.#short = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
    this.#percent = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 });
    this.#clock = new Intl.DateTimeFormat(locale, clock);
    this.#exactClock = new Intl.DateTimeFormat(locale, { ...clock, fractionalSecondDigits: 3 });
    this.#dateTime = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
    this.#list = new Intl.ListFormat(locale, { type: 'conjunction' });
  }

  number(value: number): string {
    return this.#number.format(value);
  }

  /** To three digits, for measurements. */
  short(value: number): string {
    return this.#short.format(value);
  }

  /** `value` is from 0 to 100. */
  percent(value: number): string {
    return this.#percent.format(value / 100);
  }

  /** In the largest unit of which there is one at least. */
  bytes(value: number): string {
    const step = Math.min(SIZES.length - 1, Math.floor(Math.log10(Math.max(1, value)) / Math.log10(STEP)));
    const format = this.#unit(SIZES[step] ?? 'byte', step === 0 ? 'long' : 'short', { maximumSignificantDigits: 3 });
    return format.format(value / STEP ** step);
  }

  milliseconds(value: number): string {
    return this.#unit('millisecond', 'short', { maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
  }

  /** In the two largest units that count: `3 hr 12 min`. */
  duration(seconds: number): string {
    const parts = UNITS.map(({ unit, size }, index) => {
      const larger = UNITS[index - 1]?.size ?? Number.POSITIVE_INFINITY;
      return { unit, count: Math.floor((seconds % larger) / size) };
    });
    const first = parts.findIndex(({ count }) => count > 0);
    const counted = first < 0 ? parts.slice(-1) : parts.slice(first, first + 2);
    return counted.map(({ unit, count }) => this.#unit(unit, 'short').format(count)).join(' ');
  }

  clock(at: Date): string {
    return this.#clock.format(at);
  }

  /** To the millisecond. */
  exactClock(at: Date): string {
    return this.#exactClock.format(at);
  }

  dateTime(at: Date): string {
    return this.#dateTime.format(at);
  }

  /** The time alone where that was today. */
  when(at: Date, now: Date): string {
    return at.toDateString() === now.toDateString() ? this.clock(at) : this.dateTime(at);
  }

  /** `A, B and C` */
  list(items: readonly string[]): string {
    return this.#list.format(items);
  }

  #unit(unit: string, unitDisplay: 'long' | 'short', digits: Intl.NumberFormatOptions = {}): Intl.NumberFormat {
    return new Intl.NumberFormat(this.#locale, { style: 'unit', unit, unitDisplay, ...digits });
  }
}
