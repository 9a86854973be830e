/** What is sent, and how a frame is shown: JSON laid out, bytes as hexadecimal. Pure. */
import type { Payload } from './round-trips.ts';

const MAX_TEXT = 4_000;
const MAX_BYTES = 64;
const CHANNEL = 'demo';

/** A frame for each command of the protocol, and one that is none. */
export const COMMANDS = {
  ping: { type: 'ping' },
  subscribe: { type: 'subscribe', channel: CHANNEL, tail: 5 },
  publish: { type: 'publish', channel: CHANNEL, data: { hello: 'world' } },
  history: { type: 'history', channel: CHANNEL, limit: 5 },
  presence: { type: 'presence', channel: CHANNEL },
  unsubscribe: { type: 'unsubscribe', channel: CHANNEL },
  test: { type: 'test' },
} as const;

export type Command = keyof typeof COMMANDS;

export function isCommand(name: string): name is Command {
  return Object.hasOwn(COMMANDS, name);
}

export function sizeOf(payload: Payload): number {
  return typeof payload === 'string' ? new TextEncoder().encode(payload).length : payload.length;
}

/** For the eye: cut where it is too long to be looked at. */
export function shown(payload: Payload): string {
  if (typeof payload === 'string') return cut(laidOut(payload), MAX_TEXT);
  const bytes = Array.from(payload.subarray(0, MAX_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return payload.length > MAX_BYTES ? `${bytes} …` : bytes;
}

function laidOut(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // plain text is a frame, too
  }
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
