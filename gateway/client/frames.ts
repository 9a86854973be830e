/** Reads what a gateway sends, which is trusted to keep to its protocol: nothing is looked at twice. Pure. */
import { PasserelleError } from './errors.ts';
import type { ChannelEvent, Gap, Member } from './feed.ts';

/** The fields of one message, by whatever transport it came. */
export type Frame = Readonly<Record<string, unknown>>;

export function eventOf({ channel, id = '', event, data }: Frame): ChannelEvent {
  return { channel, id, event, data } as ChannelEvent;
}

export function gapOf({ channel, after, id }: Frame): Gap {
  return { channel, after, id } as Gap;
}

export function memberOf({ type, channel, ...member }: Frame): Member {
  return member as unknown as Member;
}

/** What a reply says beside being one. */
export function fieldsOf({ type, ref, ...fields }: Frame): Frame {
  return fields;
}

/** The error of an `error` frame. */
export function errorOf({ code, error }: Frame): PasserelleError {
  return new PasserelleError(String(code), String(error));
}

/** The error of an HTTP answer; whatever stands before the gateway may have written it. */
export async function errorOfResponse(response: Response): Promise<PasserelleError> {
  const { error } = (await response.json().catch(nobody)) as { error?: { code?: string; message?: string } };
  const { code = 'refused', message = `The gateway answered ${response.status}` } = error ?? {};
  return new PasserelleError(response.status < 500 ? code : 'unavailable', message);
}

function nobody(): unknown {
  return {};
}
