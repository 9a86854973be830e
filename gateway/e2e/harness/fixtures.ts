/** What several end-to-end tests need: a channels file with small namespaces, and channel names that no other test has. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How many events a channel of the namespace `small` keeps. */
export const SMALL_SIZE = 3;

export interface ChannelsFile {
  readonly path: string;
  remove(): void;
}

/** Namespaces: `small` keeps three events, `brief` keeps them for three seconds, `none` keeps nothing, `bulk` keeps everything; and more of the caller's. */
export function writeChannelsFile(more: Readonly<Record<string, unknown>> = {}): ChannelsFile {
  const folder = mkdtempSync(join(tmpdir(), 'passerelle-'));
  const path = join(folder, 'channels.json');
  const namespaces = {
    small: { history: { size: SMALL_SIZE } },
    brief: { history: { size: 100, retention: '3s' } },
    none: { history: { size: 0 } },
    bulk: { history: { size: 100_000 } },
    ...more,
  };
  writeFileSync(path, JSON.stringify({ namespaces }));
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Names of channels, each another: tests of one file share a gateway, and must not meet. */
export function channelNames(): (namespace?: string) => string {
  let count = 0;
  return (namespace) => {
    count++;
    return namespace === undefined ? `channel-${count}` : `${namespace}:channel-${count}`;
  };
}
