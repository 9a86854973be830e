// `npm run pack`: makes the tarball of every package, and prints their paths.
//
//   node infra/pack.mjs [FOLDER]    into that folder, else into the repository's root
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writePackages } from './packages.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const outdir = resolve(process.argv[2] ?? root);
process.chdir(root);

mkdirSync(outdir, { recursive: true });
const stage = mkdtempSync(join(tmpdir(), 'passerelle-pack-'));
try {
  for (const folder of writePackages(stage)) {
    const packed = execFileSync('npm', ['pack', folder, '--pack-destination', outdir, '--json', '--loglevel=error']);
    const [{ filename }] = JSON.parse(packed);
    console.log(join(outdir, filename));
  }
} finally {
  rmSync(stage, { recursive: true });
}
