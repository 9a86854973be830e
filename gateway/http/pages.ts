/** The files of the demo pages and of the client, read once and kept in memory, as they are and compressed. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { gzipSync } from 'node:zlib';

export interface Page {
  readonly type: string;
  readonly plain: Variant;
  readonly zipped: Variant;
  /** Whether pages of any origin may load it. */
  readonly anywhere: boolean;
}

/** One form of a page. */
export interface Variant {
  readonly etag: string;
  readonly body: Buffer;
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
    const digest = createHash('sha256').update(body).digest('base64url').slice(0, 22);
    pages.set(name === 'index.html' ? '/' : `/${name}`, {
      type,
      plain: { etag: `"${digest}"`, body },
      zipped: { etag: `"${digest}-gzip"`, body: gzipSync(body, { level: 9 }) },
      anywhere: name === CLIENT,
    });
  }
  return pages;
}

/** Whether who says this with `Accept-Encoding` takes gzip. */
export function acceptsGzip(accepted: string): boolean {
  return accepted.split(',').some((each) => /^\s*(?:x-)?gzip\s*(?:;\s*q\s*=\s*(?!0(?:\.0*)?\s*$).*)?$/i.test(each));
}
