// Builds everything that runs into dist/: the TypeScript by tsc, the pages by esbuild and pages.mjs, and the files read at run time as copies.
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { buildClient } from './client.mjs';
import { buildPages } from './pages.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

/** What is type-checked, in this order. The pages' scripts run in browsers and see no Node; their tests run in Node. */
const CHECKS = [
  ['-p', 'tsconfig.json'],
  ['-p', 'gateway/client/tsconfig.json'],
  ['-p', 'gateway/client/tsconfig.tests.json'],
  ['-p', 'gateway/web/tsconfig.json'],
  ['-p', 'gateway/web/tsconfig.tests.json'],
];

rmSync('dist', { recursive: true, force: true });
for (const args of CHECKS) {
  const tsc = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', ...args], { stdio: 'inherit' });
  if (tsc.status !== 0) process.exit(tsc.status ?? 1);
}

for (const file of ['runtime.cjs', 'bin.cjs']) cpSync(`gateway/${file}`, `dist/gateway/${file}`);
cpSync('broker/redis/lua', 'dist/broker/redis/lua', { recursive: true });

await buildPages('gateway/web', 'dist/gateway/web');
buildClient('dist/gateway/web/client.js', 'dist/gateway/client-tests');
// Not into dist/gateway/web, all of which is served.
buildSync({
  entryPoints: readdirSync('gateway/web', { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `gateway/web/${name}`),
  outbase: 'gateway/web',
  outdir: 'dist/gateway/web-tests',
  bundle: true,
  format: 'esm',
  platform: 'node',
  packages: 'external',
  sourcemap: true,
});
