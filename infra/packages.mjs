// The packages that this repository hands out, and how the folder of each is written: only what runs, built, with the types of what can be imported, a manifest of
// its own and a README whose links all lead somewhere within the package.
//
// What a package needs is found by following the imports from what it exports. There are no source maps, as the sources are not in it.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename, dirname, join, posix } from 'node:path';
import { buildSync } from 'esbuild';

/**
 * What each package is made of, by paths in the repository. `places` says where a file or folder goes, where that is not its own path. `programs` are what runs
 * in Node.js, `types` what describes what can be imported; all that they import goes along. `documents` go along, and links to them are kept.
 */
const PACKAGES = [
  {
    name: 'passerelle',
    manifest: ({ description, engines, exports, optionalDependencies }) => ({
      description,
      engines,
      bin: { passerelle: 'dist/gateway/main.js' },
      exports,
      optionalDependencies,
    }),
    readme: 'gateway/server/README.md',
    programs: ['dist/gateway/main.js', 'dist/gateway/embed.js'],
    types: ['dist/gateway/embed.d.ts', 'dist/gateway/client/client.d.ts'],
    files: ['dist/broker/redis/lua', 'dist/gateway/web'],
    documents: { 'gateway/PROTOCOL.md': 'PROTOCOL.md', 'gateway/client/README.md': 'CLIENT.md' },
  },
  {
    name: 'passerelle-client',
    manifest: () => ({
      description: 'The browser client of Passerelle: channels over WebSocket or Server-Sent Events, with exact resume',
      sideEffects: false,
      exports: { '.': { types: './types/client.d.ts', default: './client.js' } },
    }),
    readme: 'gateway/client/README.md',
    programs: [],
    types: ['dist/gateway/client/client.d.ts'],
    files: ['dist/gateway/web/client.js'],
    places: { 'dist/gateway/web/client.js': 'client.js', 'dist/gateway/client': 'types' },
    documents: {},
  },
];

/** Writes the folder of every package into `outdir`, and returns their paths. The working directory is the repository, which is built. */
export function writePackages(outdir) {
  const root = JSON.parse(readFileSync('package.json', 'utf8'));
  return PACKAGES.map((each) => writePackage(each, root, join(outdir, each.name)));
}

function writePackage(each, root, folder) {
  const { files: programs, packages } = followed(each.programs);
  const put = (file, text) => {
    const to = join(folder, placed(file, each.places));
    mkdirSync(dirname(to), { recursive: true });
    if (text === undefined) cpSync(file, to);
    else writeFileSync(to, text);
  };
  for (const file of [...programs, ...each.files.flatMap(filesIn)])
    put(file, /\.c?js$/.test(file) ? withoutMap(file) : undefined);
  for (const file of declarations(each.types)) put(file, readFileSync(file, 'utf8').replaceAll(TYPE_IMPORT, '$1.js$2'));

  const { version, license, type, repository, dependencies } = root;
  const used = Object.fromEntries(Object.entries(dependencies).filter(([name]) => packages.has(name)));
  const manifest = { name: each.name, version, license, repository, type, ...each.manifest(root), dependencies: used };
  if (packages.size === 0) delete manifest.dependencies;
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);

  const documents = { ...each.documents, [each.readme]: 'README.md' };
  for (const [file, to] of Object.entries(documents)) writeFileSync(join(folder, to), relinked(file, documents));
  if (existsSync('LICENSE')) cpSync('LICENSE', join(folder, 'LICENSE'));
  return folder;
}

/** All files that the programs import, and the packages. */
function followed(entryPoints) {
  const { metafile } = buildSync({
    entryPoints,
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    outdir: '.',
    logLevel: 'error',
  });
  const imports = Object.values(metafile.inputs).flatMap((input) => input.imports);
  const names = imports.filter(({ external, path }) => external && !isBuiltin(path)).map(({ path }) => packageOf(path));
  return { files: Object.keys(metafile.inputs), packages: new Set(names) };
}

function packageOf(path) {
  return path.split('/', path.startsWith('@') ? 2 : 1).join('/');
}

/** An import of another file within a declaration. Written as `.js`, older compilers understand it, too. */
const TYPE_IMPORT = /((?:from|import) '\.[^']*)\.ts(')/g;

/** The declarations, and those that they import. */
function declarations(entries) {
  const found = new Set(entries);
  for (const file of found)
    for (const [, path] of readFileSync(file, 'utf8').matchAll(/(?:from|import) '(\.[^']*)\.[tj]s'/g))
      found.add(posix.join(dirname(file), `${path}.d.ts`));
  return found;
}

function filesIn(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).flatMap((name) => filesIn(`${path}/${name}`));
}

function withoutMap(file) {
  return readFileSync(file, 'utf8').replace(/\n?\/\/# sourceMappingURL=.*\n?$/, '\n');
}

function placed(file, places = {}) {
  const from = Object.keys(places).find((place) => file === place || file.startsWith(`${place}/`));
  return from === undefined ? file : `${places[from]}${file.slice(from.length)}`;
}

/** A document whose links to other files lead to where those are in the package; of links to what is not in it only the text is left. */
function relinked(file, documents) {
  const link = /\[([^\]]*)\]\(([^)#:]+)(#[^)]*)?\)/g;
  return readFileSync(file, 'utf8').replaceAll(link, (...[, text, path, anchor = '']) => {
    const place = documents[posix.join(dirname(file), path)];
    return place === undefined ? text : `[${text}](${basename(place)}${anchor})`;
  });
}
