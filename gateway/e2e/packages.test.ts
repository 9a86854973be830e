/** The packages as whoever installs them gets them: packed, installed by npm, started, embedded, type-checked and bundled. One installation serves all. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, renameSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { launchBrowser, PAGE_LIMIT_MS } from './harness/browser.ts';
import { SseClient } from './harness/clients.ts';
import { call, publish } from './harness/http-client.ts';
import { Installation, type Program } from './harness/installation.ts';
import { brokenLinks } from './harness/links.ts';
import { GatewayProcess } from './harness/processes.ts';

const ROOT = new URL('../../../', import.meta.url);
const TSC = fileURLToPath(new URL('node_modules/typescript/bin/tsc', ROOT));
const VITE = 'vite@8.4.0';
const QUICK = { PORT: '0', DRAIN_SETTLE_MS: '0', DRAIN_WINDOW_MS: '0' };

let app: Installation;
before(() => {
  app = Installation.make([VITE]);
});
after(() => app?.remove());

/** Skips the test where nothing could be installed. */
function installed(t: TestContext): boolean {
  if (app.missing !== undefined) t.skip(app.missing);
  return app.missing === undefined;
}

/** Ends with the test whatever it does. */
async function started(t: TestContext, command: readonly string[], line: RegExp, env: Record<string, string>) {
  const program: Program = await app.start(command, line, env);
  t.after(() => program.end('SIGKILL'));
  return program;
}

const inPackage = (name: string, path = ''): string => join(app.folder, 'node_modules', name, path);
const manifestOf = (folder: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, unknown>;

test('there are these packages', () => {
  const names = app.packed.map((folder) => manifestOf(folder).name);
  assert.deepEqual(names, ['passerelle', 'passerelle-client']);
});

test('each has what runs and nothing else, and is ready to be published', () => {
  const root = manifestOf(fileURLToPath(ROOT));
  for (const folder of app.packed) {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const strange = /test|e2e|harness|conformance|\.map$|(?<!\.d)\.ts$/;
    assert.deepEqual(
      files.filter((file) => strange.test(file.slice(folder.length))),
      [],
    );
    for (const file of files) assert.doesNotMatch(readFileSync(file, 'utf8'), /sourceMappingURL=/, file);
    const manifest = manifestOf(folder);
    for (const field of ['version', 'license', 'type']) assert.equal(manifest[field], root[field], field);
    for (const field of ['private', 'scripts', 'devDependencies']) assert.equal(manifest[field], undefined, field);
    const runs = manifest.name === 'passerelle';
    for (const field of ['engines', 'dependencies', 'optionalDependencies'])
      assert.deepEqual(manifest[field], runs ? root[field] : undefined, field);
  }
});

test('each has documents whose links all lead somewhere within it', () => {
  for (const folder of app.packed) {
    const documents = readdirSync(folder).filter((file) => file.endsWith('.md'));
    assert.ok(documents.includes('README.md'));
    for (const document of documents)
      assert.deepEqual(brokenLinks(pathToFileURL(join(folder, document))), { files: [], headings: [] }, document);
  }
});

test('npx passerelle serves, and ends in order when it is told to', async (t) => {
  if (!installed(t)) return;
  assert.equal(app.run('npx', 'passerelle', '--version').stdout.trim(), manifestOf(inPackage('passerelle')).version);
  const gateway = await started(t, ['npx', 'passerelle'], /listening on (http:\S+)/, QUICK);
  assert.equal((await call(`${gateway.found}/healthz`)).status, 200);
  assert.match((await call(`${gateway.found}/`)).text, /<html/);
  assert.equal((await call(`${gateway.found}/client.js`)).status, 200);
  await gateway.end('SIGTERM');
  assert.match(gateway.output(), /"msg":"stopped"/);
});

describe('a program that embeds a gateway', () => {
  test('is as short as the documents have it, serves, and ends by itself once it has drained', async (t) => {
    if (!installed(t)) return;
    const example = exampleIn(readFileSync(inPackage('passerelle', 'README.md'), 'utf8'));
    assert.equal(exampleIn(readFileSync(new URL('README.md', ROOT), 'utf8')), example, 'both documents have it');
    app.write('embed.mjs', example);
    const program = await started(t, [process.execPath, 'embed.mjs'], /^Listening on port (\d+)$/, { PORT: '0' });
    const url = `http://127.0.0.1:${program.found}`;
    assert.equal((await call(`${url}/healthz`)).status, 200);
    const stream = await SseClient.open(`${url}/events?channel=a`);
    await stream.blocks.next();
    await publish(url, 'a', 'embedded');
    assert.equal((await stream.blocks.next()).data, '"embedded"');
    stream.destroy();
    assert.equal(await program.end('SIGTERM'), 0, program.output());
  });

  test('is told in one sentence which Node.js works and what to type, where this one does not', (t) => {
    if (!installed(t)) return;
    const { platform, arch, versions } = process;
    const binary = inPackage('uWebSockets.js', `dist/bin/uws_${platform}_${arch}_${versions.modules}.node`);
    app.write('unfit.mjs', "import { createGateway } from 'passerelle';\ncreateGateway();\n");
    renameSync(binary, `${binary}.away`); // as on a Node.js that there is none for
    t.after(() => renameSync(`${binary}.away`, binary));
    const { status, stderr } = app.run(process.execPath, 'unfit.mjs');
    assert.equal(status, 1);
    const sentence = new RegExp(
      `Error: Passerelle cannot start: it runs on Node\\.js .*, and this is Node\\.js ${versions.node}: type "npx node"`,
    );
    assert.match(stderr, sentence);
    assert.doesNotMatch(stderr, /^ +at |uws\.mjs/m);
  });
});

/** The first block of JavaScript that embeds a gateway. */
function exampleIn(document: string): string {
  const blocks = [...document.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = '']) => code);
  return blocks.find((code) => code.includes('createGateway(')) ?? '';
}

