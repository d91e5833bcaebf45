import { type BasicTokenizerSettings, wordsOf } from "./basic-tokenizer.ts";

/** A word of more characters than this is unknown, as in BERT. */
const LONGEST_WORD = 100;

/** The special tokens that every BERT vocabulary has. */
export const SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] as const;

/**
 * BERT's tokenizer: words, and each word as the longest pieces of the vocabulary that it begins with (WordPiece, Wu et
 * al. 2016, greedy as in google-research/bert). Time is linear in the text, with the longest token as the factor.
 */
export class WordPiece {
  readonly #ids = new Map<string, number>();
  readonly #settings: BasicTokenizerSettings;
  #longest = 0;

  /** @param tokens by id; of one that is there twice the last counts */
  constructor(tokens: readonly string[], settings: BasicTokenizerSettings) {
    this.#settings = settings;
    for (const [id, token] of tokens.entries()) {
      this.#ids.set(token, id);
      this.#longest = Math.max(this.#longest, token.length);
    }
  }

  /** The id of a token; undefined for one that the vocabulary does not have. */
  id(token: string): number | undefined {
    return this.#ids.get(token);
  }

  /**
   * [CLS], the ids of the text's pieces as far as they have room, and [SEP].
   *
   * @param maxLength most ids, at least 2; the text is read only as far as it takes to fill them
   */
  encode(text: string, maxLength: number): number[] {
    const room = maxLength - 1;
    const ids = [this.#special("[CLS]")];
    for (const word of wordsOf(text, this.#settings)) {
      if (ids.length >= room) break;
      this.#addPieces(word, ids);
    }
    ids.length = Math.min(ids.length, room);
    ids.push(this.#special("[SEP]"));
    return ids;
  }

  #addPieces(word: string, ids: number[]): void {
    const before = ids.length;
    const known = word.length <= LONGEST_WORD || (word.length <= 2 * LONGEST_WORD && [...word].length <= LONGEST_WORD);
    for (let start = 0; known && start < word.length; ) {
      let end = Math.min(word.length, start + this.#longest);
      let id: number | undefined;
      for (; end > start; end--) {
        id = this.#ids.get(start === 0 ? word.slice(0, end) : `##${word.slice(start, end)}`);
        if (id !== undefined) break;
      }
      if (id === undefined) break;
      ids.push(id);
      start = end;
      if (start === word.length) return;
    }
    // A word of which any part is unknown is unknown as a whole.
    ids.length = before;
    ids.push(this.#special("[UNK]"));
  }

  #special(token: (typeof SPECIAL_TOKENS)[number]): number {
    return this.#ids.get(token) ?? 0;
  }
}
