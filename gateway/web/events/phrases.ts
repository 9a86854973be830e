/** What the page makes of what is typed: event data, and commands for a terminal. Pure. */

/** JSON where the text is JSON, and the text as a string where it is not. */
export function parseData(text: string): { readonly value: unknown; readonly isJson: boolean } {
  try {
    return { value: JSON.parse(text), isJson: true };
  } catch {
    return { value: text, isJson: false }; // plain text is data as well
  }
}

export interface Commands {
  readonly stream: string;
  readonly publish: string;
  readonly socket: string;
}

/** One-liners that do in a terminal what the page does. `origin` is the gateway's, such as `https://example.com`; a channel's name needs no encoding. */
export function commandsFor(origin: string, channel: string, event: string, data: unknown): Commands {
  const subscribe = JSON.stringify({ type: 'subscribe', channel, tail: 20 });
  const body = JSON.stringify({ channel, event, data });
  return {
    stream: `curl -N ${shellQuote(`${origin}/events?channel=${channel}&tail=20`)}`,
    publish: `curl -H 'Content-Type: application/json' -d ${shellQuote(body)} ${shellQuote(`${origin}/api/publish`)}`,
    socket: `echo ${shellQuote(subscribe)} | websocat -n ${shellQuote(`${origin.replace(/^http/, 'ws')}/ws`)}`,
  };
}

/** One word for a POSIX shell, whatever the text. */
function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
