// Builds everything that runs into dist/: the TypeScript by tsc, the pages' scripts by esbuild, and the files read at run time as copies.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

rmSync('dist', { recursive: true, force: true });
const tsc = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], {
  stdio: 'inherit',
});
if (tsc.status !== 0) process.exit(tsc.status ?? 1);

cpSync('broker/redis/lua', 'dist/broker/redis/lua', { recursive: true });

const web = readdirSync('gateway/web');
mkdirSync('dist/gateway/web', { recursive: true });
for (const file of web.filter((name) => /\.(html|css|svg)$/.test(name)))
  cpSync(`gateway/web/${file}`, `dist/gateway/web/${file}`);
buildSync({
  entryPoints: web.filter((name) => name.endsWith('.ts')).map((name) => `gateway/web/${name}`),
  outdir: 'dist/gateway/web',
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
});
