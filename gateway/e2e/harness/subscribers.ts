/**
 * Subscribers that come back: whenever their connection ends they go to another gateway and resume at their positions.
 * What they got is recorded per channel, in the checker's words. They never ask for anything twice on their own account.
 */
import type { ClientOptions } from 'ws';
import { comparePositions, ORIGIN, type Position } from '../../../broker/broker.ts';
import type { Item, Subscription } from './checker.ts';
import { type Frame, SseClient, WsClient } from './clients.ts';
import type { Block } from './event-stream.ts';
import type { Progress, Step } from './liveness.ts';

/** Where gateways are to be found now, and how long to wait before trying one. */
export interface Route {
  /** Another gateway than the one at `last`, where there is one. */
  next(last: string | undefined): string;
  /** `toldMs` is what the gateway asked for, if it did: by a `reconnect` frame on the connection that ended, or by `retry:`. */
  backoffMs(toldMs?: number): number;
}

export interface SubscriberOptions {
  readonly name: string;
  readonly channels: readonly string[];
  readonly route: Route;
  /** `origin`: all that is kept; `now`: only what is new. */
  readonly from: 'origin' | 'now';
  /** Each event, as it comes. */
  readonly onEvent?: (channel: string, data: string) => void;
  /** A subscription continues at this position on a new connection. */
  readonly onResume?: (channel: string, position: Position) => void;
  /**
   * A connection on which nothing came for so long is given up, as its other end may be gone without a word. The gateway must
   * send something within half of that; a WebSocket is asked to by pings.
   */
  readonly silenceLimitMs?: number;
  /** For those over WebSocket: their connections' options. */
  readonly ws?: ClientOptions;
}

/** One channel's record: from the first position on, everything that came. */
class Track {
  readonly items: Item[] = [];
  /** When it got how far. */
  readonly steps: Step[] = [];
  /** What is owed to it begins here. One that asked for all that is kept is owed all, wherever the gateway began. */
  start: Position | undefined;
  position: Position | undefined;
  /** Where it stands once the gap has come that it was told of: its connection may end before that. */
  #behindGap: Position | undefined;
  readonly #from: 'origin' | 'now';
  readonly #onEvent: ((data: string) => void) | undefined;

  constructor(from: 'origin' | 'now', onEvent?: (data: string) => void) {
    this.#from = from;
    this.#onEvent = onEvent;
  }

  /** Where to continue: nothing stands for "new events only". */
  get resumeAt(): Position | undefined {
    return this.position ?? (this.#from === 'origin' ? ORIGIN : undefined);
  }

  begin(position: Position, recovered = true): void {
    this.start ??= this.#from === 'origin' ? ORIGIN : position;
    this.#stand(position, recovered);
  }

  resumed(position: Position, recovered: boolean): void {
    this.items.push({ type: 'resumed', position, recovered });
    this.#stand(position, recovered);
  }

  /** `stands`: where it continues from, where the transport tells. */
  gap(after: Position, id: Position, stands?: Position): void {
    this.items.push({ type: 'gap', after, id, ...(stands === undefined ? {} : { stands }) });
    this.#reached(id); // what lies before it can't be had
    this.position = stands ?? this.#behindGap ?? this.position;
    this.#behindGap = undefined;
  }

  event(id: Position, data: string): void {
    this.items.push({ type: 'event', id, data });
    this.#reached(id);
    this.position = id;
    this.#behindGap = undefined;
    this.#onEvent?.(data);
  }

  #reached(id: Position): void {
    this.steps.push({ at: performance.now(), id });
  }

  #stand(position: Position, recovered: boolean): void {
    this.#reached(recovered ? position : ORIGIN);
    if (recovered) this.position = position;
    this.#behindGap = recovered ? undefined : position;
  }
}

/** What both transports have in common: the record, and the loop that connects again for as long as it is wanted. */
abstract class Subscriber {
  readonly name: string;
  readonly channels: readonly string[];
  protected readonly tracks: ReadonlyMap<string, Track>;
  readonly #route: Route;
  readonly #onResume: SubscriberOptions['onResume'];
  readonly #silenceLimitMs: number | undefined;
  #stopped = false;
  #loop: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  /** When to come back, as far as the gateway told. */
  protected toldMs: number | undefined;
  /** Connections that ended, by a cut or by the gateway's end. */
  reconnects = 0;
  /** Frames of a kind that has no place in this stream, `error` above all. At most 20 are kept. */
  readonly complaints: string[] = [];

