// What `npm start`, `npm test` and `npm run build` look at first: whether the packages are there, and whether this Node.js can run them. Every
// Node.js from 12 on must understand this file.
'use strict';
// biome-ignore lint/style/useNodejsImportProtocol: Node.js 12 does not know it.
const { existsSync } = require('fs');
const manifest = require('../package.json');
const { refuse, unfitness } = require('../gateway/runtime.cjs');

const needed = Object.keys(manifest.dependencies).concat(Object.keys(manifest.devDependencies));
const missing = needed.filter((name) => !existsSync(`${__dirname}/../node_modules/${name}/package.json`));

if (missing.length === needed.length) refuse('Passerelle cannot start: its packages are not installed: type "npm ci".');
else if (missing.length > 0)
  refuse(`Passerelle cannot be built: these packages are not installed: ${missing.join(', ')}: type "npm ci".`);
else if (unfitness() !== undefined) refuse(unfitness());
