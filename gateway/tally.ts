/** What this gateway has counted since it started: plain numbers, since they are raised on the hottest paths. */
export class Tally {
  /** Connections ever opened, and those open now, by transport. */
  readonly opened = { websocket: 0, sse: 0 };
  readonly open = { websocket: 0, sse: 0 };
  /** Connections turned away: the gateway was full, draining or without Redis. */
  turnedAway = 0;
  /** Events written to connections. */
  delivered = 0;
  /** Bytes of those, before any framing. */
  deliveredBytes = 0;
  /** Gap notices written to connections. */
  gaps = 0;
  /** Frames and HTTP requests from clients. */
  received = 0;
  /** Publishes that were stored, and those answered as duplicates. */
  published = 0;
  duplicates = 0;
  /** Requests that were answered with an error, of whatever kind. */
  errors = 0;
  /** Connections that lag now; times one began to; connections closed for lagging too long. */
  lagging = 0;
  lags = 0;
  lagCloses = 0;
  /** Connections that ended, by close code or, for SSE, by its cause. */
  readonly closes = new Map<string, number>();

  closed(transport: 'websocket' | 'sse', why: string): void {
    this.open[transport]--;
    const key = `${transport} ${why}`;
    this.closes.set(key, (this.closes.get(key) ?? 0) + 1);
  }
}
