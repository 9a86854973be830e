// Builds everything that runs into dist/: the TypeScript by tsc, the pages' scripts by esbuild, and the files read at run time as copies.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

/** What is type-checked, in this order. The pages' scripts run in browsers and see no Node; their tests run in Node. */
const CHECKS = [
  ['-p', 'tsconfig.json'],
  ['-p', 'gateway/web/tsconfig.json'],
  ['-p', 'gateway/web/tsconfig.tests.json'],
];

rmSync('dist', { recursive: true, force: true });
for (const args of CHECKS) {
  const tsc = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', ...args], { stdio: 'inherit' });
  if (tsc.status !== 0) process.exit(tsc.status ?? 1);
}

cpSync('broker/redis/lua', 'dist/broker/redis/lua', { recursive: true });

const web = readdirSync('gateway/web');
mkdirSync('dist/gateway/web', { recursive: true });
for (const file of web.filter((name) => /\.(html|css|svg)$/.test(name)))
  cpSync(`gateway/web/${file}`, `dist/gateway/web/${file}`);
// x.html runs x.ts; every other module is part of the scripts that import it.
const scripts = web.filter((name) => name.endsWith('.ts') && web.includes(name.replace(/ts$/, 'html')));
buildSync({
  entryPoints: scripts.map((name) => `gateway/web/${name}`),
  outdir: 'dist/gateway/web',
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
});
// Not into dist/gateway/web, all of which is served.
buildSync({
  entryPoints: web.filter((name) => name.endsWith('.test.ts')).map((name) => `gateway/web/${name}`),
  outdir: 'dist/gateway/web-tests',
  bundle: true,
  format: 'esm',
  platform: 'node',
  packages: 'external',
  sourcemap: true,
});
