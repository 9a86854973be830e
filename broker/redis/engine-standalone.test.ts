import { conformance } from '../conformance.ts';
import { redisHarness } from './testing/harness.ts';
import { startStandalone } from './testing/servers.ts';

conformance('standalone Redis', async () => redisHarness(await startStandalone()));
