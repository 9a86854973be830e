/** Which language a page speaks, and what its tables of texts look like. Pure. */

export type Language = 'en' | 'fr';

type Text = string | ((...args: never[]) => string);

/** The same keys as the English texts, and functions of the same parameters. */
type Translated<T> = { readonly [K in keyof T]: T[K] extends string ? string : T[K] };

/** A table of texts. The types hold the French to be complete. */
export function bilingual<T extends Readonly<Record<string, Text>>>(
  en: T,
  fr: NoInfer<Translated<T>>,
): Readonly<Record<Language, Translated<T>>> {
  return { en: en as Translated<T>, fr };
}

/** The first of a browser's languages that there are texts in, as it names it (`fr-CA`); else English. */
export function preferred(languages: readonly string[]): { readonly language: Language; readonly locale: string } {
  for (const locale of languages) {
    const [language] = locale.toLowerCase().split('-');
    if (language === 'en' || language === 'fr') return { language, locale };
  }
  return { language: 'en', locale: 'en' };
}

/** `1 event`, `1,200 events`: each language has its own rule of what is plural. */
export function counting(language: Language): (n: number, one: string, other: string) => string {
  const rules = new Intl.PluralRules(language);
  const format = new Intl.NumberFormat(language);
  return (n, one, other) => `${format.format(n)} ${rules.select(n) === 'one' ? one : other}`;
}
