/** Links of Markdown documents, and whether they lead anywhere. Those to the web are not followed. */
import { existsSync, readFileSync } from 'node:fs';

/** The links to files that there are not, and to headings that those have not. */
export function brokenLinks(document: URL): {
  readonly files: readonly string[];
  readonly headings: readonly string[];
} {
  const links = [...readFileSync(document, 'utf8').matchAll(/\]\(([^)#]*)(?:#([^)]*))?\)/g)]
    .map(([link, path = '', anchor]) => ({ link, path, anchor }))
    .filter(({ path }) => !/^[a-z]+:/.test(path));
  const files = links.filter(({ path }) => !existsSync(new URL(path, document)));
  const headings = links.filter(
    (each) =>
      each.anchor !== undefined &&
      !files.includes(each) &&
      !anchorsOf(new URL(each.path, document)).includes(each.anchor),
  );
  return { files: files.map(({ path }) => path), headings: headings.map(({ link }) => link) };
}

function anchorsOf(document: URL): string[] {
  const prose = readFileSync(document, 'utf8').replaceAll(/```[\s\S]*?```/g, '');
  return [...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
