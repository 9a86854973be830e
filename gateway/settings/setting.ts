/**
 * What one setting is, the kinds of settings, and how a table of them is read.
 *
 * It knows nothing of which settings the gateway has (`config.ts`) nor of how they are printed (`usage.ts`).
 */

/** Variables by name, as a process gets them. An empty value counts as unset, as `VAR=` in a Compose file means it. */
export type Environment = Readonly<Record<string, string | undefined>>;

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };

/** One environment variable: everything that parses it and everything that documents it. */
export interface Setting<T> {
  /** The variable's name. */
  readonly name: string;
  /** What it is for, and what speaks for another value; whole sentences. */
  readonly about: string;
  /** What may be given, with the unit: `8 to 960 seconds`. */
  readonly allowed: string;
  /** The value where the variable is unset. */
  readonly fallback: T;
  /** The fallback as documentation shows it. */
  readonly fallbackText: string;
  /** Whether no message may ever show the value. */
  readonly secret: boolean;
  /** Gets the trimmed, non-empty text. An error continues the sentence "NAME=value …" and does not quote the value. */
  parse(text: string): Parsed<T>;
}

interface Documented {
  readonly about: string;
  readonly secret?: boolean;
}

/** A setting that is a whole number; its range is part of its type so that tests can walk beyond it. */
export interface IntegerSetting extends Setting<number> {
  readonly min: number;
  readonly max: number;
}

/** A whole number within a range, both ends included. */
export function integer(
  name: string,
  fallback: number,
  options: Documented & { readonly min: number; readonly max: number; readonly unit: string },
): IntegerSetting {
  const { min, max, unit } = options;
  return {
    name,
    about: options.about,
    allowed: `${min} to ${max} ${unit}`.trim(),
    fallback,
    fallbackText: String(fallback),
    secret: options.secret ?? false,
    min,
    max,
    parse(text) {
      // Number() alone would also take "1e3" and "0x10": what looks odd is more likely a slip than a wish.
      if (!/^-?\d+$/.test(text)) return { ok: false, error: 'is not a whole number in digits' };
      const value = Number(text);
      if (value < min) return { ok: false, error: `is less than ${min}` };
      if (value > max) return { ok: false, error: `is more than ${max}` };
      return { ok: true, value };
    },
  };
}

/** One of some words, in lower case. */
export function choice<const T extends string>(
  name: string,
  fallback: NoInfer<T>,
  options: Documented & { readonly words: readonly T[] },
): Setting<T> {
  return {
    name,
    about: options.about,
    allowed: options.words.join(', '),
    fallback,
    fallbackText: fallback,
    secret: options.secret ?? false,
    parse(text) {
      const value = options.words.find((word) => word === text);
      return value === undefined ? { ok: false, error: 'is none of the known words' } : { ok: true, value };
    },
  };
}

/** `on` or `off`, or the words that others have for it. */
export function toggle(name: string, fallback: boolean, options: Documented): Setting<boolean> {
  return {
    name,
    about: options.about,
    allowed: 'on, off (1, true and 0, false mean the same)',
    fallback,
    fallbackText: fallback ? 'on' : 'off',
    secret: options.secret ?? false,
    parse(text) {
      if (ON.has(text)) return { ok: true, value: true };
      if (OFF.has(text)) return { ok: true, value: false };
      return { ok: false, error: 'is neither on nor off' };
    },
  };
}

const ON: ReadonlySet<string> = new Set(['on', '1', 'true']);
const OFF: ReadonlySet<string> = new Set(['off', '0', 'false']);

/** Text of its own form. Without `fallbackText` an undefined fallback is shown as `none`. */
export function text<T>(
  name: string,
  fallback: NoInfer<T>,
  options: Documented & {
    readonly allowed: string;
    readonly fallbackText?: string;
    readonly parse: (text: string) => Parsed<T>;
  },
): Setting<T> {
  return {
    name,
    about: options.about,
    allowed: options.allowed,
    fallback,
    fallbackText: options.fallbackText ?? (fallback === undefined ? 'none' : String(fallback)),
    secret: options.secret ?? false,
    parse: options.parse,
  };
}

/** A parser of text that one pattern describes. */
export function matching(pattern: RegExp, error: string): (text: string) => Parsed<string> {
  return (text) => (pattern.test(text) ? { ok: true, value: text } : { ok: false, error });
}

/** A table of settings by the name of the field that each becomes. */
export type SettingTable = Readonly<Record<string, Setting<unknown>>>;

/** The fields that a table is read into. */
export type ValuesOf<T extends SettingTable> = {
  readonly [Field in keyof T]: T[Field] extends Setting<infer Value> ? Value : never;
};

/** Reads every setting of a table. Where `faults` is not empty, the values of the settings at fault are their fallbacks. */
export function readSettings<T extends SettingTable>(
  table: T,
  env: Environment,
): { readonly values: ValuesOf<T>; readonly faults: readonly string[] } {
  const values: Record<string, unknown> = {};
  const faults: string[] = [];
  for (const [field, setting] of Object.entries(table)) {
    const given = env[setting.name]?.trim() ?? '';
    const parsed = given === '' ? { ok: true as const, value: setting.fallback } : setting.parse(given);
    values[field] = parsed.ok ? parsed.value : setting.fallback;
    if (!parsed.ok) faults.push(faultOf(setting, given, parsed.error));
  }
  return { values: values as ValuesOf<T>, faults };
}

/** The sentence for a value that can't be used: the variable, the value unless it is secret, what is wrong, what is allowed, how to mend it. */
export function faultOf(setting: Setting<unknown>, given: string, error: string): string {
  const shown = setting.secret ? ' (its value is secret and not shown)' : `=${quote(given)}`;
  const otherwise = `unset it for the default (${setting.fallbackText})`;
  return `${setting.name}${shown} ${error}. Allowed: ${setting.allowed}. Correct it, or ${otherwise}.`;
}

const QUOTED_LENGTH = 80;

/** Quoted and escaped, so that a value can't garble a terminal, and cut so that it can't fill one. */
export function quote(value: string): string {
  return JSON.stringify(value.length > QUOTED_LENGTH ? `${value.slice(0, QUOTED_LENGTH)}…` : value);
}
