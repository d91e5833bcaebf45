import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesTensor, siteWith, UNHURRIED } from "../../test/support/pipeline-tensors.ts";
import { readNumbers } from "./numbers.ts";
import { pipelineSchema, type TokeniseSettings } from "./pipeline-schema.ts";
import { planTokenise } from "./tokenise.ts";

const VOCABULARY = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nhello\nworld\n";

function settings(rest: object): TokeniseSettings {
  const [step] = pipelineSchema.parse({ before: [{ step: "tokenise", maxLength: 5, ...rest }] }).before;
  assert.ok(step?.step === "tokenise");
  return step;
}

const plan = (rest: object, site = siteWith({ text: ["BYTES", [-1]] }, { textOf: () => VOCABULARY })) =>
  planTokenise(settings(rest), site);

test("rows are padded to the longest of the request, and the mask says what is text", async () => {
  const made = await plan({}).run([bytesTensor("text", ["Hello", "hello world"])], UNHURRIED);
  assert.deepEqual(
    made.map((tensor) => [tensor.name, tensor.datatype, tensor.shape, Array.from(readNumbers(tensor))]),
    [
      ["input_ids", "INT64", [2, 4], [2, 4, 3, 0, 2, 4, 5, 3]],
      ["attention_mask", "INT64", [2, 4], [1, 1, 1, 0, 1, 1, 1, 1]],
    ],
  );
});

test("tensors have the names, datatype and length that are asked for, and no others are made", async () => {
  const outputs = { input_ids: "ids", token_type_ids: "types" };
  const step = plan({ outputs, datatype: "INT32", padTo: "maxLength" });
  const made = await step.run([bytesTensor("text", ["x"])], UNHURRIED);
  assert.deepEqual(
    step.writes.map(({ name, type }) => [name, type]),
    [
      ["ids", { datatype: "INT32", shape: [-1, 5] }],
      ["types", { datatype: "INT32", shape: [-1, 5] }],
    ],
  );
  assert.deepEqual(
    made.map((tensor) => Array.from(readNumbers(tensor))),
    [
      [2, 1, 3, 0, 0],
      [0, 0, 0, 0, 0],
    ],
  );
});

test("a text that is not UTF-8 or too long is refused by its row", async () => {
  const run = async (element: string | Uint8Array) =>
    plan({ maxBytes: 8 }).run([bytesTensor("text", ["ok", element])], UNHURRIED);
  await assert.rejects(run(Uint8Array.of(0xff)), {
    code: "unreadable_input",
    message: /^row 1 of input 'text' is not UTF-8/,
  });
  await assert.rejects(run("nine char"), { code: "unreadable_input", message: /row 1 .* more than 8 bytes/ });
});

test("a vocabulary without BERT's special tokens is a fault", () => {
  const site = siteWith({ text: ["BYTES", [-1]] }, { textOf: () => "[PAD]\n[CLS]\na" });
  plan({}, site);
  assert.deepEqual(site.faults, ["vocab vocab.txt has no [UNK], [SEP]"]);
});
