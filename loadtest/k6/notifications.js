// Notifications: each user is told something by a server every second, and has read it at once. How long a notification takes.
import { check } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Trend } from 'k6/metrics';
import { WebSocket } from 'k6/websockets';
import { GATEWAY, JSON_BODY, load, SOCKETS, steady, summary, TREND } from './common.js';

const size = load(100, 20);
const latency = new Trend('notification_latency', true);
const received = new Counter('notifications_received');
const errors = new Counter('notification_errors');

export const options = {
  summaryTrendStats: TREND,
  scenarios: {
    users: steady('user', size),
    server: {
      executor: 'constant-arrival-rate',
      exec: 'server',
      rate: size.vus,
      timeUnit: '1s',
      duration: `${size.seconds}s`,
      preAllocatedVUs: 20,
      startTime: '3s',
    },
  },
  thresholds: {
    notification_latency: ['p(95)<250', 'p(99)<1000'],
    notifications_received: [`count>=${size.vus * (size.seconds - 2)}`],
    notification_errors: ['count==0'],
    http_req_failed: ['rate==0'],
    checks: ['rate==1'],
  },
};

// Users of this run only: those of an earlier one have notifications already.
export function setup() {
  return { run: Date.now() };
}

function nameOf({ run }, number) {
  return `k6-${run}-${number % size.vus}`;
}

export function user(data) {
  const name = nameOf(data, exec.scenario.iterationInTest);
  const socket = new WebSocket(`${SOCKETS}/notifications?user=${name}`);
  let unread = 0;
  socket.onopen = () => setTimeout(() => socket.close(), (size.seconds + 5) * 1_000);
  socket.onmessage = (frame) => {
    const message = JSON.parse(frame.data);
    if (message.type === 'error') errors.add(1);
    if (message.type === 'read') unread = message.unread;
    if (message.type !== 'notification') return;
    received.add(1);
    latency.add(Date.now() - Number(message.message));
    socket.send(JSON.stringify({ type: 'read', id: message.id }));
  };
  socket.onerror = () => errors.add(1);
  socket.onclose = () => {
    check(null, { 'nothing is unread at the end': () => unread === 0 });
  };
}

export function server(data) {
  const to = nameOf(data, exec.scenario.iterationInTest);
  const body = JSON.stringify({
    channel: `notify:@${to}`,
    event: 'notification',
    data: { title: 'k6', message: String(Date.now()), priority: 'normal' },
  });
  check(http.post(`${GATEWAY}/api/publish`, body, JSON_BODY), {
    'the publish is acknowledged': (r) => r.status === 200,
  });
}

export const handleSummary = summary;
