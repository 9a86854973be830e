// Chat: rooms of ten, each person says something once a second. How long a message takes to everyone in the room, the sender included.
import { check } from 'k6';
import exec from 'k6/execution';
import { Counter, Trend } from 'k6/metrics';
import { WebSocket } from 'k6/websockets';
import { load, SOCKETS, steady, summary, TREND } from './common.js';

const ROOM_SIZE = 10;
const size = load(100, 20);
const latency = new Trend('chat_latency', true);
const received = new Counter('chat_received');
const errors = new Counter('chat_errors');

export const options = {
  summaryTrendStats: TREND,
  scenarios: { chat: steady('chat', size) },
  thresholds: {
    chat_latency: ['p(95)<250', 'p(99)<1000'],
    chat_received: [`count>=${size.vus * ROOM_SIZE * (size.seconds - 2)}`],
    chat_errors: ['count==0'],
    checks: ['rate==1'],
  },
};

export function chat() {
  const number = exec.scenario.iterationInTest;
  const room = `k6-${Math.floor(number / ROOM_SIZE)}`;
  const socket = new WebSocket(`${SOCKETS}/chat?room=${room}&username=k6-${number}&tail=0`);
  let own = 0;
  let sent = 0;
  socket.onopen = () => {
    const talking = setInterval(() => {
      sent++;
      socket.send(JSON.stringify({ type: 'message', content: `${number} ${Date.now()}` }));
    }, 1_000);
    setTimeout(() => {
      clearInterval(talking);
      // The last message has a second to come back.
      setTimeout(() => socket.close(), 1_000);
    }, size.seconds * 1_000);
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === 'error') errors.add(1);
    if (message.type !== 'message') return;
    const [sender, at] = message.content.split(' ').map(Number);
    received.add(1);
    latency.add(Date.now() - at);
    if (sender === number) own++;
  };
  socket.onerror = () => errors.add(1);
  socket.onclose = () => {
    check(null, { 'each own message came back once': () => sent > 0 && own === sent });
  };
}

export const handleSummary = summary;
