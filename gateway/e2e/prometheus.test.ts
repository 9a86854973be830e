/** What is seen of a fleet: the alert rules by promtool, and every query of the dashboard by a real Prometheus that scrapes gateways under load. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type RedisDeployment, startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { SseClient, WsClient } from './harness/clients.ts';
import { publish } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';
import { noPrometheus, PrometheusProcess, promtool, RATE_WINDOW } from './harness/prometheus.ts';

const DASHBOARD = new URL('../../../infra/grafana/dashboards/passerelle.json', import.meta.url);
const CHANNELS = ['news', 'weather', 'sport'];
const skip = noPrometheus() ?? false;

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}

const { panels } = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as { panels: readonly Panel[] };

test('the alert rules are valid, and each is raised when it must be and not before', { skip }, async () => {
  await promtool('check', 'config', 'prometheus.yml');
  await promtool('test', 'rules', 'alerts.test.yml');
  const names = (file: string, pattern: RegExp) =>
    new Set(
      [...readFileSync(new URL(`../../prometheus/${file}`, DASHBOARD), 'utf8').matchAll(pattern)].map(
        ([, name]) => name,
      ),
    );
  assert.deepEqual(
    names('alerts.yml', /alert: (\w+)/g),
    names('alerts.test.yml', /alertname: (\w+)\n\s+eval_time: \S+\n\s+exp_alerts/g),
    'each has a test in which it is raised',
  );
});

test('the dashboard has its rows, and no two panels in one place', () => {
  const rows = panels.filter(({ type }) => type === 'row').map(({ title }) => title);
  assert.deepEqual(rows, ['Fleet', 'Connects and closes', 'Throughput', 'Latency', 'Redis', 'Process']);
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Set<string>();
  for (const { title, gridPos } of panels)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.ok(x < 24 && !taken.has(`${x} ${y}`), title);
        taken.add(`${x} ${y}`);
      }
});

describe('a Prometheus that scrapes three gateways under load', { skip }, () => {
  let redis: RedisDeployment;
  let gateways: readonly GatewayProcess[] = [];
  let prometheus: PrometheusProcess;
  const load = new AbortController();
  let loaded: Promise<void>;
  before(async () => {
    redis = await startStandalone();
    const ids = ['one', 'two', 'three'];
    gateways = await Promise.all(
      ids.map((id) => GatewayProcess.start({ env: { REDIS_URL: redis.url, GATEWAY_ID: id } })),
    );
    prometheus = await PrometheusProcess.start(gateways.map(({ url }) => url));
    loaded = run(
      gateways.map(({ url }) => url),
      load.signal,
    );
  });
  after(async () => {
    load.abort();
    await loaded;
    await prometheus?.stop();
    await Promise.all(gateways.map((gateway) => gateway.kill()));
    await redis?.stop();
  });

  test('has data for every query of every panel', async (t) => {
    await until('every gateway delivers', async () => {
      const rates = await prometheus.query(`rate(passerelle_events_delivered_total[${RATE_WINDOW}]) > 0`);
      return rates.length === gateways.length;
    });
    const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));
    const table: string[] = [];
    for (const { title, expr } of queries) {
      const asked = expr.replaceAll('$gateway', '.*').replaceAll('$__rate_interval', RATE_WINDOW);
      assert.doesNotMatch(asked, /\$/, `${title} has no other variable`);
      let samples = await prometheus.query(asked);
      await until(`"${title}" has data: ${asked}`, async () => {
        samples = await prometheus.query(asked);
        return samples.some(({ value }) => Number.isFinite(value));
      });
      const shown = samples.slice(0, 3).map(({ labels, value }) => {
        const names = Object.entries(labels).filter(
          ([name]) => name !== 'instance' && name !== 'job' && name !== '__name__',
        );
        return `${names.map(([, label]) => label).join(' ')} ${Number(value.toPrecision(3))}`.trim();
      });
      table.push(`${title.padEnd(30)} ${String(samples.length).padStart(3)} series: ${shown.join(', ')}`);
    }
    for (const line of table) t.diagnostic(line);
    await until('all three are there', async () => {
      return (await prometheus.query('count(passerelle_build_info)'))[0]?.value === gateways.length;
    });
  });

  test('can evaluate every rule', async () => {
    await until('all were evaluated', async () =>
      (await prometheus.rules()).every(({ health }) => health !== 'unknown'),
    );
    const rules = await prometheus.rules();
    assert.ok(rules.length > 0);
    assert.deepEqual(
      rules.filter(({ health }) => health !== 'ok'),
      [],
    );
  });
});

/** Listeners on every gateway, publishes, and connections that come and go, until it is told to stop. */
async function run(urls: readonly string[], signal: AbortSignal): Promise<void> {
  const clients: (WsClient | SseClient)[] = [];
  for (const url of urls)
    for (const channel of CHANNELS) {
      const socket = await WsClient.open(`${url}/ws`);
      socket.send({ type: 'subscribe', channel });
      clients.push(socket, await SseClient.open(`${url}/events?channel=${channel}`));
    }
  for (let n = 0; !signal.aborted; n++) {
    const url = urls[n % urls.length] ?? '';
    // Each twice, with one key: the second is answered as a duplicate.
    await publish(url, CHANNELS[(n >> 1) % CHANNELS.length] ?? '', { n }, { key: `key-${n >> 1}` });
    if (n % 10 === 0) {
      const passing = await WsClient.open(`${url}/ws`);
      passing.send({ type: 'subscribe', channel: 'not a channel' });
      await passing.close(1000);
    }
    await pause(5);
  }
  for (const client of clients) client.destroy();
}
