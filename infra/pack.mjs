// `npm run pack`: makes the tarball of every package, and prints their paths.
//
//   node infra/pack.mjs [FOLDER]    into that folder, else into dist/packages
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writePackages } from './packages.mjs';

const outdir = resolve(process.argv[2] ?? fileURLToPath(new URL('../dist/packages', import.meta.url)));
process.chdir(fileURLToPath(new URL('..', import.meta.url)));

mkdirSync(outdir, { recursive: true });
for (const folder of writePackages(outdir)) {
  const packed = execFileSync('npm', ['pack', folder, '--pack-destination', outdir, '--json', '--loglevel=error']);
  const [{ filename }] = JSON.parse(packed);
  rmSync(folder, { recursive: true });
  console.log(join(outdir, filename));
}
