/** Examples of the tests of google-research/bert (tokenization_test.py), where nothing else is said. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { wordsOf } from "./basic-tokenizer.ts";
import { WordPiece } from "./word-piece.ts";

const UNCASED = { lowerCase: true, stripAccents: true };
const CASED = { lowerCase: false, stripAccents: false };
const words = (text: string, settings = UNCASED) => [...wordsOf(text, settings)];

test("words are lower-cased, without accents, cut at white space and punctuation", () => {
  assert.deepEqual(words(" \tHeLLo!how  \n Are yoU?  "), ["hello", "!", "how", "are", "you", "?"]);
  assert.deepEqual(words("H\u00e9llo"), ["hello"]);
  assert.deepEqual(words("He\u0301llo"), ["hello"]);
});

test("a cased model keeps case and accents", () => {
  assert.deepEqual(words(" \tHeLLo!how  \n Are yoU?  ", CASED), ["HeLLo", "!", "how", "Are", "yoU", "?"]);
  assert.deepEqual(words("H\u00e4LLo", { lowerCase: true, stripAccents: false }), ["h\u00e4llo"]);
});

test("each Chinese character is a word of its own", () => {
  assert.deepEqual(words("ah\u535a\u63a8zz"), ["ah", "\u535a", "\u63a8", "zz"]);
});

test("control characters vanish, and every kind of space is one", () => {
  assert.deepEqual(words("a\u0005b\u200dc\0\ufffd d\u00a0e\u2003f"), ["abc", "d", "e", "f"]);
});

test("ASCII symbols are punctuation although Unicode has other names for some, and brackets are text", () => {
  assert.deepEqual(words("a-b$c`d[SEP]"), ["a", "-", "b", "$", "c", "`", "d", "[", "sep", "]"]);
});

const VOCABULARY = ["[UNK]", "[CLS]", "[SEP]", "want", "##want", "##ed", "wa", "un", "runn", "##ing", ",", "[PAD]"];
const bert = new WordPiece(VOCABULARY, UNCASED);
const pieces = (text: string, maxLength = 64) => bert.encode(text, maxLength).map((id) => VOCABULARY[id]);

test("a word is cut into the longest pieces that there are", () => {
  assert.deepEqual(pieces("unwanted running"), ["[CLS]", "un", "##want", "##ed", "runn", "##ing", "[SEP]"]);
  assert.deepEqual(pieces("UNwant\u00e9d,running"), ["[CLS]", "un", "##want", "##ed", ",", "runn", "##ing", "[SEP]"]);
});

test("a word with an unknown part is unknown as a whole", () => {
  assert.deepEqual(pieces("unwantedX running"), ["[CLS]", "[UNK]", "runn", "##ing", "[SEP]"]);
  assert.deepEqual(pieces(""), ["[CLS]", "[SEP]"]);
});

test("a word of more than 100 characters is unknown, one of 100 is not", () => {
  const single = new WordPiece(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u{10400}", "##\u{10400}"], CASED);
  assert.equal(single.encode("\u{10400}".repeat(100), 200).length, 102);
  assert.deepEqual(single.encode("\u{10400}".repeat(101), 200), [2, 1, 3]);
});

test("no text has more ids than are allowed, and each begins and ends as BERT's do", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 2, max: 12 }), (text, maxLength) => {
      const ids = bert.encode(text, maxLength);
      assert.ok(ids.length <= maxLength);
      assert.deepEqual([ids[0], ids.at(-1)], [1, 2]);
    }),
  );
});

test("hostile text takes time in proportion to its length: marks out of order, long words, and no words", () => {
  const long = new WordPiece([...VOCABULARY, "a".repeat(50), "a", "##a"], UNCASED);
  for (const unit of ["\u0316\u0301", "a\u0301\u0316", `${"a".repeat(99)}\u00df `, "\u0005 ", "\u03a3.", "[CLS]"]) {
    const text = (length: number) => unit.repeat(Math.ceil(length / unit.length));
    const timed = (length: number) => {
      const times = [0, 1, 2].map(() => {
        const startedAt = performance.now();
        long.encode(text(length), 1_000_000);
        return performance.now() - startedAt;
      });
      return Math.min(...times);
    };
    timed(10_000);
    // Eight times the text; the square of that would be 64 times as long.
    const short = timed(10_000);
    assert.ok(timed(80_000) < 30 * short + 20, JSON.stringify(unit));
  }
});
