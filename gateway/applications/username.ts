/** Names of people in a room: which may be had, how long they look, and which count as the same. Pure. */

/** Characters as a person sees them. */
const MAX_CHARACTERS = 20;
/** One visible character can hide hundreds of marks; no honest name comes near this. */
const MAX_CODE_UNITS = 300;

/** What can be wrong with a name, for whoever says it in another language. */
export type UsernameFault = 'too_long' | 'empty' | 'control' | 'hidden' | 'invisible';

export type ParsedUsername =
  | {
      readonly ok: true;
      /** Trimmed and normalized, as it is shown. */
      readonly name: string;
      /** Equal for names that count as the same. */
      readonly claim: string;
    }
  | { readonly ok: false; readonly fault: UsernameFault; readonly error: string };

const characters = new Intl.Segmenter('und', { granularity: 'grapheme' });

// The flag v, which TypeScript takes for newer than it is.
/** A whole emoji, whose joiners and tags are no hidden characters. */
const EMOJI = /\p{RGI_Emoji}/gv;
const CONTROL = /[\p{Cc}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u;
/** Joiners that scripts such as Persian need within a word. */
const JOINER_IN_WORD = /(?<=[\p{L}\p{M}])[\u200c\u200d](?=\p{L})/gu;
/** Marks that turn the direction of text, and what takes no room at all. (U+2800 is a blank that counts as a sign.) */
const HIDDEN = /[\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u;
const HIDDEN_ALL = new RegExp(HIDDEN.source, 'gu');
const VISIBLE = /[\p{L}\p{N}\p{P}\p{S}]/u;

/** Reads a name that somebody wants to have; the error says what is wrong with it. */
export function parseUsername(given: string): ParsedUsername {
  if (given.length > MAX_CODE_UNITS) return wrong('too_long', 'is too long');
  const name = given.normalize('NFC').trim();
  if (name === '') return wrong('empty', 'is empty');
  if (CONTROL.test(name))
    return wrong('control', 'has a control character, a line break, or a character that does not exist');
  if (HIDDEN.test(name.replace(EMOJI, '').replace(JOINER_IN_WORD, '')))
    return wrong('hidden', 'has a mark that cannot be seen or that turns the direction of text');
  if (!VISIBLE.test(name)) return wrong('invisible', 'has nothing that can be seen');
  const length = [...characters.segment(name)].length;
  if (length > MAX_CHARACTERS) return wrong('too_long', `has ${length} characters`);
  return { ok: true, name, claim: claimOf(name) };
}

function wrong(fault: UsernameFault, what: string): ParsedUsername {
  return { ok: false, fault, error: `The name ${what}; it must be 1 to ${MAX_CHARACTERS} visible characters` };
}

/** Twice, as lower case can leave what is not normal any more. */
function claimOf(name: string): string {
  const folded = name.normalize('NFKC').toLowerCase().normalize('NFKC');
  return folded.replace(HIDDEN_ALL, '').replace(/\s+/gu, ' ');
}
