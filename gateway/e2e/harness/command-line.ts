/** The command lines of what is run by hand: a table of options that parses them, and says how they are used where that fails or is asked for. */
import { parseArgs } from 'node:util';

/** What an option is unless it is given, which also says what it may be: a number, a text, or a switch that is off. */
export interface Option {
  readonly about: string;
  readonly default: number | string | false | undefined;
}

export type Values<T extends Readonly<Record<string, Option>>> = {
  readonly [Name in keyof T]: T[Name]['default'] extends number
    ? number
    : T[Name]['default'] extends false
      ? boolean
      : T[Name]['default'] extends string
        ? string
        : string | undefined;
};

/** The options of this process. Ends it with 0 where it is asked for help, with 2 and all that is wrong where something is. */
export function commandLine<const T extends Readonly<Record<string, Option>>>(usage: string, options: T): Values<T> {
  const read = readOptions(process.argv.slice(2), options);
  if (read.ok) return read.values;
  const help = `Usage: ${usage}\n\n${describe(options)}`;
  if (read.faults.length === 0) console.log(help);
  else console.error(`${read.faults.join('\n')}\n\n${help}`);
  process.exit(read.faults.length === 0 ? 0 : 2);
}

/** No faults where it is not `ok`: then help was asked for. */
export function readOptions<const T extends Readonly<Record<string, Option>>>(
  args: readonly string[],
  options: T,
): { readonly ok: true; readonly values: Values<T> } | { readonly ok: false; readonly faults: readonly string[] } {
  const types = Object.entries(options).map(([name, option]) => {
    return [name, { type: option.default === false ? 'boolean' : 'string' }] as const;
  });
  let given: Readonly<Record<string, string | boolean | undefined>>;
  try {
    given = parseArgs({ args: [...args], options: { ...Object.fromEntries(types), help: { type: 'boolean' } } }).values;
  } catch (error) {
    return { ok: false, faults: [error instanceof Error ? error.message : String(error)] };
  }
  if (given.help) return { ok: false, faults: [] };
  const faults: string[] = [];
  const values = Object.entries(options).map(([name, option]) => {
    const value = given[name];
    if (value === undefined) return [name, option.default] as const;
    if (typeof option.default !== 'number') return [name, value] as const;
    if (!/^\d+$/.test(String(value))) faults.push(`--${name} is ${JSON.stringify(value)}, which is no whole number`);
    return [name, Number(value)] as const;
  });
  if (faults.length > 0) return { ok: false, faults };
  return { ok: true, values: Object.fromEntries(values) as Values<T> };
}

function describe(options: Readonly<Record<string, Option>>): string {
  const width = Math.max(...Object.keys(options).map((name) => name.length));
  const lines = Object.entries(options).map(([name, option]) => {
    const otherwise = option.default === false || option.default === undefined ? '' : ` (${option.default})`;
    return `  --${name.padEnd(width)}  ${option.about}${otherwise}`;
  });
  return lines.join('\n');
}

/** A seed for a run that was not given one. */
export function anySeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}
