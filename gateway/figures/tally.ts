import { noRefusals } from '../limits/limits.ts';
import { CLOSE } from '../protocol.ts';

/** What connections end by: close codes of this protocol and those that RFC 6455 defines, and for event streams who ended it. */
const CAUSES: ReadonlySet<string> = new Set([
  ...Object.values(CLOSE).map(String),
  ...['1000', '1001', '1002', '1003', '1005', '1006', '1007', '1008', '1010'],
  ...['ended', 'aborted'],
]);

/** What this gateway has counted since it started: plain numbers, since they are raised on the hottest paths. */
export class Tally {
  /** Connections ever opened, and those open now, by transport. */
  readonly opened = { websocket: 0, sse: 0 };
  readonly open = { websocket: 0, sse: 0 };
  /** Connections turned away: the gateway was full, draining or without Redis. */
  turnedAway = 0;
  /** Events written to connections. */
  delivered = 0;
  /** Frames written to WebSockets that are no events: replies, errors, what was echoed. */
  replies = 0;
  /** Bytes of those, before any framing. */
  deliveredBytes = 0;
  /** Gap notices written to connections. */
  gaps = 0;
  /** Presence notices that were not written to connections, as there were too many. */
  noticesLeftOut = 0;
  /** Frames and HTTP requests from clients. */
  received = 0;
  /** Publishes that were stored, and those answered as duplicates. */
  published = 0;
  duplicates = 0;
  /** Requests that were answered with an error, of whatever kind. */
  errors = 0;
  /** Requests whose outcome is unknown, as Redis could not be reached in time. */
  unavailable = 0;
  /** Messages that came by Redis and are none of this version's gateways. */
  unreadable = 0;
  /** Times that Redis could not be used any more. */
  interruptions = 0;
  /** Connections turned away and publishes refused because of a limit, and connections closed for going on regardless, by limit. */
  readonly refusals = noRefusals();
  /** Connections that lag now; times one began to; connections closed for lagging too long. */
  lagging = 0;
  lags = 0;
  lagCloses = 0;
  /** Connections that ended, by close code or, for SSE, by its cause. */
  readonly closes = new Map<string, number>();

  /** All that was written to connections: events, gap notices and replies. */
  get sent(): number {
    return this.delivered + this.gaps + this.replies;
  }

  /** A client may close with any of 4,000 codes: those that mean nothing here are counted together. */
  closed(transport: 'websocket' | 'sse', why: string): void {
    this.open[transport]--;
    const key = `${transport} ${CAUSES.has(why) ? why : 'other'}`;
    this.closes.set(key, (this.closes.get(key) ?? 0) + 1);
  }
}
