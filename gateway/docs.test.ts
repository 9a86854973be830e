/** The documents say what the code does: settings, links and scripts are those that there are. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { settingsMarkdown } from './usage.ts';

const ROOT = new URL('../../', import.meta.url);
const DOCUMENTS = ['README.md', 'CHANGELOG.md', 'gateway/PROTOCOL.md', 'loadtest/README.md', 'infra/README.md'];

const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

describe('documents', () => {
  it('list the settings as the code has them (npm run docs writes them)', () => {
    const listed = /<!-- settings:[^\n]*-->\n\n([\s\S]*?)\n<!-- \/settings -->/.exec(read('README.md'))?.[1];
    assert.equal(listed, settingsMarkdown());
  });

  for (const document of DOCUMENTS) {
    it(`${document} links to files that there are`, () => {
      const links = [...read(document).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, link]) => link as string);
      const broken = links.filter(
        (link) => !/^https?:/.test(link) && !existsSync(new URL(link, new URL(document, ROOT))),
      );
      assert.deepEqual(broken, []);
    });

    it(`${document} names scripts that there are`, () => {
      const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
      const named = [...read(document).matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name as string);
      assert.deepEqual(
        named.filter((name) => !Object.hasOwn(scripts, name)),
        [],
      );
    });
  }
});
