// Event streams over plain HTTP, as far as k6 reaches: its HTTP client gives a body only when it has ended, and an event stream does
// not end. So each user reads the way of a client behind a proxy that lets no stream through: what came after its position, again and
// again. Beside that, event streams are opened and left after some seconds, which the gateway must survive and nobody else notice.
import { check, sleep } from 'k6';
import http from 'k6/http';
import { Counter, Trend } from 'k6/metrics';
import { GATEWAY, JSON_BODY, load, steady, summary, TREND } from './common.js';

const CHANNEL = 'k6:streams';
const POLL_SECONDS = 0.5;
const STREAM_SECONDS = 3;
const size = load(50, 20);
const latency = new Trend('stream_latency', true);
const received = new Counter('stream_received');
const opened = new Counter('streams_opened');

export const options = {
  summaryTrendStats: TREND,
  scenarios: {
    readers: steady('reader', size),
    streams: steady('stream', size),
    publisher: {
      executor: 'constant-arrival-rate',
      exec: 'publisher',
      rate: 5,
      timeUnit: '1s',
      duration: `${size.seconds}s`,
      preAllocatedVUs: 20,
      startTime: '1s',
    },
  },
  thresholds: {
    // Half a poll's interval on average, and a whole one at worst, is the poll's own.
    stream_latency: ['p(95)<1000'],
    stream_received: [`count>=${size.vus * (size.seconds - 2) * 5}`],
    streams_opened: [`count>=${size.vus}`],
    checks: ['rate==1'],
  },
};

export function reader() {
  let after = http.get(`${GATEWAY}/api/history?channel=${CHANNEL}&limit=1`).json('position');
  const end = Date.now() + size.seconds * 1_000;
  let complete = true;
  while (Date.now() < end) {
    const page = http.get(`${GATEWAY}/api/history?channel=${CHANNEL}&after=${after}`).json();
    complete = complete && page.complete;
    for (const { id, data } of page.events) {
      received.add(1);
      latency.add(Date.now() - data.at);
      after = id;
    }
    sleep(POLL_SECONDS);
  }
  check(null, { 'nothing was missed': () => complete });
}

export function stream() {
  const end = Date.now() + size.seconds * 1_000;
  const wanted = { headers: { Accept: 'text/event-stream' }, timeout: `${STREAM_SECONDS}s` };
  while (Date.now() < end) {
    const response = http.get(`${GATEWAY}/events?channel=${CHANNEL}`, wanted);
    // 1050: k6 gave up waiting for the end, as it was told to; any refusal would have ended at once.
    check(response, { 'the stream stood until it was left': ({ error_code }) => error_code === 1050 });
    opened.add(1);
  }
}

export function publisher() {
  const body = JSON.stringify({ channel: CHANNEL, data: { at: Date.now() } });
  check(http.post(`${GATEWAY}/api/publish`, body, JSON_BODY), {
    'the publish is acknowledged': (r) => r.status === 200,
  });
}

export const handleSummary = summary;
