/** The files of the demo pages, read once and kept in memory. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';

export interface Page {
  readonly type: string;
  readonly etag: string;
  readonly body: Buffer;
  /** Whether pages of any origin may load it. */
  readonly anywhere: boolean;
}

const CLIENT = 'client.js';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Every file of the folder under its own name, but `index.html` under `/`. */
export function loadPages(folder: URL): ReadonlyMap<string, Page> {
  const pages = new Map<string, Page>();
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const body = readFileSync(new URL(name, folder));
    const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    pages.set(name === 'index.html' ? '/' : `/${name}`, { type, etag, body, anywhere: name === CLIENT });
  }
  return pages;
}
