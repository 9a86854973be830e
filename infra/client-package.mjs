// Writes the folder that `npm run client:pack` packs: the browser client and its types under the name that they have here, with none of
// the gateway's dependencies, which no page needs.
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** `types` is the folder into which tsc has written the declarations. */
export function buildClientPackage(script, types, outdir) {
  const { name, version, description, license, type } = JSON.parse(readFileSync('package.json', 'utf8'));
  const entry = { types: './types/client.d.ts', default: './client.js' };
  const manifest = { name, version, description, license, type, sideEffects: false, exports: { './client': entry } };
  mkdirSync(`${outdir}/types`, { recursive: true });
  writeFileSync(`${outdir}/package.json`, `${JSON.stringify(manifest, null, 2)}\n`);
  cpSync(script, `${outdir}/client.js`);
  cpSync('gateway/client/README.md', `${outdir}/README.md`);
  for (const file of readdirSync(types).filter((each) => each.endsWith('.d.ts')))
    cpSync(`${types}/${file}`, `${outdir}/types/${file}`);
}
