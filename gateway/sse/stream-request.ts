/** Reads what a request for an event stream asks for, from its query and its `Last-Event-ID`. Pure. */
import type { Start } from '../hub/channel.ts';
import { decodeCursor } from '../hub/outgoing.ts';
import { CHANNEL, MAX_PAGE, type Refusal } from '../protocol.ts';
import type { StreamRequest } from './stream.ts';

export type DecodedStreamRequest =
  | { readonly ok: true; readonly request: StreamRequest }
  | { readonly ok: false; readonly refusal: Refusal };

const DEFAULT_CHANNEL = 'events';
/** How other systems, and slips, name channels. Taken for nothing, they would quietly give the default one. What else is unknown, such as what keeps caches away, does no harm. */
const MEANT_CHANNEL =
  /^(?:channels?|chan|topics?|rooms?|streams?|subjects?|queues?|subscribe|subscriptions?)(?:\[\w*\])*$/i;
/** As it is written here, by Mercure, and as the header. */
const LAST_EVENT_ID = /^last-?event-?id$/i;

/** `lastEventId` is the header, undefined where there is none. A channel that is named twice counts once. */
export function decodeStreamRequest(
  query: URLSearchParams,
  lastEventId: string | undefined,
  maxChannels: number,
): DecodedStreamRequest {
  const mistaken = [...query.keys()].find((name) => name !== 'channel' && MEANT_CHANNEL.test(name));
  if (mistaken !== undefined)
    return refused(
      `${quoted(mistaken)} is no parameter of a stream: name each channel by channel=NAME, as often as there are channels`,
    );
  const named = query.getAll('channel').flatMap((value) => value.split(','));
  const channels = named.length === 0 ? [DEFAULT_CHANNEL] : [...new Set(named)];
  const wrong = channels.find((channel) => !CHANNEL.test(channel));
  if (wrong !== undefined) {
    return refused(`${quoted(wrong)} is no channel: a name is 1 to 128 characters of A-Z a-z 0-9 _ . : @ -`);
  }
  if (channels.length > maxChannels) {
    const error = `A stream may have ${maxChannels} channels, and this one names ${channels.length}; open a second one`;
    return { ok: false, refusal: { code: 'too_many', error } };
  }
  const envelope = query.get('envelope') ?? '0';
  if (envelope !== '0' && envelope !== '1')
    return refused(`envelope=${quoted(envelope)}: write envelope=1, or leave it out`);

  const starts = decodeStarts(query, lastEventId, channels.length);
  if (typeof starts === 'string') return refused(starts);
  return { ok: true, request: { channels, starts, envelope: envelope === '1' } };
}

/** Where each channel starts, or what is wrong with what says so. */
function decodeStarts(
  query: URLSearchParams,
  lastEventId: string | undefined,
  channels: number,
): readonly Start[] | string {
  // The socket library cuts bytes beyond ASCII from both ends: of a position there may be nothing left.
  if (lastEventId === '')
    return 'Last-Event-ID is empty, or has bytes that no position has; leave it away to begin anew';
  const inQuery = [...query].find(([name, value]) => LAST_EVENT_ID.test(name) && value !== '')?.[1];
  const last = lastEventId ?? inQuery;
  const tail = query.get('tail') ?? undefined;
  const position = last ?? query.get('after') ?? undefined;
  if (position !== undefined) {
    const positions = decodeCursor(position, channels);
    if (positions !== undefined) return positions.map((after) => ({ after }));
    const form = channels === 1 ? 'an id such as 1700000000000-0' : `${channels} ids joined by "."`;
    return `${last === undefined ? 'after' : 'Last-Event-ID'} ${quoted(position)} is no position of this stream, which is ${form}`;
  }
  if (tail === undefined) return new Array(channels).fill(undefined);
  if (!/^\d{1,4}$/.test(tail) || Number(tail) > MAX_PAGE) {
    return `tail=${quoted(tail)} must be a whole number from 0 to ${MAX_PAGE}`;
  }
  return new Array(channels).fill({ tail: Number(tail) });
}

function refused(error: string): DecodedStreamRequest {
  return { ok: false, refusal: { code: 'bad_request', error } };
}

/** What a client sent, short enough to stand in an answer. */
function quoted(value: string): string {
  return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value);
}