  constructor(options: SubscriberOptions) {
    this.name = options.name;
    this.channels = options.channels;
    this.#route = options.route;
    this.#onResume = options.onResume;
    this.#silenceLimitMs = options.silenceLimitMs;
    const { from, onEvent } = options;
    this.tracks = new Map(
      options.channels.map((channel) => [channel, new Track(from, onEvent && ((data) => onEvent(channel, data)))]),
    );
  }

  /** Begins on this gateway. Later ones are chosen by the route. */
  start(url: string): void {
    this.#loop = this.#run(url);
  }

  /** Ends for good. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake?.();
    this.cut();
    await this.#loop;
  }

  /** Whether every channel is subscribed to: each has a position to begin at. */
  get begun(): boolean {
    return [...this.tracks.values()].every((track) => track.start !== undefined);
  }

  /** Whether it has the event `id` of the channel, or a later one. */
  reached(channel: string, id: Position): boolean {
    const position = this.tracks.get(channel)?.position;
    return position !== undefined && comparePositions(position, id) >= 0;
  }

  /** Where it would continue; undefined before it began. */
  positionIn(channel: string): Position | undefined {
    return this.tracks.get(channel)?.position;
  }

  /** How much has been recorded, of all channels. */
  get received(): number {
    return [...this.tracks.values()].reduce((sum, { items }) => sum + items.length, 0);
  }

  subscriptions(): Subscription[] {
    return [...this.tracks].map(([channel, { start, items }]) => ({
      subscriber: this.name,
      channel,
      start: start ?? ORIGIN,
      items,
    }));
  }

  /** How far it was when, by channel; nothing of those that it has not begun. */
  progress(): Progress[] {
    return [...this.tracks].flatMap(([channel, { steps }]) =>
      steps.length === 0 ? [] : [{ subscriber: this.name, channel, steps }],
    );
  }

  /** Destroys the socket of now, if there is one. */
  abstract cut(): void;

  /** When the connection of now was last heard, by `performance.now()`. */
  protected abstract get heardAt(): number;

  /** Has the other end say something. */
  protected abstract ask(): void;

  /** Connects, and resolves when that connection has ended. */
  protected abstract connection(url: string): Promise<void>;

  protected resumed(channel: string, position: Position, recovered: boolean): void {
    this.tracks.get(channel)?.resumed(position, recovered);
    this.#onResume?.(channel, position);
  }

  protected complain(about: unknown): void {
    if (this.complaints.length < 20) this.complaints.push(JSON.stringify(about));
  }

  async #run(first: string): Promise<void> {
    let url = first;
    while (!this.#stopped) {
      const watch = this.#watchSilence();
      await this.connection(url);
      clearInterval(watch);
      if (this.#stopped) return;
      this.reconnects++;
      await this.#pause(this.#route.backoffMs(this.toldMs));
      url = this.#route.next(url);
    }
  }

  #watchSilence(): NodeJS.Timeout | undefined {
    const limitMs = this.#silenceLimitMs;
    if (limitMs === undefined) return undefined;
    return setInterval(() => {
      if (performance.now() - this.heardAt > limitMs) this.cut();
      else this.ask();
    }, limitMs / 4);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Over WebSocket: a `subscribe` for each channel, with `after` once it has a position. */
export class WsSubscriber extends Subscriber {
  readonly #ws: ClientOptions;
  #client: WsClient | undefined;

  constructor(options: SubscriberOptions) {
    super(options);
    this.#ws = options.ws ?? {};
  }

  override cut(): void {
    this.#client?.destroy();
  }

  protected override get heardAt(): number {
    return this.#client?.heardAt ?? 0;
  }

  protected override ask(): void {
    this.#client?.send({ type: 'ping' });
  }

