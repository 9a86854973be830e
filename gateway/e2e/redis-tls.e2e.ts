/** `npm run e2e:redis-tls`: gateways on a Redis Cluster that speaks TLS, also among its nodes. */
import { test } from 'node:test';
import { startCluster } from '../../broker/redis/testing/servers.ts';
import { Certificates } from './harness/certificates.ts';
import { publishThrough } from './harness/redis-tls.ts';

test('gateways reach a Redis Cluster by TLS', async (t) => {
  const certificates = new Certificates();
  t.after(() => certificates.remove());
  await publishThrough(t, certificates.make('redis'), startCluster);
});
