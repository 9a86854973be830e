/** Opens a page in the reader's language: fills in the document's texts, and hands out those that scripts use. */
import { Format } from './format.ts';
import { type Language, preferred } from './language.ts';
import { texts as commonTexts } from './texts.ts';

/** The attributes that may hold a text; the build marks what stands where. */
const ATTRIBUTES = ['aria-label', 'content', 'placeholder', 'title'] as const;

type CommonTexts = typeof commonTexts.en;

export interface Opened<T> {
  readonly t: CommonTexts & T;
  readonly format: Format;
  /** A BCP 47 tag. */
  readonly locale: string;
}

export function openPage<T extends object>(texts: Readonly<Record<Language, T>>): Opened<T> {
  const { language, locale } = preferred(navigator.languages);
  const t = { ...commonTexts[language], ...texts[language] };
  if (language !== 'en') translate(language, t); // as it was served it is English
  return { t, format: new Format(locale), locale };
}

function translate(language: string, texts: object): void {
  const byKey = new Map<string | undefined, unknown>(Object.entries(texts));
  const textOf = (key: string | null) => {
    const text = byKey.get(key ?? '');
    if (typeof text !== 'string') throw new Error(`The page has no text ${key}`);
    return text;
  };
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll('[data-text]'))
    element.textContent = textOf(element.getAttribute('data-text'));
  for (const name of ATTRIBUTES)
    for (const element of document.querySelectorAll(`[data-text-${name}]`))
      element.setAttribute(name, textOf(element.getAttribute(`data-text-${name}`)));
}
