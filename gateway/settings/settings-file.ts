/**
 * Files that settings name: read, and where they are JSON checked against a schema, with every fault told by where it stands.
 *
 * It knows nothing of what the files are about.
 */
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { quote } from './setting.ts';

/** Reads a file as UTF-8 text; throws where that is not possible. */
export type ReadFile = (path: string) => string;

export type ReadText =
  | { readonly ok: true; readonly text: string }
  /** The fault is a clause that says nothing of the file's content. `denied`: the file is there, and may not be read. */
  | { readonly ok: false; readonly fault: string; readonly denied: boolean };

/** Content of a file, or every fault of it as a sentence that begins with its path. */
export type ReadContent<T> =
  | { readonly ok: true; readonly content: T }
  | { readonly ok: false; readonly faults: readonly string[] };

/** What a JSON file is to have. */
export interface FileForm<T> {
  readonly schema: z.ZodType<T>;
  /** The fields that may stand at a path. */
  readonly fieldsAt: (path: readonly PropertyKey[]) => readonly string[];
  /** What a name must be where names are free; continues the sentence "… is ". */
  readonly nameRule: string;
  /** Whether the file holds secrets: then a fault shows none of its text but names that may be had. */
  readonly secret: boolean;
}

export function readText(path: string, readFile: ReadFile = readUtf8): ReadText {
  try {
    return { ok: true, text: readFile(path) };
  } catch (error) {
    const code = codeOf(error);
    return {
      ok: false,
      fault: UNREADABLE[code] ?? `the file cannot be read (${messageOf(error)})`,
      denied: code === 'EACCES',
    };
  }
}

export function readJson<T>(path: string, form: FileForm<T>, readFile: ReadFile = readUtf8): ReadContent<T> {
  const read = readText(path, readFile);
  const faults = read.ok ? [] : [`${read.fault}. Correct the path or the file, or unset it`];
  if (read.ok) {
    const checked = check(read.text, form);
    if (checked.ok) return checked;
    faults.push(...checked.faults);
  }
  return { ok: false, faults: faults.map((fault) => `${quote(path)}: ${fault}.`) };
}

function check<T>(source: string, form: FileForm<T>): ReadContent<T> {
  let content: unknown;
  try {
    content = JSON.parse(source, refusePrototype);
  } catch (error) {
    // What the parser says quotes the text.
    return { ok: false, faults: [form.secret ? 'is not JSON' : `is not JSON: ${messageOf(error)}`] };
  }
  const parsed = form.schema.safeParse(content);
  if (parsed.success) return { ok: true, content: parsed.data };
  return { ok: false, faults: parsed.error.issues.flatMap((issue) => faultsOf(issue, form)) };
}

/** zod leaves such a field out without a word, but nothing in the file may be ignored silently. */
function refusePrototype(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new Error('the name __proto__ cannot be used');
  return value;
}

function faultsOf(issue: z.core.$ZodIssue, { fieldsAt, nameRule, secret }: FileForm<unknown>): string[] {
  const path = issue.path.map(String).join('.') || 'the top level';
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = fieldsAt(issue.path).join(', ');
      return issue.keys.map((key) => `${path} has the unknown field ${quote(key)}; known: ${known}`);
    }
    case 'invalid_key':
      return [`${secret ? `a name in ${issue.path.slice(0, -1).map(String).join('.')}` : path} is ${nameRule}`];
    case 'invalid_type':
      return [
        issue.expected === 'object' || issue.expected === 'record'
          ? `${path} must be an object`
          : `${path} ${issue.message}`,
      ];
    default:
      return [`${path} ${issue.message}`];
  }
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'this process has no permission to read the file',
  EISDIR: 'this is a folder, not a file',
};

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function readUtf8(path: string): string {
  return readFileSync(path, 'utf8');
}
