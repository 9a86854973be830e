/** Reads what a gateway sends, which is trusted to keep to its protocol: nothing is looked at twice. Pure. */
import { PasserelleError } from './errors.ts';
import type { ChannelEvent } from './feed.ts';
import { nothing } from './surroundings.ts';

/** The fields of one message, by whatever transport it came. Those named are there in the messages in which the protocol has them. */
export interface Frame {
  readonly [field: string]: unknown;
  readonly type: string;
  readonly channel: string;
  readonly position: string;
  readonly recovered: boolean;
  readonly code: string;
  readonly error: string;
  readonly resume?: string;
  /** In how many seconds the token ends; null for one without an end. */
  readonly expires?: number | null;
}

/** What an answer says beside being one. */
export type Fields = Readonly<Record<string, unknown>>;

/** What a message says beside being one: of which kind, its user knows. */
export function fieldsOf<Kind extends object = Fields>({ type, ref, ...fields }: Frame): Kind {
  return fields as object as Kind;
}

export function eventOf(frame: Frame): ChannelEvent {
  return fieldsOf({ id: '', ...frame });
}

/** The error of an `error` frame. */
export function errorOf({ code, error }: Frame): PasserelleError {
  return new PasserelleError(code, error);
}

/** The error of an HTTP answer; whatever stands before the gateway may have written it. */
export async function errorOfResponse(response: Response): Promise<PasserelleError> {
  const body = (await response.json().catch(nothing)) as { error?: { code?: string; message?: string } } | undefined;
  const { code = 'refused', message = `The gateway answered ${response.status}` } = body?.error ?? {};
  return new PasserelleError(response.status < 500 ? code : 'unavailable', message);
}
