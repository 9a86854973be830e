/** What a client does on one link, of either kind; with the link it ends, and the next one begins another. */
import type { Feed } from './feed.ts';
import type { Fields } from './frames.ts';
import type { Link } from './reconnector.ts';

/** The feeds that the page wants, by channel. Only the client changes it. */
export type Feeds = ReadonlyMap<string, Feed>;

export type Request = 'publish' | 'history' | 'presence';

export interface Session extends Link {
  /** The page wants other feeds of this channel than before. */
  changed(channel: string): void;
  /**
   * Asks once; `fields` are those of the request as the text of a JSON object. Undefined while the link is not open. Rejects with
   * a `PasserelleError`, with `unavailable` where there was no reply. Left out where requests go by HTTP.
   */
  ask?(request: Request, fields: string): Promise<Fields> | undefined;
}
