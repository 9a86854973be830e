/**
 * One client that is cut again and again and comes back where it was, to whichever gateway: a raw connection that reads the number
 * and the id of each event and nothing else. It counts what it must not get: an event twice, one out of order, a gap.
 */
import { connect, type Socket } from 'node:net';
import { PASSERELLE, type Transport } from './dialects.ts';
import { maskedText } from './frames.ts';

export interface RoamerOptions {
  readonly urls: readonly string[];
  readonly transport: Transport;
  readonly channel: string;
  readonly localAddress: string;
  readonly random: () => number;
  /** Milliseconds of the clock that the events are stamped with. */
  readonly now: () => number;
}

/** Digits of an event's number, which counts from 0, and of the moment of its publish, in milliseconds. */
export const NUMBER_DIGITS = 6;
export const STAMP_DIGITS = 13;

const DATA = `"!(\\d{${NUMBER_DIGITS}})(\\d{${STAMP_DIGITS}})`;
const EVENTS = {
  ws: new RegExp(`"id":"(\\d+-\\d+)","event":"message","data":${DATA}`, 'g'),
  sse: new RegExp(`id: (\\d+-\\d+)\\ndata: ${DATA}`, 'g'),
} as const;
const GAPS = { ws: '"type":"gap"', sse: 'event: gap' } as const;
/** More than an event has before the end of its stamp: what may be cut off at the end of a read. */
const KEPT = 256;
const RETRY_MS = 200;

export class Roamer {
  /** Events that came, each once and in order. */
  received = 0;
  duplicates = 0;
  /** Events that were passed over. */
  missed = 0;
  gaps = 0;
  /** Times that it was cut, and times that a gateway turned it away or lost it. */
  cuts = 0;
  refusals = 0;
  /** For each time that it came back and was owed something: milliseconds from the connect to the last event it was owed. */
  readonly replays: number[] = [];
  readonly #options: RoamerOptions;
  #socket: Socket | undefined;
  #position = '0-0';
  #rest = '';
  #connectedAt = 0;
  #lastOwedAt = 0;

  constructor(options: RoamerOptions) {
    this.#options = options;
  }

  connect(): void {
    const { urls, transport, channel, localAddress, random, now } = this.#options;
    const { hostname, port, host } = new URL(urls[Math.floor(random() * urls.length)] ?? '');
    this.#connectedAt = now();
    this.#lastOwedAt = 0;
    this.#rest = '';
    const socket = connect({ host: hostname, port: Number(port), noDelay: true, localAddress });
    this.#socket = socket;
    let asked = false;
    socket.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      if (transport === 'ws' && !asked && text.includes('"type":"welcome"')) {
        asked = true;
        socket.write(maskedText(PASSERELLE.subscribe?.(channel, 0, this.#position) ?? ''));
      }
      this.#read(text);
    });
    socket.on('error', () => undefined); // `close` follows
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.refusals++;
      this.#socket = undefined;
      setTimeout(() => this.#socket ?? this.connect(), RETRY_MS * (1 + random()));
    });
    const target = PASSERELLE.target(transport, [channel]);
    socket.write(
      transport === 'ws'
        ? `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
            'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
        : `GET ${target}&after=${this.#position} HTTP/1.1\r\nHost: ${host}\r\nAccept: text/event-stream\r\n\r\n`,
    );
  }

  /** Cuts the connection without a word. */
  cut(): void {
    this.cuts++;
    this.end();
  }

  end(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.resetAndDestroy();
    this.#replayed();
  }

  #read(text: string): void {
    const { transport } = this.#options;
    const all = this.#rest + text;
    const pattern = EVENTS[transport];
    let end = 0;
    pattern.lastIndex = 0;
    for (let found = pattern.exec(all); found !== null; found = pattern.exec(all)) {
      end = pattern.lastIndex;
      this.#event(found[1] ?? '', Number(found[2]), Number(found[3]));
    }
    const gap = GAPS[transport];
    for (let at = all.indexOf(gap); at !== -1; at = all.indexOf(gap, at + 1)) {
      this.gaps++;
      end = Math.max(end, at + gap.length);
    }
    this.#rest = all.slice(Math.max(end, all.length - KEPT));
  }

  #event(id: string, number: number, publishedAt: number): void {
    if (number < this.received + this.missed) {
      this.duplicates++;
      return;
    }
    this.missed += number - this.received - this.missed;
    this.received++;
    this.#position = id;
    if (publishedAt < this.#connectedAt) this.#lastOwedAt = this.#options.now();
    else this.#replayed();
  }

  #replayed(): void {
    if (this.#lastOwedAt !== 0) this.replays.push(this.#lastOwedAt - this.#connectedAt);
    this.#lastOwedAt = 0;
  }
}
