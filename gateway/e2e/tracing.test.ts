/** Traces of events, as a collector gets them from two gateways on one Redis. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, test } from 'node:test';
import { startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { SseClient } from './harness/clients.ts';
import { call, post } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  /** Of the resource it came with. */
  readonly gateway: string;
}

/** Takes OTLP as JSON, as collectors do. */
async function collector() {
  const spans: Span[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    assert.equal(
      `${request.method} ${request.url} ${request.headers['content-type']}`,
      'POST /v1/traces application/json',
    );
    for (const { resource, scopeSpans } of JSON.parse(Buffer.concat(chunks).toString()).resourceSpans) {
      const attributes: { key: string; value: { stringValue: string } }[] = resource.attributes;
      const gateway = attributes.find(({ key }) => key === 'service.instance.id')?.value.stringValue;
      for (const scope of scopeSpans) for (const span of scope.spans) spans.push({ ...span, gateway });
    }
    response.end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return { spans, server, url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}` };
}

describe('with a collector of traces', () => {
  test('an event is followed from who published it to every gateway that delivers it', async (t) => {
    const [redis, { spans, server, url: endpoint }] = await Promise.all([startStandalone(), collector()]);
    const env = { REDIS_URL: redis.url, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
    const [a, b] = await Promise.all(['a', 'b'].map((id) => GatewayProcess.start({ env: { ...env, GATEWAY_ID: id } })));
    assert.ok(a && b);
    t.after(async () => {
      await Promise.all([a.kill(), b.kill()]);
      await redis.stop();
      server.close();
    });
    for (const { url } of [a, b]) await until('it is ready', async () => (await call(`${url}/readyz`)).status === 200);
    const streams = await Promise.all([a, b].map(({ url }) => SseClient.open(`${url}/events?channel=orders`)));
    for (const stream of streams) await stream.blocks.next();
    const caller = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };
    const body = { channel: 'orders', data: 1, key: 'once' };
    for (let n = 0; n < 2; n++)
      await post(`${a.url}/api/publish`, body, { traceparent: `00-${caller.traceId}-${caller.spanId}-01` });

    const named = (name: string) => spans.filter((span) => span.name === name);
    await until('the spans are there', () => named('publish orders').length + named('deliver orders').length === 4);
    const own = named('publish orders').find(({ traceId }) => traceId === caller.traceId);
    const root = named('publish orders').find(({ traceId }) => traceId !== caller.traceId);
    assert.ok(own && root);
    assert.equal(own.parentSpanId, caller.spanId);
    assert.deepEqual(own.links, [{ traceId: root.traceId, spanId: root.spanId }]);
    assert.deepEqual(root.links, [{ traceId: own.traceId, spanId: own.spanId }]);
    assert.equal(root.gateway, 'a');
    const deliveries = named('deliver orders');
    assert.deepEqual(deliveries.map(({ gateway }) => gateway).sort(), ['a', 'b']);
    for (const { traceId, parentSpanId } of deliveries)
      assert.deepEqual([traceId, parentSpanId], [root.traceId, root.spanId]);
    for (const span of [own, root, ...deliveries]) {
      assert.match(`${span.traceId} ${span.spanId}`, /^[0-9a-f]{32} [0-9a-f]{16}$/);
      assert.ok(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano));
      assert.ok(
        Math.abs(Number(span.endTimeUnixNano) / 1e6 - Date.now()) < 600_000,
        'it is in nanoseconds of this epoch',
      );
    }
    for (const stream of streams) stream.destroy();
  });

  test('that is away, everything else goes on, and the log says so', async (t) => {
    const { server, url: endpoint } = await collector();
    server.close();
    const gateway = await GatewayProcess.start({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } });
    t.after(() => gateway.kill());
    assert.equal((await post(`${gateway.url}/api/publish`, { channel: 'a', data: 1 })).status, 200);
    await until('it is told', () => gateway.log.includes('traces are lost'));
    assert.equal((await post(`${gateway.url}/api/publish`, { channel: 'a', data: 2 })).status, 200);
  });
});
