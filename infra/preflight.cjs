// What `npm start`, `npm test` and `npm run build` look at first: whether the packages are there, and whether this Node.js can run them. Every
// Node.js from 12 on must understand this file.
'use strict';
// biome-ignore lint/style/useNodejsImportProtocol: Node.js 12 does not know it.
const { existsSync } = require('fs');
const manifest = require('../package.json');
const { refuse, unfitness } = require('../gateway/runtime.cjs');

const needed = Object.keys(manifest.dependencies).concat(Object.keys(manifest.devDependencies));
const missing = needed.filter((name) => manifestOf(name) === undefined);
/** What builds has its own program for each platform, as an optional package. */
const platform = `${process.platform}-${process.arch}`;
const programs = { typescript: `@typescript/typescript-${platform}`, esbuild: `@esbuild/${platform}` };
const omitted = Object.keys(programs)
  .filter((name) => missing.indexOf(name) < 0 && programs[name] in (manifestOf(name).optionalDependencies || {}))
  .map((name) => programs[name])
  .filter((name) => manifestOf(name) === undefined);

if (missing.length === needed.length) refuse('Passerelle cannot start: its packages are not installed: type "npm ci".');
else if (missing.length > 0)
  refuse(`Passerelle cannot be built: these packages are not installed: ${missing.join(', ')}: type "npm ci".`);
else if (omitted.length > 0)
  refuse(
    `Passerelle cannot be built: these optional packages were left out: ${omitted.join(', ')}: type "npm ci" without --omit=optional.`,
  );
else if (unfitness() !== undefined) refuse(unfitness());

function manifestOf(name) {
  const file = `${__dirname}/../node_modules/${name}/package.json`;
  return existsSync(file) ? require(file) : undefined;
}
