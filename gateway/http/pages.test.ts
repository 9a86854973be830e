import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptsGzip } from './pages.ts';

test('who takes gzip is known by what is said, and not by what is said of it', () => {
  for (const accepted of ['gzip', 'gzip, deflate, br', 'br;q=1.0, gzip;q=0.8', ' GZIP ', 'x-gzip', 'gzip; q=0.001'])
    assert.equal(acceptsGzip(accepted), true, accepted);
  for (const accepted of ['', 'br', 'identity', 'gzip;q=0', 'gzip; q=0.000', 'gzipped', 'br, gzip;q=0.0'])
    assert.equal(acceptsGzip(accepted), false, accepted);
});
