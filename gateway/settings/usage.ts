/**
 * What the command line understands, and the settings as people read them: in a terminal and as the README's table.
 *
 * It prints nothing itself and starts nothing; `program.ts` does as it is told here.
 */
import { readFileSync } from 'node:fs';
import { SETTINGS } from './config.ts';
import type { Setting } from './setting.ts';

/** `worker`: one of several processes of a gateway; only that starts it so. */
export type Command = 'start' | 'worker' | 'help' | 'version';
export type ParsedArguments =
  | { readonly ok: true; readonly command: Command }
  | { readonly ok: false; readonly error: string };

/** What the arguments, without the program's own name, ask for. Settings are variables, so anything else is a mistake. */
export function parseArguments(args: readonly string[]): ParsedArguments {
  if (args.length === 1 && args[0] === 'worker') return { ok: true, command: 'worker' };
  const unknown = args.find((arg) => arg !== '--help' && arg !== '-h' && arg !== '--version');
  if (unknown !== undefined) {
    const error = `Unknown argument ${JSON.stringify(unknown)}. Settings are given as environment variables; --help lists them.`;
    return { ok: false, error };
  }
  if (args.includes('--help') || args.includes('-h')) return { ok: true, command: 'help' };
  return { ok: true, command: args.includes('--version') ? 'version' : 'start' };
}

/** The version in `package.json`, which stands two folders above the built file. */
export function packageVersion(): string {
  const file: unknown = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  if (typeof file === 'object' && file !== null && 'version' in file) return String(file.version);
  throw new Error('package.json has no version');
}

/** What `--help` prints: no line is longer than 100 characters unless a single word is. */
export function helpText(): string {
  return [
    'Usage: passerelle [--help | --version]',
    '       npm start [-- --help | --version]    in a clone of the repository',
    '',
    ...wrap('Passerelle takes its settings from environment variables. An empty one counts as unset.', WIDTH),
    '',
    ...settings().flatMap(helpEntry),
    '',
  ].join('\n');
}

/** The README's table of settings, ending with a line break. */
export function settingsMarkdown(): string {
  const rows = settings().map((setting) => {
    const cells = [`\`${setting.name}\``, setting.fallbackText, setting.allowed, setting.about];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return ['| variable | default | allowed | what it is for |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
}

/** The module `declared.ts`: the settings as the options of a gateway in an application's own process. */
export function settingsDeclaration(): string {
  const members = settings()
    .filter(({ name }) => name !== SETTINGS.workers.name)
    .map((setting) => {
      const about = [...wrap(setting.about, WIDTH), ...wrap(factsOf(setting), WIDTH)];
      const lines = about.map((line) => `   * ${line.replaceAll('*/', '*\\/')}`);
      return ['  /**', ...lines, '   */', `  readonly ${setting.name}?: ${typesOf(setting)} | undefined;`].join('\n');
    });
  return [
    '/** What `createGateway` takes. Written by `npm run docs` from the table in `config.ts`. */',
    '',
    '/** The settings, by the names of the environment variables; an empty text counts as not given. */',
    'export interface Settings {',
    ...members,
    '}',
    '',
  ].join('\n');
}

/** What a value may be written as, besides as the text that a variable has. */
function typesOf(setting: Setting<unknown>): string {
  if (typeof setting.fallback === 'boolean') return 'boolean | string';
  const takesNumbers = 'min' in setting || (setting.parse('1').ok && !setting.parse('x').ok);
  return takesNumbers ? 'number | string' : 'string';
}

const WIDTH = 100;

function settings(): readonly Setting<unknown>[] {
  return Object.values(SETTINGS);
}

function helpEntry(setting: Setting<unknown>): string[] {
  const indent = Math.max(...settings().map(({ name }) => name.length)) + 3;
  const room = WIDTH - indent;
  const lines = [...wrap(setting.about, room), ...wrap(factsOf(setting), room)];
  return lines.map((line, index) => (index === 0 ? `  ${setting.name}` : '').padEnd(indent) + line);
}

function factsOf({ allowed, fallbackText }: Setting<unknown>): string {
  return `Allowed: ${allowed}. Default: ${fallbackText}.`;
}

function wrap(sentences: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of sentences.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
