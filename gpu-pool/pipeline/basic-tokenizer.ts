/**
 * BERT's basic tokenizer: cleaned text, cut at white space, at punctuation and around each CJK character.
 *
 * After google-research/bert, tokenization.py (BasicTokenizer), but code point by code point, so that time is linear
 * in the text: normalising all of it at once orders runs of combining marks, which takes the square of their number. What
 * differs: a capital sigma at the end of a word becomes a plain small one, as in Hugging Face's fast tokenizers. Text in
 * brackets that looks like a special token, such as "[SEP]", is text.
 */

export interface BasicTokenizerSettings {
  readonly lowerCase: boolean;
  readonly stripAccents: boolean;
}

const CONTROL = /^[\p{Cc}\p{Cf}]$/u;
const SPACE = /^[\t\n\r\p{Zs}]$/u;
const PUNCTUATION = /^[!-/:-@[-`{-~\p{P}]$/u;
const MARK = /^\p{Mn}$/u;
const ASCII_WORD = /^[0-9A-Za-z]$/;

/** The words of a text, in order, none of them empty. */
export function* wordsOf(text: string, settings: BasicTokenizerSettings): Generator<string> {
  let word = "";
  for (const original of text) {
    const ascii = ASCII_WORD.test(original);
    if (!ascii) {
      if (original === "\0" || original === "\ufffd") continue;
      if (SPACE.test(original)) {
        if (word !== "") yield word;
        word = "";
        continue;
      }
      if (CONTROL.test(original)) continue;
    }
    const alone = !ascii && isCjk(original.codePointAt(0) ?? 0);
    if (alone && word !== "") {
      yield word;
      word = "";
    }
    for (const character of ascii ? lower(original, settings) : normalise(original, settings)) {
      if (PUNCTUATION.test(character)) {
        if (word !== "") yield word;
        word = "";
        yield character;
      } else word += character;
    }
    if (alone && word !== "") {
      yield word;
      word = "";
    }
  }
  if (word !== "") yield word;
}

function lower(character: string, { lowerCase }: BasicTokenizerSettings): string {
  return lowerCase ? character.toLowerCase() : character;
}

function normalise(character: string, settings: BasicTokenizerSettings): string {
  const lowered = lower(character, settings);
  if (!settings.stripAccents) return lowered;
  let bare = "";
  for (const part of lowered.normalize("NFD")) if (!MARK.test(part)) bare += part;
  return bare;
}

/** The blocks of CJK ideographs that BERT sets apart; Hangul, Hiragana and Katakana are written with spaces or as words. */
function isCjk(code: number): boolean {
  return (
    (code >= 0x4e00 && code <= 0x9fff) ||
    (code >= 0x3400 && code <= 0x4dbf) ||
    (code >= 0x20000 && code <= 0x2a6df) ||
    (code >= 0x2a700 && code <= 0x2b73f) ||
    (code >= 0x2b740 && code <= 0x2b81f) ||
    (code >= 0x2b820 && code <= 0x2ceaf) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0x2f800 && code <= 0x2fa1f)
  );
}
