/** Runs the conformance suite by a user of Redis who may do what the documents say, and no more. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { conformance } from '../conformance.ts';
import { redisHarness } from './testing/harness.ts';
import { startStandalone } from './testing/servers.ts';

conformance('standalone Redis, with the rights that the documents call the least', async () => {
  const deployment = await startStandalone({ config: `${leastRights()}\n` });
  return redisHarness(deployment, deployment.url.replace('redis://', 'redis://passerelle:PASSWORD@'));
});

/** The line of a configuration that the documents show, for names that begin as those of the tests do. */
function leastRights(): string {
  const documents = readFileSync(new URL('../../../infra/README.md', import.meta.url), 'utf8');
  const [line] = /user passerelle on .*$/m.exec(documents) ?? [];
  assert.ok(line, 'the documents show the least rights');
  return line.replaceAll('passerelle:*', 'test-*');
}