  protected override async connection(url: string): Promise<void> {
    /** What was asked on this connection: the answer is a resume only where a position of ours was sent. */
    const resuming = new Set<string>();
    const sink = { push: (frame: Frame) => this.#take(frame, resuming), end: () => client.destroy() };
    const client = new WsClient(`${url}/ws`, { sink, ws: this.#ws });
    this.#client = client;
    this.toldMs = undefined;
    client.opened.then(
      () => {
        for (const [channel, track] of this.tracks) {
          if (track.position !== undefined) resuming.add(channel);
          const after = track.resumeAt;
          client.send({ type: 'subscribe', channel, ...(after === undefined ? {} : { after }) });
        }
      },
      () => undefined, // The connection could not be made: `closed` tells the loop.
    );
    await client.closed;
  }

  #take(frame: Frame, resuming: ReadonlySet<string>): void {
    const { type, channel, id } = frame;
    const track = this.tracks.get(String(channel));
    if (type === 'event' && track) track.event(String(id), JSON.stringify(frame.data));
    else if (type === 'subscribed' && track) {
      const position = String(frame.position);
      if (resuming.has(String(channel))) this.resumed(String(channel), position, frame.recovered === true);
      else track.begin(position, frame.recovered === true);
    } else if (type === 'gap' && track) track.gap(String(frame.after), String(id));
    // Without its subscription the connection is of no use: it is made again.
    else if (type === 'error') {
      if (frame.code !== 'unavailable') this.complain(frame);
      this.cut();
    } else if (type === 'reconnect') this.toldMs = Number(frame.after);
    else if (type !== 'welcome' && type !== 'pong') this.complain(frame);
  }
}

/** Over SSE, with `Last-Event-ID` as a browser would send it. Several channels come with `envelope=1`, to be told apart. */
export class SseSubscriber extends Subscriber {
  #client: SseClient | undefined;
  #cursor = '';

  override cut(): void {
    this.#client?.destroy();
  }

  protected override get heardAt(): number {
    return this.#client?.heardAt ?? 0;
  }

  protected override ask(): void {
    // Its comments come by themselves.
  }

  protected override async connection(url: string): Promise<void> {
    const query = this.channels.map((channel) => `channel=${channel}`);
    if (this.channels.length > 1) query.push('envelope=1');
    const resuming = this.#cursor !== '';
    const headers: Record<string, string> = resuming ? { 'last-event-id': this.#cursor } : {};
    const from = [...this.tracks.values()].map((track) => track.resumeAt);
    if (!resuming && from.every((position) => position !== undefined)) query.push(`after=${from.join('.')}`);

    let first = true;
    const push = (block: Block) => {
      if (first) this.#opened(block, resuming);
      else this.#take(block);
      first = false;
      this.#cursor = block.lastEventId;
    };
    const client = new SseClient(`${url}/events?${query.join('&')}`, { headers, sink: { push, end: () => undefined } });
    this.#client = client;
    client.opened.then(
      (response) => {
        // A proxy says 502 or 504 for a gateway that is not there, which no gateway does.
        if (![200, 502, 504].includes(response.statusCode ?? 0)) this.complain({ status: response.statusCode });
      },
      () => undefined, // The connection could not be made: `closed` tells the loop.
    );
    await client.closed;
    this.toldMs = client.retryMs ?? this.toldMs;
  }

  /** The first block bears the position that the stream continues from, and nothing else. */
  #opened(block: Block, resuming: boolean): void {
    if (block.data !== undefined) this.complain({ opened: block });
    const positions = block.lastEventId.split('.');
    if (positions.length !== this.channels.length) this.complain({ cursor: block.lastEventId });
    [...this.tracks].forEach(([channel, track], index) => {
      const position = positions[index] ?? ORIGIN;
      // The stream has no flag for a complete resume: one that continues elsewhere must announce it by a gap.
      if (resuming) this.resumed(channel, position, position === track.position);
      else track.begin(position);
    });
  }

  #take(block: Block): void {
    if (block.data === undefined) {
      this.complain(block);
      return;
    }
    const value: unknown = JSON.parse(block.data);
    const ids = block.lastEventId.split('.');
    if (block.event === 'gap') {
      const gap = fields(value);
      const channel = String(gap.channel);
      this.tracks.get(channel)?.gap(String(gap.after), String(gap.id), ids[this.channels.indexOf(channel)]);
      return;
    }
    const [only] = this.channels;
    const envelope = this.channels.length > 1 ? fields(value) : { channel: only, id: ids[0], data: value };
    const id = ids[this.channels.indexOf(String(envelope.channel))];
    if (id === undefined || id !== envelope.id) this.complain(block);
    else this.tracks.get(String(envelope.channel))?.event(id, JSON.stringify(envelope.data));
  }
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
