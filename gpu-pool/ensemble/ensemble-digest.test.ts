import assert from "node:assert/strict";
import { test } from "node:test";
import { ensembleDigest } from "./ensemble-digest.ts";

const STEP = { model: "one", version: "1", inputs: { a: "x", b: "y" }, outputs: { c: "z" } };
const ENSEMBLE = { inputs: [], steps: [STEP], outputs: ["z"] };
const SETTINGS = { description: "", deterministic: true, ensemble: ENSEMBLE };
const MEMBERS = [
  { model: "one", version: "1", digest: "aa" },
  { model: "two", version: "3", digest: "bb" },
];

test("an ensemble's digest is the same however its settings are written down and its members are told", () => {
  const ensemble = { outputs: ["z"], steps: [{ ...STEP, inputs: { b: "y", a: "x" } }], inputs: [] };
  const otherwise = { ensemble, deterministic: true, description: "" };
  const digest = ensembleDigest(SETTINGS, MEMBERS);
  assert.match(digest, /^[0-9a-f]{64}$/);
  assert.equal(ensembleDigest(otherwise, [...MEMBERS.toReversed(), ...MEMBERS]), digest);
});

test("another member, another content of one, or another setting is another digest", () => {
  const [one, two] = MEMBERS;
  assert.ok(one && two);
  const digests = [
    ensembleDigest(SETTINGS, MEMBERS),
    ensembleDigest(SETTINGS, [one, { ...two, digest: "bc" }]),
    ensembleDigest(SETTINGS, [one, { ...two, version: "4" }]),
    ensembleDigest({ ...SETTINGS, ensemble: { ...ENSEMBLE, outputs: ["y"] } }, MEMBERS),
    ensembleDigest({ ...SETTINGS, deterministic: false }, MEMBERS),
  ];
  assert.equal(new Set(digests).size, digests.length);
});
