import { conformance } from '../conformance.ts';
import { redisHarness } from './testing/harness.ts';
import { startSentinel } from './testing/servers.ts';

conformance('Redis with Sentinel', async () => redisHarness(await startSentinel()));
