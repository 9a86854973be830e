// Writes what is taken from elsewhere: the README's table of settings and the type of `createGateway`'s options from the code, the README's table of
// sizes from the last run of the benchmark. Run after `npm run build`; `npm run docs` does both.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { settingsDeclaration, settingsMarkdown } from '../dist/gateway/settings/usage.js';
import { sizingMarkdown } from '../dist/loadtest/sizing.js';

const file = new URL('../README.md', import.meta.url);
const results = new URL('../loadtest/results/bench.json', import.meta.url);
const tables = { settings: settingsMarkdown() };
if (existsSync(results)) tables.sizing = sizingMarkdown(JSON.parse(readFileSync(results, 'utf8')));

let readme = readFileSync(file, 'utf8');
for (const [name, table] of Object.entries(tables))
  readme = readme.replace(
    new RegExp(`(<!-- ${name}:[^\\n]*-->\\n)[\\s\\S]*?(<!-- /${name} -->)`),
    (_, open, close) => `${open}\n${table}\n${close}`,
  );
writeFileSync(file, readme);
writeFileSync(new URL('../gateway/settings/declared.ts', import.meta.url), settingsDeclaration());
