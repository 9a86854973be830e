import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** A copy of the project as it is built, with the packages of this one; removed when the test ends. */
export function copyOfProject(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'passerelle-project-'));
  t.after(() => rmSync(folder, { recursive: true, maxRetries: 5 }));
  for (const name of readdirSync(ROOT))
    if (!/^(\.git|\.dist-.*|node_modules)$/.test(name))
      cpSync(join(ROOT, name), join(folder, name), { recursive: true, preserveTimestamps: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}
