/**
 * Publishing: acknowledged publishes per CPU second of the server and of Redis, by WebSocket, by HTTP one by one, and by HTTP in
 * batches. Nobody is subscribed. What was acknowledged is counted in Redis too, where there is a history.
 */
import { MarkerCounter } from '../counting.ts';
import { maskedText } from '../frames.ts';
import type { Subject, SubjectName } from '../lab.ts';
import { cpuSeconds } from '../machine.ts';
import { payload } from '../payload.ts';
import { type Figure, figure } from '../results.ts';
import { type Run, type Scenario, withSubjects } from '../scenario.ts';
import { LoadSockets } from '../sockets.ts';

export const PUBLISHES_PER_CPU_SECOND = 'publishes per CPU second of the server';
export const PUBLISHES_PER_REDIS_SECOND = 'publishes per CPU second of Redis';

const CHANNEL = 'load:publish';
const STREAM = `passerelle:{${CHANNEL}}:s`;
const BATCH = 100;
/** A round lasts until the server has used so much CPU time, or the wall clock so much. */
const CPU_SECONDS = 0.5;
const WALL_SECONDS = 3;
const LIMIT_MS = 20_000;

type Way = 'WebSocket' | 'HTTP' | 'HTTP batch';

interface Load {
  readonly sockets: LoadSockets;
  /** What is written on every connection at a time, and how many publishes that is on all of them. */
  readonly bytes: Buffer;
  readonly publishes: number;
  /** How many marker bytes answer it. */
  readonly answers: number;
}

export const PUBLISH: Scenario = {
  name: 'publish',
  title: 'publishing by WebSocket, HTTP and HTTP batch',
  run: async (run) => {
    const names = run.lab.subjects.filter((name) => name !== 'bare');
    const figures: Figure[] = [];
    for (const way of ['WebSocket', 'HTTP', 'HTTP batch'] as const)
      figures.push(...(await withSubjects(run.lab, names, (subjects) => publish(run, subjects, way))));
    return figures;
  },
};

async function publish(run: Run, subjects: readonly Subject[], way: Way): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const subject of subjects) {
    const load = await loadOf(subject, way);
    if (load === undefined) continue;
    run.progress(`${subject.name}, ${way}`);
    const rounds: Round[] = [await measure(run, subject, load)]; // the first one warms up
    for (let round = 0; round < run.rounds; round++) rounds.push(await measure(run, subject, load));
    await load.sockets.close();
    if (subject.name === 'gateway') await verify(run, rounds);
    const of = (metric: string, key: 'perServer' | 'perRedis') =>
      figure(
        'publish',
        subject.name,
        { way },
        metric,
        rounds.slice(1).map((round) => round[key]),
      );
    figures.push(of(PUBLISHES_PER_CPU_SECOND, 'perServer'), of(PUBLISHES_PER_REDIS_SECOND, 'perRedis'));
  }
  return figures;
}

interface Round {
  readonly publishes: number;
  readonly perServer: number;
  readonly perRedis: number;
}

async function measure(run: Run, { pid }: Subject, load: Load): Promise<Round> {
  const { sockets, bytes, answers } = load;
  const redis = run.lab.redisPid;
  const before = { cpu: cpuSeconds(pid), redis: cpuSeconds(redis), at: performance.now() };
  let publishes = 0;
  let used = 0;
  while (used < CPU_SECONDS && performance.now() - before.at < WALL_SECONDS * 1_000) {
    const { received } = sockets;
    sockets.write(bytes);
    await sockets.until(received + answers, LIMIT_MS);
    publishes += load.publishes;
    used = cpuSeconds(pid) - before.cpu;
  }
  if (sockets.lost > 0) throw new Error(`${sockets.lost} publishing connections were lost`);
  return { publishes, perServer: publishes / used, perRedis: publishes / (cpuSeconds(redis) - before.redis) };
}

/** Each acknowledged publish must be in the stream, and nothing else. */
async function verify(run: Run, rounds: readonly Round[]): Promise<void> {
  const facts = await run.lab.commands.xinfo('STREAM', STREAM);
  const list = Array.isArray(facts) ? facts : [];
  const stored = Number(list[list.indexOf('entries-added') + 1]);
  const acknowledged = rounds.reduce((sum, { publishes }) => sum + publishes, 0);
  if (stored !== acknowledged) throw new Error(`${acknowledged} publishes were acknowledged, ${stored} stored`);
  await run.lab.commands.del(STREAM);
}

const DATA = payload();
const AT_ONCE = 32;
const SOCKETS = 8;

/** Undefined where the server has no such way. */
async function loadOf(subject: Subject, way: Way): Promise<Load | undefined> {
  if (way === 'WebSocket') {
    const frames = Array(AT_ONCE).fill(maskedText(commandOf(subject.name)));
    const counter = new MarkerCounter(ACKNOWLEDGEMENT[subject.name]);
    const channels = subject.name === 'centrifugo' ? () => [CHANNEL_OF_NOBODY] : () => [];
    const sockets = await subject.open({ transport: 'ws', count: SOCKETS, channels, counter });
    await settled(sockets);
    return { sockets, bytes: Buffer.concat(frames), publishes: AT_ONCE * SOCKETS, answers: AT_ONCE * SOCKETS };
  }
  const batch = way === 'HTTP batch';
  if (batch && subject.name === 'plain') return undefined;
  const { url } = subject;
  // Each answer begins with HTTP/1.1.
  const sockets = await LoadSockets.open({
    url,
    transport: 'http',
    dialect: subject.dialect,
    count: AT_ONCE,
    counter: new MarkerCounter('TP'),
  });
  const body = batch ? batchOf(subject.name) : `{"channel":"${CHANNEL}","data":${DATA}}`;
  const path = batch ? '/api/batch' : '/api/publish';
  const head = `POST ${path} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nContent-Type: application/json\r\n`;
  const bytes = Buffer.from(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  return { sockets, bytes, publishes: AT_ONCE * (batch ? BATCH : 1), answers: AT_ONCE };
}

const CHANNEL_OF_NOBODY = 'load:nobody';

/** Two bytes that each acknowledgement holds once. */
const ACKNOWLEDGEMENT: Readonly<Record<SubjectName, string>> = {
  gateway: '"!', // the ref
  plain: '"!',
  bare: '"!',
  centrifugo: 'ub', // "publish"
};

function commandOf(name: SubjectName): string {
  return name === 'centrifugo'
    ? `{"id":9,"publish":{"channel":"${CHANNEL}","data":${DATA}}}`
    : `{"type":"publish","ref":"!","channel":"${CHANNEL}","data":${DATA}}`;
}

function batchOf(name: SubjectName): string {
  const one = `{"channel":"${CHANNEL}","data":${DATA}}`;
  return name === 'centrifugo'
    ? `{"commands":[${Array(BATCH).fill(`{"publish":${one}}`).join(',')}]}`
    : `{"publishes":[${Array(BATCH).fill(one).join(',')}]}`;
}

/** What came with the opening has been counted before anything is measured. */
async function settled(sockets: LoadSockets): Promise<void> {
  for (let known = -1; known !== sockets.received; ) {
    known = sockets.received;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
