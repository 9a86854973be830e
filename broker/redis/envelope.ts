/**
 * The bytes that carry an event: the body `name LF data`, which is what a stream entry holds, and the envelope
 * `id SP prev SP body`, which is what a publish sends to the gateways. `lua/publish.lua` writes the envelope.
 *
 * No id holds a space and no name a line feed, so two searches and no parser find the parts. An ephemeral event has `-`
 * in place of both ids.
 */
import { type Event, isPosition, type Message, type Position } from '../broker.ts';

const SPACE = 0x20;
const LINE_FEED = 0x0a;
const NO_ID = '-';
const NAME = /^[A-Za-z0-9_.:-]{1,64}$/;
/** What data can't have, as it is one line of JSON, and would break what goes out to clients. */
const CARRIAGE_RETURN = 0x0d;
const NUL = 0;
/** With what a JSON text may begin, and end. */
const BEGINS = new Set(Buffer.from('{["-0123456789tfn \t'));
const ENDS = new Set(Buffer.from('}]"0123456789el \t'));

export function encodeBody(message: Message): string {
  return `${message.name}\n${message.data}`;
}

/**
 * The event's data is a view into `body`. A body that no gateway has stored is kept in the chain, which needs its id, as an event without
 * content.
 */
export function decodeBody(id: Position, prev: Position, body: Buffer): Event {
  return decodeFrom(id, prev, body, 0) ?? { id, prev, name: 'message', data: Buffer.from('null') };
}

/**
 * Undefined where the bytes are no envelope: a gateway of another version published it, or somebody else. The data is a view into them; that it
 * is JSON is told by its ends only, as to parse each event would cost more than all else.
 */
export function decodeEnvelope(envelope: Buffer): Event | undefined {
  const idEnd = envelope.indexOf(SPACE);
  const prevEnd = envelope.indexOf(SPACE, idEnd + 1);
  if (idEnd < 1 || prevEnd <= idEnd + 1 || prevEnd > LONGEST_IDS) return undefined;
  const id = envelope.toString('latin1', 0, idEnd);
  const prev = envelope.toString('latin1', idEnd + 1, prevEnd);
  if (id === NO_ID && prev === NO_ID) return decodeFrom('', '', envelope, prevEnd + 1);
  return isPosition(id) && isPosition(prev) && id !== prev ? decodeFrom(id, prev, envelope, prevEnd + 1) : undefined;
}

/** Two ids of 31 characters and the space between. */
const LONGEST_IDS = 63;

function decodeFrom(id: Position, prev: Position, bytes: Buffer, from: number): Event | undefined {
  const nameEnd = bytes.indexOf(LINE_FEED, from);
  if (nameEnd < 0) return undefined;
  const name = bytes.toString('latin1', from, Math.min(nameEnd, from + 65));
  const data = bytes.subarray(nameEnd + 1);
  return NAME.test(name) && isLine(data) ? { id, prev, name, data } : undefined;
}

function isLine(data: Buffer): boolean {
  if (!BEGINS.has(data[0] ?? NUL) || !ENDS.has(data[data.length - 1] ?? NUL)) return false;
  return !data.includes(LINE_FEED) && !data.includes(CARRIAGE_RETURN) && !data.includes(NUL);
}
