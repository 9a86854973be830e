// Fan-out: one publisher, everyone else on its channel. How long an event takes from just before it is published until each has it.
import { check } from 'k6';
import http from 'k6/http';
import { Counter, Trend } from 'k6/metrics';
import { WebSocket } from 'k6/websockets';
import { GATEWAY, JSON_BODY, load, SOCKETS, steady, summary, TREND } from './common.js';

const CHANNEL = 'k6:fanout';
const PER_SECOND = 10;
const OPENING_SECONDS = 5;
const size = load(200, 20);
const latency = new Trend('fanout_latency', true);
const delivered = new Counter('fanout_delivered');
const gaps = new Counter('fanout_gaps');

export const options = {
  summaryTrendStats: TREND,
  scenarios: {
    subscribers: steady('subscriber', size),
    publisher: {
      executor: 'constant-arrival-rate',
      exec: 'publisher',
      rate: PER_SECOND,
      timeUnit: '1s',
      duration: `${size.seconds}s`,
      preAllocatedVUs: 20,
      startTime: `${OPENING_SECONDS}s`,
    },
  },
  thresholds: {
    fanout_latency: ['p(95)<250', 'p(99)<1000'],
    fanout_delivered: [`count>=${size.vus * size.seconds * PER_SECOND}`],
    fanout_gaps: ['count==0'],
    http_req_failed: ['rate==0'],
    checks: ['rate==1'],
  },
};

export function subscriber() {
  const socket = new WebSocket(`${SOCKETS}/ws`);
  let last = [0, 0];
  let inOrder = true;
  socket.onopen = () => {
    socket.send(JSON.stringify({ type: 'subscribe', channel: CHANNEL }));
    setTimeout(() => socket.close(), (OPENING_SECONDS + size.seconds + 3) * 1_000);
  };
  socket.onmessage = (frame) => {
    const message = JSON.parse(frame.data);
    if (message.type === 'gap') gaps.add(1);
    if (message.type !== 'event') return;
    delivered.add(1);
    latency.add(Date.now() - message.data.at);
    const id = message.id.split('-').map(Number);
    inOrder = inOrder && (id[0] > last[0] || (id[0] === last[0] && id[1] > last[1]));
    last = id;
  };
  socket.onclose = () => {
    check(null, { 'ids only grow': () => inOrder, 'something came': () => last[0] > 0 });
  };
}

export function publisher() {
  const body = JSON.stringify({ channel: CHANNEL, data: { at: Date.now() } });
  check(http.post(`${GATEWAY}/api/publish`, body, JSON_BODY), {
    'the publish is acknowledged': (r) => r.status === 200,
  });
}

export const handleSummary = summary;
