import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { entityTag, matches, type Representation } from "./entity-tag.ts";

const BASE: Representation = {
  contentDigest: "0123456789abcdef0123456789abcdef",
  modelName: "digits",
  id: undefined,
  outputs: [{ name: "scores", binary: false }],
};

describe("an entity tag", () => {
  test("is quoted, and another one for every form that the bytes can have", () => {
    const forms: Partial<Representation>[] = [
      {},
      { contentDigest: "1123456789abcdef0123456789abcdef" },
      { modelName: "numbers" },
      { id: "" },
      { id: "a" },
      { outputs: [{ name: "scores", binary: true }] },
      { outputs: [] },
    ];
    const tags = forms.map((form) => entityTag({ ...BASE, ...form }));
    assert.equal(new Set(tags).size, forms.length);
    for (const tag of tags) assert.match(tag, /^"[0-9a-z-]+"$/);
  });

  const tag = entityTag(BASE);
  const MATCHING = [tag, `W/${tag}`, `"a", ${tag}`, ` ${tag} ,"b"`, "*"];
  for (const header of MATCHING) test(`is matched by ${header}`, () => assert.equal(matches(header, tag), true));
  const OTHERS = [null, "", '"a"', tag.slice(1), `${tag} x`, `a, ${tag}`, `*, ${tag}`, ",".repeat(64_000) + tag];
  for (const header of OTHERS) {
    test(`is not matched by ${header?.slice(0, 60)}`, () => assert.equal(matches(header, tag), false));
  }
});
