// Makes what the gateway serves to browsers out of gateway/web: each `x.html` there is the main part of a page, whose script is
// `x.ts`, whose texts are `x/texts.ts` and whose own style, where it has one, is `x.css`. They stand in layout.html.
//
// `[[key]]` in the HTML, as the whole content of an element or the whole value of an attribute, stands for a text. What is
// served has the English one, and a `data-text…` attribute by which the script puts another language in its place.
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';

const LAYOUT = 'layout.html';

/** Fails where a page uses a text that it does not have. */
export async function buildPages(source, target) {
  mkdirSync(target, { recursive: true });
  const names = readdirSync(source);
  for (const name of names.filter((file) => /\.(css|svg)$/.test(file))) cpSync(join(source, name), join(target, name));

  const layout = readFileSync(join(source, LAYOUT), 'utf8');
  const common = await textsOf(join(source, 'shared', 'texts.ts'));
  const pages = names.filter((name) => name.endsWith('.html') && name !== LAYOUT).map((name) => name.slice(0, -5));
  for (const page of pages) {
    const texts = { ...common, ...(await textsOf(join(source, page, 'texts.ts'))) };
    const main = readFileSync(join(source, `${page}.html`), 'utf8');
    const html = framed(layout, page, main, names.includes(`${page}.css`));
    writeFileSync(join(target, `${page}.html`), inEnglish(html, texts, page));
  }
  buildSync({
    entryPoints: pages.map((page) => join(source, `${page}.ts`)),
    outdir: target,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
  });
}

/** The English texts of a module that exports `texts`. */
async function textsOf(file) {
  const { outputFiles } = buildSync({ entryPoints: [file], bundle: true, format: 'esm', write: false });
  const { texts } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString('base64')}`);
  return texts.en;
}

function framed(layout, page, main, hasStyle) {
  const path = page === 'index' ? '/' : `/${page}.html`;
  const style = hasStyle ? `<link rel="stylesheet" href="/${page}.css">` : '';
  return layout
    .replace(`href="${path}"`, `href="${path}" aria-current="page"`)
    .replace('<!-- style -->', () => style)
    .replace('<!-- script -->', () => `<script type="module" src="/${page}.js" blocking="render"></script>`)
    .replace('<!-- main -->', () => main.trim());
}

function inEnglish(html, texts, page) {
  const text = (key) => {
    if (typeof texts[key] !== 'string') throw new Error(`${page}.html: there is no text ${key}`);
    return texts[key].replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
  };
  const translated = html
    .replaceAll(/ ([a-z-]+)="\[\[(\w+)\]\]"/g, (_, name, key) => ` ${name}="${text(key)}" data-text-${name}="${key}"`)
    .replaceAll(/>\s*\[\[(\w+)\]\]\s*</g, (_, key) => ` data-text="${key}">${text(key)}<`);
  const left = /\[\[.*?\]\]/.exec(translated);
  if (left !== null) throw new Error(`${page}.html: ${left[0]} is neither a whole content nor a whole attribute`);
  return translated;
}
