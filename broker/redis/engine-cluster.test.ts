import { conformance } from '../conformance.ts';
import { redisHarness } from './testing/harness.ts';
import { startCluster } from './testing/servers.ts';

conformance('Redis Cluster', async () => redisHarness(await startCluster()));
