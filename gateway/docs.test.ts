/** The documents, and what is handed out beside them, say what the code does: settings, links, scripts, metrics and alerts are those that there are. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { call } from './e2e/harness/http-client.ts';
import { brokenLinks } from './e2e/harness/links.ts';
import { GatewayProcess } from './e2e/harness/processes.ts';
import { SETTINGS } from './settings/config.ts';
import { settingsDeclaration, settingsMarkdown } from './settings/usage.ts';

const ROOT = new URL('../../', import.meta.url);
const DOCUMENTS = [
  'README.md',
  'CHANGELOG.md',
  '.github/CONTRIBUTING.md',
  '.github/SECURITY.md',
  'gateway/PROTOCOL.md',
  'gateway/client/README.md',
  'gateway/server/README.md',
  'loadtest/README.md',
  'infra/README.md',
  'k8s/README.md',
];

/** What documents write as settings are written, and are none: the compose file's, and the Dockerfile's. */
const OTHER_VARIABLES = ['GRAFANA_PASSWORD', 'NODE_IMAGE'];

const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

describe('documents', () => {
  it('list the settings as the code has them (npm run docs writes them)', () => {
    const listed = /<!-- settings:[^\n]*-->\n\n([\s\S]*?)\n<!-- \/settings -->/.exec(read('README.md'))?.[1];
    assert.equal(listed, settingsMarkdown());
  });

  it('list them for TypeScript as the code has them (npm run docs writes them)', () => {
    assert.equal(read('gateway/settings/declared.ts'), settingsDeclaration());
  });

  for (const document of DOCUMENTS) {
    it(`${document} links to files and headings that there are`, () => {
      assert.deepEqual(brokenLinks(new URL(document, ROOT)), { files: [], headings: [] });
    });

    it(`${document} names settings that there are`, () => {
      const known = [...Object.values(SETTINGS).map(({ name }) => name), ...OTHER_VARIABLES];
      const named = [...read(document).matchAll(/(?<![\w$-])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?!\w)/g)].map(
        ([name]) => name,
      );
      assert.deepEqual(
        named.filter((name) => !known.includes(name)),
        [],
      );
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

describe('metrics', () => {
  /** Whatever names metrics: documents, and what Prometheus, Grafana, Kubernetes and terminals are handed. */
  const naming = [
    ...DOCUMENTS.filter((document) => document !== 'gateway/PROTOCOL.md'), // that has figures of its own by such names
    'infra/monitor.sh',
    'infra/prometheus/alerts.yml',
    'infra/prometheus/alerts.test.yml',
    'infra/grafana/dashboards/passerelle.json',
    ...readdirSync(new URL('k8s/', ROOT), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.yaml'))
      .map((file) => `k8s/${file}`),
  ];
  const exported = new Set<string>();
  before(async () => {
    const gateway = await GatewayProcess.start();
    const { text } = await call(`${gateway.url}/metrics`);
    await gateway.kill();
    for (const [, name, type] of text.matchAll(/^# TYPE (\w+) (\w+)$/gm))
      for (const ending of type === 'histogram' || type === 'summary' ? ['', '_bucket', '_sum', '_count'] : [''])
        exported.add(`${name}${ending}`);
  });

  for (const file of naming)
    it(`that ${file} names are those that a gateway has`, () => {
      const named = read(file).matchAll(
        /(?<![\w/.-])((?:passerelle|nodejs|process)_[a-z0-9_]*[a-z0-9])(?![\w.]|-[a-z])/g,
      );
      const unknown = [...named].map(([, name]) => name as string).filter((name) => !exported.has(name));
      assert.deepEqual([...new Set(unknown)], []);
    });

  it('are in the operations guide, each', () => {
    const guide = read('infra/README.md');
    const own = [...exported].filter((name) => name.startsWith('passerelle_') && !/_(bucket|sum|count)$/.test(name));
    assert.ok(own.length > 20);
    assert.deepEqual(
      own.filter((name) => !guide.includes(`\`${name}\``)),
      [],
    );
  });
});

describe('the operations guide', () => {
  const guide = read('infra/README.md');

  it('says of each alert what it means and what to do', () => {
    const alerts = [...read('infra/prometheus/alerts.yml').matchAll(/alert: (\w+)/g)].map(([, name]) => name as string);
    assert.ok(alerts.length > 10);
    assert.deepEqual(
      alerts.filter((name) => !guide.includes(`| \`${name}\` |`)),
      [],
    );
    const told = [...guide.matchAll(/\| `(Passerelle\w+)` \|/g)].map(([, name]) => name as string);
    assert.deepEqual(
      told.filter((name) => !alerts.includes(name)),
      [],
    );
  });
});

for (const document of ['infra/README.md', 'k8s/README.md'])
  describe(document, () => {
    const paths = (folders: readonly string[]) =>
      [...read(document).matchAll(new RegExp(`(?<![\\w/.])(?:${folders.join('|')})/[\\w@./-]*\\w`, 'g'))].map(
        ([path]) => path,
      );
    const missing = (named: readonly string[], from: URL) => named.filter((path) => !existsSync(new URL(path, from)));

    it('names files that there are', () => {
      const named = paths(['infra', 'k8s', 'gateway', 'loadtest']);
      assert.ok(named.length > 5);
      assert.deepEqual(missing(named, ROOT), []);
    });

    it('names files of its own folder that there are', () => {
      const folder = new URL('.', new URL(document, ROOT));
      const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
      assert.deepEqual(missing(paths(folders.map(({ name }) => name)), folder), []);
    });
  });

describe('k8s/README.md', () => {
  it('names every component', () => {
    const guide = read('k8s/README.md');
    const components = readdirSync(new URL('k8s/components/', ROOT));
    assert.ok(components.length > 5);
    assert.deepEqual(
      components.filter((name) => !guide.includes(`\`${name}\``)),
      [],
    );
  });
});

/** The anchors of a document's headings, as GitHub makes them. */
