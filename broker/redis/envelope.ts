/**
 * The bytes that carry an event: the body `name LF data`, which is what a stream entry holds, and the envelope
 * `id SP prev SP body`, which is what a publish sends to the gateways. `lua/publish.lua` writes the envelope.
 *
 * No id holds a space and no name a line feed, so two searches and no parser find the parts. An ephemeral event has `-`
 * in place of both ids.
 */
import type { Event, Message, Position } from '../broker.ts';

const SPACE = 0x20;
const LINE_FEED = 0x0a;
const NO_ID = '-';

export function encodeBody(message: Message): string {
  return `${message.name}\n${message.data}`;
}

/** The event's data is a view into `body`. */
export function decodeBody(id: Position, prev: Position, body: Buffer): Event {
  const nameEnd = body.indexOf(LINE_FEED);
  return { id, prev, name: body.toString('latin1', 0, nameEnd), data: body.subarray(nameEnd + 1) };
}

/** Undefined where the bytes are no envelope: somebody else published to the channel. The data is a view into them. */
export function decodeEnvelope(envelope: Buffer): Event | undefined {
  const idEnd = envelope.indexOf(SPACE);
  const prevEnd = envelope.indexOf(SPACE, idEnd + 1);
  const nameEnd = envelope.indexOf(LINE_FEED, prevEnd + 1);
  if (idEnd < 1 || prevEnd < 0 || nameEnd < 0) return undefined;
  const id = envelope.toString('latin1', 0, idEnd);
  return {
    id: id === NO_ID ? '' : id,
    prev: id === NO_ID ? '' : envelope.toString('latin1', idEnd + 1, prevEnd),
    name: envelope.toString('latin1', prevEnd + 1, nameEnd),
    data: envelope.subarray(nameEnd + 1),
  };
}
