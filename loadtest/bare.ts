/**
 * The yardstick: uWebSockets.js with nothing around it. It delivers ready-made bytes by the cheapest means there is for
 * each transport: `app.publish` for WebSocket, one corked write for each SSE stream. `POST /tick/N` delivers N events at once.
 */
import { App, type HttpResponse, us_socket_local_port } from 'uWebSockets.js';
import { BLOCK, CHANNEL, FRAME } from './payload.ts';

const streams = new Set<HttpResponse>();
const frame = Buffer.from(FRAME);

const app = App();
app.ws('/ws', {
  // The load client answers no pings, so none may fall due within a run.
  idleTimeout: 960,
  maxBackpressure: 0,
  open(ws) {
    ws.subscribe(CHANNEL);
  },
});

app.get('/events', (response) => {
  streams.add(response);
  response.onAborted(() => {
    streams.delete(response);
  });
  response.cork(() => {
    response.writeHeader('Content-Type', 'text/event-stream');
    response.write('id: 0-0\n\n');
  });
});

app.post('/tick/:count', (response, request) => {
  const count = Number(request.getParameter(0));
  response.end('ok');
  // Within this handler its own response holds the one cork there is, and the streams' corks would have no effect.
  setImmediate(deliver, count);
});

function deliver(count: number): void {
  for (let sent = 0; sent < count; sent++) app.publish(CHANNEL, frame);
  const blocks = Buffer.from(BLOCK.repeat(count));
  for (const stream of streams) {
    stream.cork(() => {
      stream.write(blocks);
    });
  }
}

app.listen('127.0.0.1', 0, (socket) => {
  if (!socket) throw new Error('No port to listen on');
  console.log(`The yardstick is listening on http://127.0.0.1:${us_socket_local_port(socket)}`);
});
process.once('SIGTERM', () => app.close());
