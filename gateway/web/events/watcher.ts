/** What whoever shows one connection to a channel is told of it, whatever the transport. */
import type { ConnectionState } from '../shared/state-label.ts';

export interface ChannelEvent {
  /** Empty on an ephemeral channel. */
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

/** Events between the two positions cannot be had. */
export interface Gap {
  readonly after: string;
  readonly id: string;
}

export interface Watcher {
  /** `reason` is a sentence, or empty. `refused` and `closed` stay until somebody connects again. */
  state(state: ConnectionState, reason: string): void;
  /** Told after the event that moved it. */
  position(position: string): void;
  /** The connection stands again after it was lost; `recovered` is false where a gap follows. */
  resumed(after: string, recovered: boolean): void;
  event(event: ChannelEvent): void;
  gap(gap: Gap): void;
  /** The publisher has said that nothing more will come. */
  ended(): void;
}
