/** Short code that connects to a gateway. Pure. */

export interface Samples {
  readonly client: string;
  readonly source: string;
  readonly socket: string;
  readonly publish: string;
  readonly watch: string;
}

/** `origin` is the gateway's, such as `https://example.com`. */
export function samplesFor(origin: string): Samples {
  const socketUrl = `${origin.replace(/^http/, 'ws')}/ws`;
  return {
    client: [
      `import { Passerelle } from '/client.js';`,
      `const passerelle = new Passerelle();`,
      `passerelle.subscribe('news', { tail: 10, event: ({ data }) => console.log(data) });`,
      `await passerelle.publish('news', { title: 'Hello' });`,
    ].join('\n'),
    source: [
      `const events = new EventSource('${origin}/events?channel=news');`,
      `events.addEventListener('message', ({ data }) => console.log(JSON.parse(data)));`,
    ].join('\n'),
    socket: [
      `const socket = new WebSocket('${socketUrl}');`,
      `socket.onmessage = ({ data }) => console.log(JSON.parse(data));`,
      `socket.onopen = () => socket.send('{"type":"subscribe","channel":"news","tail":10}');`,
    ].join('\n'),
    publish: `curl -d '{"channel":"news","data":{"title":"Hello"}}' '${origin}/api/publish'`,
    watch: `curl -N '${origin}/events?channel=news&tail=10'`,
  };
}
