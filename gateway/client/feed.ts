/**
 * One channel as the page has subscribed to it: where it stands, and who is told what comes. Knows no transport: the position is all
 * that one link leaves to the next, of whatever kind that is.
 */
import { guard, type PasserelleError } from './errors.ts';

export interface ChannelEvent {
  readonly channel: string;
  /** Empty on an ephemeral channel. */
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

/** The events between the two positions cannot be had. */
export interface Gap {
  readonly channel: string;
  readonly after: string;
  readonly id: string;
}

/** A user of a channel; `user` is null, or missing, for an anonymous connection. */
export interface Member {
  readonly connection: string;
  readonly user?: string | null;
  readonly name?: string | null;
  /** All connections of the user, where the whole list was asked for. */
  readonly connections?: readonly string[];
}

export interface Subscribed {
  /** Where the subscription continues. */
  readonly position: string;
  /** False where events are missing. By SSE that is not known yet: there it is told by the gap alone. */
  readonly recovered: boolean;
  /** Whether it stood before, and was interrupted. */
  readonly resumed: boolean;
}

export interface SubscribeOptions {
  /** Every event after this id comes first. */
  readonly after?: string;
  /** The last so many events come first; `after` wins over it. With neither: only new events. */
  readonly tail?: number;
  event?(event: ChannelEvent): void;
  gap?(gap: Gap): void;
  /** Told each time that the subscription begins or goes on, before what follows. */
  subscribed?(how: Subscribed): void;
  /** Told by WebSocket only, of channels that announce their members. */
  joined?(member: Member): void;
  left?(member: Member): void;
  /** An event named `end` has come: the subscription is over. */
  ended?(): void;
  /** The gateway does not allow the subscription: it is over. */
  refused?(error: PasserelleError): void;
}

/** Begins at once, ends by `unsubscribe`, by an event named `end`, or where the gateway refuses it. */
export interface Subscription {
  readonly channel: string;
  /** The id of the last event, or where the channel stood when there was none; undefined until the subscription stands. */
  readonly position: string | undefined;
  /** Calls the listener with every event of that name, after `event`. The function returned ends that. */
  on(name: string, listener: (event: ChannelEvent) => void): () => void;
  unsubscribe(): void;
}

/** The event by which a publisher says that nothing more will come. */
const END = 'end';

export class Feed implements Subscription {
  readonly channel: string;
  readonly #options: SubscribeOptions;
  readonly #listeners = new Map<string, Set<(event: ChannelEvent) => void>>();
  readonly #leave: () => void;
  #over = false;
  /** Where it stands once it has been told of the gap that comes next. */
  #behindGap: string | undefined;
  position: string | undefined;
  /** How many of the last events it begins with, while it has no position. */
  readonly tail: number | undefined;
  /** Whether it has ever stood: the gateway allows it. */
  stood = false;
  /** Whether its channel is subscribed now; whoever loses the link says so. */
  standing = false;
  /** Its stream was refused, maybe because of it. */
  doubtful = false;

  /** `leave` is called once, when the page wants no more. */
  constructor(channel: string, options: SubscribeOptions, leave: () => void) {
    this.channel = channel;
    this.#options = options;
    this.#leave = leave;
    this.position = options.after;
    this.tail = options.tail;
  }

  on(name: string, listener: (event: ChannelEvent) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  unsubscribe(): void {
    if (this.#over) return;
    this.#over = true;
    this.#leave();
  }

  /** The gateway says where it continues: behind a gap, where the link may be lost before that is told. Told to the page where it did not stand already. */
  subscribed(position: string, recovered: boolean): void {
    const { stood: resumed, standing: told } = this;
    if (recovered) this.position = position;
    this.#behindGap = recovered ? undefined : position;
    this.stood = this.standing = true;
    if (!told) this.#tell(() => this.#options.subscribed?.({ position, recovered, resumed }));
  }

  /** The position is this event's before anybody is told of it. */
  event(event: ChannelEvent): void {
    if (this.#over) return;
    if (event.id !== '') this.position = event.id;
    this.#behindGap = undefined;
    this.#tell(() => this.#options.event?.(event));
    for (const listener of [...(this.#listeners.get(event.event) ?? [])]) this.#tell(() => listener(event));
    if (event.event !== END || this.#over) return;
    this.unsubscribe();
    guard(() => this.#options.ended?.());
  }

  /** The position moves only where the transport says that it stands behind the gap. */
  gap(gap: Gap, position = this.#behindGap ?? this.position): void {
    this.position = position;
    this.#behindGap = undefined;
    this.#tell(() => this.#options.gap?.(gap));
  }

  presence(what: 'joined' | 'left', member: Member): void {
    this.#tell(() => this.#options[what]?.(member));
  }

  refuse(error: PasserelleError): void {
    if (this.#over) return;
    this.unsubscribe();
    guard(() => this.#options.refused?.(error));
  }

  #tell(task: () => void): void {
    if (!this.#over) guard(task);
  }
}
