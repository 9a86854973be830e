// Writes what the documents take from the code: the README's table of settings. Run after `npm run build`; `npm run docs` does both.
import { readFileSync, writeFileSync } from 'node:fs';
import { settingsMarkdown } from '../dist/gateway/usage.js';

const file = new URL('../README.md', import.meta.url);
const readme = readFileSync(file, 'utf8');
const written = readme.replace(
  /(<!-- settings:[^\n]*-->\n)[\s\S]*?(<!-- \/settings -->)/,
  (_, open, close) => `${open}\n${settingsMarkdown()}\n${close}`,
);
writeFileSync(file, written);
