/**
 * Channel patterns, which say in a token or for an API key what channels somebody may use, and the channels that belong to one
 * user. Pure.
 *
 * A pattern is a channel's name in which `*` stands for one or more characters, whatever they are, and `@me` for the user. A channel whose name
 * begins with `@`, or does so after the namespace, belongs to the user whose segment (`users.ts`) stands there, and to nobody else: no `*` opens
 * it to others. Only a pattern that writes that `@` itself does, such as `notify:@bob` or `notify:@*`.
 */
export const MAX_PATTERNS = 100;
const MAX_PATTERN_LENGTH = 128;

const ALPHABET = /^[A-Za-z0-9_.:@*-]*$/;
const ME = '@me';

/** What a name was split into at its `*`: between any two parts stand one or more characters. */
type Glob = readonly string[];

/** A pattern that writes the `@` of somebody's own channels: what stands before it and behind it. */
interface PersonalGlob {
  readonly before: Glob;
  readonly behind: Glob;
}

export type CompiledPatterns =
  | { readonly ok: true; readonly patterns: Patterns }
  /** The error continues the sentence "The list …", and quotes nothing of it. */
  | { readonly ok: false; readonly error: string };

/** Reads a list of patterns for the user of a segment, or for somebody who is none: then there is no `@me`. */
export function compilePatterns(given: readonly string[], segment: string | undefined): CompiledPatterns {
  if (given.length > MAX_PATTERNS) return { ok: false, error: `has more than ${MAX_PATTERNS} patterns` };
  const patterns: string[] = [];
  for (const [index, pattern] of given.entries()) {
    const error = faultOf(pattern, segment);
    if (error !== undefined) return { ok: false, error: `has at place ${index + 1} what is no pattern: ${error}` };
    patterns.push(segment !== undefined && meansMe(pattern) ? `${pattern.slice(0, -ME.length)}@${segment}` : pattern);
  }
  return { ok: true, patterns: new Patterns(patterns, segment) };
}

/** A list of patterns, made by `compilePatterns`. */
export class Patterns {
  /** The patterns as they are matched, `@me` replaced. `new Patterns(sources, segment)` with the same segment is the same list. */
  readonly sources: readonly string[];
  readonly #own: string | undefined;
  readonly #names: ReadonlySet<string>;
  readonly #globs: readonly Glob[];
  readonly #personal: readonly PersonalGlob[];

  constructor(patterns: readonly string[], segment: string | undefined) {
    this.sources = patterns;
    this.#own = segment;
    const wild = patterns.filter((pattern) => pattern.includes('*'));
    this.#names = new Set(patterns.filter((pattern) => !pattern.includes('*')));
    this.#globs = wild.map((pattern) => pattern.split('*'));
    this.#personal = wild.flatMap(personalGlobs);
  }

  /** Whether one of them opens the channel. Each part of a pattern is looked for once, so nothing can make this slow. */
  match(channel: string): boolean {
    if (this.#names.has(channel)) return true;
    const owner = ownerOf(channel);
    if (owner === undefined || owner === this.#own) return this.#globs.some((glob) => covers(glob, channel));
    const at = channel.length - owner.length - 1;
    const [before, behind] = [channel.slice(0, at), channel.slice(at + 1)];
    return this.#personal.some((glob) => covers(glob.before, before) && covers(glob.behind, behind));
  }
}

/**
 * The segment of the user to whom a channel belongs: what stands behind the `@` with which the channel's name begins, or its name after the
 * namespace. A channel that begins with `@` has no namespace, as a user's segment may have colons.
 */
export function ownerOf(channel: string): string | undefined {
  const at = ownerAt(channel);
  return channel[at] === '@' ? channel.slice(at + 1) : undefined;
}

function ownerAt(channel: string): number {
  return channel[0] === '@' ? 0 : channel.indexOf(':') + 1;
}

function faultOf(pattern: string, segment: string | undefined): string | undefined {
  if (pattern === '') return 'it is empty';
  if (pattern.length > MAX_PATTERN_LENGTH) return `it is longer than ${MAX_PATTERN_LENGTH} characters`;
  if (!ALPHABET.test(pattern)) return 'it may have A-Z a-z 0-9 _ . : @ - and * only';
  if (pattern.includes('**')) return 'it has ** where one * says the same';
  if (/(^|:)@me[:*]/.test(pattern)) return '@me may only stand at its end';
  if (segment === undefined && meansMe(pattern)) return '@me is the user of a token, and there is none';
  return undefined;
}

function meansMe(pattern: string): boolean {
  return pattern === ME || pattern.endsWith(`:${ME}`);
}

function personalGlobs(pattern: string): PersonalGlob[] {
  if (ownerOf(pattern) === undefined) return [];
  const at = ownerAt(pattern);
  return [{ before: pattern.slice(0, at).split('*'), behind: pattern.slice(at + 1).split('*') }];
}

/** Takes each part at the first place where it can stand: if any choice of places fits, this one does. */
function covers(glob: Glob, name: string): boolean {
  const [first = '', ...rest] = glob;
  const last = rest.pop();
  if (last === undefined) return name === first;
  if (!name.startsWith(first) || !name.endsWith(last)) return false;
  let end = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, end + 1);
    if (found < 0) return false;
    end = found + part.length;
  }
  return end < name.length - last.length;
}
