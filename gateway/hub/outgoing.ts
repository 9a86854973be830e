/**
 * What goes out to subscribers: events, encoded once for each wire form whatever the number of subscribers, and gaps.
 * Owns the bytes of an event's WebSocket frame and of its SSE block; knows no sockets.
 */
import { type Event, isPosition, ORIGIN, type Position } from '../../broker/broker.ts';
import { DEFAULT_EVENT, GAP_EVENT } from '../protocol.ts';

const CLOSING_BRACE = Buffer.from('}');
const BLOCK_END = Buffer.from('\n\n');
const TYPE_MEMBER = '"type":"event",';

/**
 * Another WebSocket form of events than the protocol's own, for an application that speaks its own messages over a channel; undefined
 * where it says nothing about an event. A form is told apart by its identity.
 */
export type Form = (event: OutgoingEvent, channel: string) => string | undefined;

/** An event, ready encoded. Its bytes are shared by all that it is sent to: never written to. */
export class OutgoingEvent {
  readonly id: Position;
  readonly prev: Position;
  readonly name: string;
  /** The WebSocket text frame. */
  readonly frame: Buffer;
  readonly #dataStart: number;
  #block: Buffer | undefined;

  /** `prev` is passed apart so that a chain's neighbours can share one string, which makes comparing them cheap. */
  constructor(channel: string, event: Event, prev: Position = event.prev) {
    this.id = event.id;
    this.prev = prev;
    this.name = event.name;
    const id = event.id === '' ? '' : `"id":"${event.id}",`;
    // Channel, id and name are held to alphabets that JSON need not escape. Memory of its own is what uWS sends cheapest.
    const head = `{${TYPE_MEMBER}"channel":"${channel}",${id}"event":"${event.name}","data":`;
    const data = withoutLineSeparators(event.data);
    this.#dataStart = head.length;
    this.frame = Buffer.allocUnsafeSlow(head.length + data.length + 1);
    this.frame.write(head, 0, 'latin1');
    this.frame.set(data, head.length);
    this.frame[this.frame.length - 1] = CLOSING_BRACE[0] as number;
  }

  /** The SSE block of a stream of this one channel, where the cursor is the event's own id. */
  get block(): Buffer {
    this.#block ??= this.blockAt(this.id, false);
    return this.#block;
  }

