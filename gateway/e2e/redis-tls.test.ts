/** Gateways that reach Redis by TLS. `redis-tls.e2e.ts` does the same with a cluster, which takes longer to start. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startSentinel, startStandalone } from '../../broker/redis/testing/servers.ts';
import { until } from '../../broker/testing/until.ts';
import { Certificates } from './harness/certificates.ts';
import { call } from './harness/http-client.ts';
import { GatewayProcess } from './harness/processes.ts';
import { publishThrough } from './harness/redis-tls.ts';

const certificates = new Certificates();
after(() => certificates.remove());
const own = certificates.make('redis');

describe('gateways reach Redis by TLS', () => {
  test('where it is one server', (t) => publishThrough(t, own, startStandalone));
  test('where it is found by Sentinels', (t) => publishThrough(t, own, startSentinel));

  test('where it asks who they are', async (t) => {
    const tls = { ...own, clientCaFile: own.certFile };
    await publishThrough(t, tls, startStandalone, {
      REDIS_TLS_CERT_FILE: own.certFile,
      REDIS_TLS_KEY_FILE: own.keyFile,
    });
  });

  test('and trust none whose certificate they do not know, of which the log and /readyz say why', async (t) => {
    const redis = await startStandalone({ tls: own });
    t.after(() => redis.stop());
    const gateway = await GatewayProcess.start({ env: { REDIS_URL: redis.url } });
    t.after(() => gateway.kill());
    await until('it is told', () => /self-signed certificate/.test(gateway.log));
    const { status, text } = await call(`${gateway.url}/readyz`);
    assert.equal(status, 503);
    t.diagnostic(text);
  });
});