/** An application's own module, for a compiler that is as strict as they come. */
const APPLICATION = `
import { createGateway, type Gateway, type Settings, SettingsError, settingsFrom } from 'passerelle';
import { Passerelle as Same } from 'passerelle/client';
import { type ChannelEvent, Passerelle, PasserelleError, ReconnectingSocket, type State, type Subscription } from 'passerelle-client';

const settings: Settings = { PORT: 0, ECHO: false, LOG_LEVEL: 'silent', INTERNAL_PORT: 0 };
export const gateway: Gateway = createGateway({ ...settingsFrom({ HOST: '127.0.0.1' }), ...settings });
// @ts-expect-error: a name that is no setting
export const unknown = () => createGateway({ TOKEN_SECRETT: 'x' });
// @ts-expect-error: nor is a list a value
export const wrong = () => createGateway({ HOST: ['127.0.0.1'] });
const listening = await gateway.listen();
const url: string = listening.ok ? 'http://127.0.0.1:' + listening.port : listening.error;

const states: State[] = [];
const client = new Passerelle({ url, transport: 'sse', state: (state) => states.push(state) });
const received = new Promise<string>((resolve) => {
  const subscription: Subscription = client.subscribe('a', { event: ({ data }: ChannelEvent) => resolve(String(data)) });
  // @ts-expect-error: nothing is taken for a channel but text
  if (subscription.position === '') client.subscribe(7);
});
await client.publish('a', 'hello');
const said = await received;
client.close();
const drained: 'drained' | 'cut' = await gateway.drain({ atOnce: true });
const faults = new SettingsError(['x']).faults.length + [PasserelleError, ReconnectingSocket, Same].length;
console.log(JSON.stringify([said, states.at(-1), drained, faults]));
`;

describe('TypeScript', () => {
  for (const [module, resolution] of [
    ['node16', 'node16'],
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ] as const)
    test(`finds the types of each package with moduleResolution ${resolution}, and what it makes of a module runs`, (t) => {
      if (!installed(t)) return;
      const file = app.write(`types-${resolution}.ts`, APPLICATION);
      const strict = ['--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false', '--types', ''];
      const options = [
        '--target',
        'es2022',
        '--lib',
        'es2023,dom',
        '--module',
        module,
        '--moduleResolution',
        resolution,
      ];
      const compiled = app.run(process.execPath, TSC, ...strict, ...options, '--ignoreConfig', file);
      assert.equal(compiled.status, 0, compiled.stdout);
      const { status, stdout, stderr } = app.run(process.execPath, file.replace('.ts', '.js'));
      assert.equal(status, 0, stderr);
      assert.deepEqual(JSON.parse(stdout), ['hello', 'closed', 'drained', 4]);
    });
});

const PAGE =
  '<!doctype html><html lang="en"><title>Built</title><ol id="news"></ol><script type="module" src="/main.ts"></script></html>';
const PAGE_SCRIPT = `
import { type ChannelEvent, Passerelle } from 'passerelle-client';

const url = new URLSearchParams(location.search).get('gateway') ?? '';
const show = ({ data }: ChannelEvent): void => {
  const item = document.createElement('li');
  item.textContent = String(data);
  document.querySelector('#news')?.append(item);
};
new Passerelle({ url }).subscribe('news', { tail: 10, event: show });
`;

test('a page that Vite has built with the client works in a browser, on another origin than the gateway', async (t) => {
  if (!installed(t)) return;
  app.write('site/index.html', PAGE);
  app.write('site/main.ts', PAGE_SCRIPT);
  const built = app.run(process.execPath, inPackage('vite', 'bin/vite.js'), 'build', 'site', '--logLevel', 'warn');
  assert.equal(built.status, 0, built.stderr);

  const site = await serve(join(app.folder, 'site/dist'));
  t.after(() => site.close());
  const gateway = await GatewayProcess.start({ env: { ALLOWED_ORIGINS: site.origin } });
  t.after(() => gateway.kill());
  await publish(gateway.url, 'news', 'before');
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const page = await browser.newPage();
  page.setDefaultTimeout(PAGE_LIMIT_MS);
  await page.goto(`${site.origin}/?gateway=${gateway.url}`);
  await page.getByText('before', { exact: true }).waitFor();
  await publish(gateway.url, 'news', 'now');
  await page.getByText('now', { exact: true }).waitFor();
  assert.deepEqual(await page.locator('#news li').allTextContents(), ['before', 'now']);
});

const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript' };

/** Serves the files of a folder, on a port of its own. */
async function serve(folder: string): Promise<{ readonly origin: string; close(): void }> {
  const files = new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [file.slice(folder.length).replace(/^\/index\.html$/, '/'), file]),
  );
  const server = createServer((request, response) => {
    const file = files.get(new URL(request.url ?? '/', 'http://site').pathname);
    response.statusCode = file === undefined ? 404 : 200;
    if (file !== undefined) response.setHeader('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream');
    response.end(file === undefined ? '' : readFileSync(file));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
