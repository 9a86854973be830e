// Builds the browser client, whose types tsc has checked and written, and holds it to its size.
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { buildSync } from 'esbuild';

/** What a page has to fetch for it, compressed by whatever gzip, is less than this. */
const LIMIT_BYTES = 6_100;
/** By so much others, such as `gzip -9`, may make more of it than Node's. */
const SPREAD_BYTES = 80;
const SOURCE = 'gateway/client';

/** Writes the one module that pages import, and the tests. Gives the module's size in bytes, gzipped; throws where it is too large. */
export function buildClient(outfile, testsOutdir) {
  const options = { entryPoints: [`${SOURCE}/client.ts`], bundle: true, format: 'esm', target: 'es2022', minify: true };
  buildSync({ ...options, outfile });
  const bytes = gzipSync(readFileSync(outfile), { level: 9 }).length;
  const most = LIMIT_BYTES - SPREAD_BYTES;
  if (bytes >= most) throw new Error(`The browser client has ${bytes} bytes gzipped; it must have less than ${most}`);

  buildSync({
    entryPoints: readdirSync(SOURCE)
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => `${SOURCE}/${name}`),
    outdir: testsOutdir,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    sourcemap: true,
  });
  return bytes;
}
