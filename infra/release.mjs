// What the steps of a release ask, for `.github/workflows/release.yml`. Prints the answer, or says what is wrong and ends with 1.
//
//   node infra/release.mjs version TAG     the version of a tag, where everything that bears a version has that one and the changelog has it under a date
//   node infra/release.mjs notes TAG       what the changelog says of it
//   node infra/release.mjs digest FILE     the digest of an image, from what `docker buildx build --metadata-file` wrote
//   node infra/release.mjs lower TEXT      in lower case, as the names of images must be
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('..', import.meta.url);

/** Where the version stands, and what finds it there. */
const PLACES = {
  'package.json': /^ {2}"version": "(.+)",$/m,
  'package-lock.json': /^ {2}"version": "(.+)",$/m,
  'k8s/helm/passerelle/Chart.yaml': /^version: (.+)$/m,
  'k8s/helm/passerelle/Chart.yaml, appVersion': /^appVersion: (.+)$/m,
  'infra/Dockerfile': /^ARG VERSION=(.+)$/m,
  'k8s/overlays/production/kustomization.yaml': /^ {4}newTag: (.+)$/m,
  'k8s/README.md': /^docker build .*passerelle:(\S+) \.$/m,
  'k8s/rendered/helm-production.yaml': /^ {4}helm\.sh\/chart: passerelle-(.+)$/m,
};

/** The versions by where they stand. */
export function versions() {
  return Object.fromEntries(Object.entries(PLACES).map(([place, pattern]) => [place, pattern.exec(read(place))?.[1]]));
}

/** The releases that the changelog has, the newest first: version, date, and what is said of it. */
export function releases(changelog = read('CHANGELOG.md')) {
  const sections = changelog.split(/^## /m).slice(1);
  const all = sections.map((section) => {
    const [, version, date] = /^\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)\n/.exec(section) ?? [];
    return { version, date, notes: section.slice(section.indexOf('\n') + 1).trim() };
  });
  return all.filter(({ version }) => version !== undefined);
}

function read(place) {
  return readFileSync(new URL(place.split(',')[0], ROOT), 'utf8');
}

function versionOf(tag) {
  const version = /^v(\d+\.\d+\.\d+)$/.exec(tag ?? '')?.[1];
  if (version === undefined) fail(`${tag} is no tag of a release, which is v and a version: v0.2.0.`);
  const wrong = Object.entries(versions()).filter(([, found]) => found !== version);
  if (wrong.length > 0)
    fail(`The tag says ${version}, and ${wrong.map(([place, found]) => `${place} ${found}`).join(', ')}.`);
  if (releases()[0]?.version !== version)
    fail(`The newest release in CHANGELOG.md is ${releases()[0]?.version}, and the tag says ${version}.`);
  return version;
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

const ANSWERS = {
  version: versionOf,
  notes: (tag) => releases().find(({ version }) => version === versionOf(tag)).notes,
  digest: (file) => JSON.parse(readFileSync(file, 'utf8'))['containerimage.digest'] ?? fail(`${file} has no digest.`),
  lower: (text) => text.toLowerCase(),
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [question, about] = process.argv.slice(2);
  if (!Object.hasOwn(ANSWERS, question) || about === undefined)
    fail(`Usage: node infra/release.mjs ${Object.keys(ANSWERS).join('|')} WHAT`);
  console.log(ANSWERS[question](about));
}