  /** The SSE block with another cursor, or with the envelope in place of the bare data. `cursor` `''` leaves the id out. */
  blockAt(cursor: string, envelope: boolean): Buffer {
    const id = cursor === '' ? '' : `id: ${cursor}\n`;
    const name = this.name === DEFAULT_EVENT ? '' : `event: ${this.name}\n`;
    if (!envelope) return Buffer.concat([Buffer.from(`${id}${name}data: `), this.#data(), BLOCK_END]);
    const members = this.frame.subarray(1 + TYPE_MEMBER.length);
    return Buffer.concat([Buffer.from(`${id}${name}data: {`), members, BLOCK_END]);
  }

  /** Bytes held in memory, counted as if both forms were in use. */
  get size(): number {
    return 2 * this.frame.length;
  }

  /** The JSON text that was published, but for how some characters are written. */
  get text(): string {
    return this.#data().toString();
  }

  #data(): Buffer {
    return this.frame.subarray(this.#dataStart, this.frame.length - 1);
  }
}

/** Characters that JSON may bear as they are, but that readers of lines in several languages take for the end of one. */
const LINE_SEPARATORS = /[\u0085\u2028\u2029]/g;
/** The first bytes of these characters in UTF-8: most text has neither, which is found out at little cost. */
const SEPARATOR_LEADS = [0xc2, 0xe2] as const;

/** JSON text with these characters escaped, which means the same, as they occur in strings only. It is the text itself where there are none. */
function withoutLineSeparators(json: Uint8Array): Uint8Array {
  if (!SEPARATOR_LEADS.some((lead) => json.includes(lead))) return json;
  const text = Buffer.from(json.buffer, json.byteOffset, json.length).toString();
  const escaped = text.replace(LINE_SEPARATORS, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return escaped === text ? json : Buffer.from(escaped);
}

/** Events after `after` cannot be had; `id` is the first that can, or the channel's last id where none is left. */
export class Gap {
  readonly channel: string;
  readonly after: Position;
  readonly id: Position;

  constructor(channel: string, after: Position, id: Position) {
    this.channel = channel;
    this.after = after;
    this.id = id;
  }

  get frame(): Buffer {
    return Buffer.from(JSON.stringify({ type: 'gap', channel: this.channel, after: this.after, id: this.id }));
  }

  blockAt(cursor: string): Buffer {
    const data = JSON.stringify({ channel: this.channel, after: this.after, id: this.id });
    return Buffer.from(`id: ${cursor}\nevent: ${GAP_EVENT}\ndata: ${data}\n\n`);
  }
}

/** Events of one channel that follow each other, to be written together; often shared by all that stand at the same place. */
export class Run {
  readonly events: readonly OutgoingEvent[];
  #frames: readonly Buffer[] | undefined;
  #formed: Map<Form, readonly Buffer[]> | undefined;

  constructor(events: readonly OutgoingEvent[]) {
    this.events = events;
  }

  /** The WebSocket frames, one for each event. */
  get frames(): readonly Buffer[] {
    this.#frames ??= this.events.map(({ frame }) => frame);
    return this.#frames;
  }

  /** The WebSocket frames in another form, without the events that it says nothing about. */
  framesAs(form: Form, channel: string): readonly Buffer[] {
    this.#formed ??= new Map();
    let frames = this.#formed.get(form);
    if (frames === undefined) {
      frames = this.events.flatMap((event) => {
        const text = form(event, channel);
        return text === undefined ? [] : [Buffer.from(text)];
      });
      this.#formed.set(form, frames);
    }
    return frames;
  }
}

export type Outgoing = Run | Gap;

/** Bytes gathered for one write; an event that is larger goes alone. */
export const BATCH_BYTES = 16_384;

/** As many of the events, from the given index on, as fit into one write; one at least where there is one. */
export function batchOf(events: readonly OutgoingEvent[], from: number): readonly OutgoingEvent[] {
  let bytes = 0;
  let end = from;
  for (; end < events.length; end++) {
    bytes += events[end]?.frame.length ?? 0;
    if (bytes > BATCH_BYTES && end > from) break;
  }
  return events.slice(from, end);
}

/** The positions of a stream's channels as one SSE id: as they are where they fit, in base 36 where they would be too long. */
export function encodeCursor(positions: readonly Position[]): string {
  const plain = positions.join('.');
  if (positions.length === 1 || plain.length <= MAX_PLAIN_CURSOR) return plain;
  return COMPACT_MARK + positions.map((position) => recode(position, 10, 36)).join('.');
}

/** The positions that a cursor stands for, or undefined where it is none for so many channels. `0-0` alone stands for all. */
export function decodeCursor(cursor: string, channels: number): Position[] | undefined {
  if (cursor === ORIGIN) return new Array(channels).fill(ORIGIN);
  const compact = cursor.startsWith(COMPACT_MARK);
  const parts = (compact ? cursor.slice(COMPACT_MARK.length) : cursor).split('.');
  if (parts.length !== channels) return undefined;
  if (!compact) return parts.every(isPosition) ? parts : undefined;
  if (!parts.every((part) => COMPACT_POSITION.test(part))) return undefined;
  return parts.map((part) => recode(part, 36, 10));
}

/** A browser sends a cross-origin `Last-Event-ID` without a preflight up to this many bytes. */
const MAX_PLAIN_CURSOR = 128;
const COMPACT_MARK = '~';
const COMPACT_POSITION = /^[0-9a-z]{1,10}-[0-9a-z]{1,10}$/;

function recode(position: Position, from: number, to: number): Position {
  return position
    .split('-')
    .map((part) => Number.parseInt(part, from).toString(to))
    .join('-');
}
