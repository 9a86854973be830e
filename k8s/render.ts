/** `npm run k8s:render`: writes what is copied from `infra/`, and `rendered/`, anew. Needs kubectl and helm. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COPIES } from './copies.ts';
import { FOLDER, headline, RENDERS } from './renders.ts';

for (const { path, content } of COPIES) {
  writeFileSync(join(FOLDER, path), content());
  console.log(path);
}
for (const { name, program, run } of RENDERS) {
  const yaml = run();
  if (yaml === undefined) throw new Error(`${program} is not installed: k8s/README.md says how to get it`);
  writeFileSync(join(FOLDER, 'rendered', `${name}.yaml`), `${headline()}\n${yaml.replace(/^\n+/, '')}`);
  console.log(`rendered/${name}.yaml`);
}
