/** Finds out which frame answers which (PROTOCOL.md, section 3), and after how long. Pure. */

export type Payload = string | Uint8Array<ArrayBuffer>;

interface Waiting {
  readonly at: number;
  answeredBy(payload: Payload): boolean;
}

/** The types of the replies to commands. */
const REPLIES: ReadonlyMap<unknown, string> = new Map([
  ['ping', 'pong'],
  ['subscribe', 'subscribed'],
  ['unsubscribe', 'unsubscribed'],
  ['publish', 'published'],
  ['history', 'history'],
  ['presence', 'presence'],
  ['auth', 'authenticated'],
]);
/** What is never answered is forgotten at some point. */
const MAX_WAITING = 100;

export class RoundTrips {
  #waiting: Waiting[] = [];

  /** `at` is in milliseconds, of any clock. */
  sent(payload: Payload, at: number): void {
    this.#waiting.push({ at, answeredBy: answerTo(payload) });
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
  }

  /** How long the frame that this one answers has waited; undefined where it answers none. */
  received(payload: Payload, at: number): number | undefined {
    const found = this.#waiting.findIndex(({ answeredBy }) => answeredBy(payload));
    const [answered] = found < 0 ? [] : this.#waiting.splice(found, 1);
    return answered && at - answered.at;
  }

  /** The connection is gone, and with it every answer. */
  forget(): void {
    this.#waiting = [];
  }
}

function answerTo(sent: Payload): (received: Payload) => boolean {
  if (typeof sent !== 'string') return (received) => typeof received !== 'string' && sameBytes(sent, received);
  const request = objectIn(sent);
  const reply = REPLIES.get(request?.type);
  if (reply === undefined) return (received) => isEchoOf(sent, received);
  return (received) => {
    const { type, ref, channel } = (typeof received === 'string' && objectIn(received)) || {};
    if (ref !== request?.ref) return false;
    return type === 'error' || (type === reply && channel === request?.channel);
  };
}

/** Where the gateway echoes nothing it answers with an error that names no frame. */
function isEchoOf(sent: string, received: Payload): boolean {
  const frame = typeof received === 'string' ? objectIn(received) : undefined;
  return (frame?.type === 'echo' && frame.original === sent) || (frame?.type === 'error' && frame.ref === undefined);
}

function objectIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined; // plain text is a frame, too
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
