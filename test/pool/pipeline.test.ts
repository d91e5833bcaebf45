/** Models with a pipeline in a real pool: pictures in, labels out, as JSON and binary, and what cannot be read refused. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { crc32, deflateSync } from "node:zlib";
import sharp, { type Sharp } from "sharp";
import { z } from "zod";
import { decodeBytesElements, encodeBytesElements } from "../../shared/protocol/bytes-elements.ts";
import { INFERENCE_HEADER_LENGTH } from "../../shared/protocol/headers.ts";
import type { InferenceResponse } from "../../shared/protocol/tensor.ts";
import { call, type HttpReply, inferBinary, inferJson, post } from "../support/inference-call.ts";
import { linkModels, type PoolProcess, startPool, TEST_MODELS } from "../support/pool.ts";
import { until } from "../support/until.ts";

const DIGITS = join(TEST_MODELS.digits, "digits");
const MODEL = "digits-image";
const EMBEDDING = join(TEST_MODELS.exporters, "embedding_mean");
const VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "sat", "##s", "cafe", "."];
const TOKENISE = { step: "tokenise", maxLength: 16, outputs: { input_ids: "token_ids" } };

const request = z.object({ inputs: z.tuple([z.object({ data: z.array(z.number()) })]) });
const pixelsOf = (name: string) =>
  request.parse(JSON.parse(readFileSync(join(DIGITS, "examples", `${name}.json`), "utf8"))).inputs[0].data;

/** A digit of the held-out images as a picture, dark on light. */
function picture(name: string, size: number): Sharp {
  const grey = Uint8Array.from(pixelsOf(name), (ink) => Math.round(255 - (ink * 255) / 16));
  return sharp(grey, { raw: { width: 8, height: 8, channels: 1 } }).resize(size, size, { kernel: "nearest" });
}

const jsonOf = (pictures: readonly Buffer[]) => ({
  inputs: [
    {
      name: "image",
      datatype: "BYTES",
      shape: [pictures.length],
      data: pictures.map((bytes) => bytes.toString("base64")),
    },
  ],
});

function binaryOf(pictures: readonly Buffer[]) {
  const bytes = encodeBytesElements(pictures);
  const image = { name: "image", datatype: "BYTES" as const, shape: [pictures.length], bytes };
  return { parameters: {}, inputs: [image], binaryOutput: true };
}

function wordsOf(response: InferenceResponse, name: string): string[] {
  const tensor = response.outputs.find((output) => output.name === name);
  assert.ok(tensor);
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  return decodeBytesElements(tensor.bytes, count).map((word) => Buffer.from(word).toString());
}

const errorOf = ({ body }: HttpReply) =>
  z.object({ code: z.string(), error: z.string() }).parse(JSON.parse(body.toString()));

describe("a model with a pipeline", () => {
  const folder = mkdtempSync(join(tmpdir(), "warmgate-pipeline-"));
  let pool: PoolProcess;
  let seven: Buffer;
  let zero: Buffer;
  /** Takes long to decode. */
  let large: Buffer;

  /** A model of the digits' network with another model.json, and files beside it. */
  function makeModel(name: string, json: object, files: Readonly<Record<string, string>> = {}): void {
    mkdirSync(join(folder, name, "1"), { recursive: true });
    cpSync(join(DIGITS, "2", "model.onnx"), join(folder, name, "1", "model.onnx"));
    writeFileSync(join(folder, name, "model.json"), JSON.stringify(json));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, name, "1", file), text);
  }

  const infer = (body: unknown, model = MODEL) => post(`${pool.url}/v2/models/${model}/infer`, body);

  before(async () => {
    seven = await picture("seven", 64).png().toBuffer();
    zero = await picture("zero", 48).jpeg({ quality: 95 }).toBuffer();
    const blank = { width: 4000, height: 4000, channels: 3, background: "white" } as const;
    large = await sharp({ create: blank }).png().toBuffer();
    linkModels(folder, DIGITS, join(TEST_MODELS.digits, MODEL));
    makeModel("likely", {
      maxBatch: 8,
      pipeline: {
        before: [{ step: "cast", tensor: "pixels", datatype: "FP32" }],
        inputs: [{ name: "pixels", datatype: "UINT8", shape: [-1, 64] }],
        after: [{ step: "threshold", tensor: "probabilities", at: 0.5, output: "sure" }],
      },
    });
    makeModel(
      "misfit",
      {
        pipeline: {
          before: [{ step: "decodeImage", output: "pixels", width: 8, height: 8 }],
          after: [{ step: "topK", tensor: "logits", k: 2, labels: "labels.txt" }],
        },
      },
      { "labels.txt": "a\nb\n" },
    );
    makeModel("without-labels", {
      pipeline: { after: [{ step: "argmax", tensor: "probabilities", output: "digit", labels: "labels.txt" }] },
    });
    mkdirSync(join(folder, "sentences", "1"), { recursive: true });
    cpSync(join(EMBEDDING, "1", "model.onnx"), join(folder, "sentences", "1", "model.onnx"));
    writeFileSync(join(folder, "sentences", "1", "vocab.txt"), VOCABULARY.join("\n"));
    writeFileSync(join(folder, "sentences", "model.json"), JSON.stringify({ pipeline: { before: [TOKENISE] } }));
    linkModels(folder, EMBEDDING);
    pool = await startPool({ models: [folder] });
  });
  after(async () => {
    await pool.stop();
    rmSync(folder, { recursive: true });
  });

  test("its signature is the pipeline's", async () => {
    const { body } = await call(`${pool.url}/v2/models/${MODEL}`);
    const { inputs, outputs } = JSON.parse(body.toString());
    assert.deepEqual(inputs, [{ name: "image", datatype: "BYTES", shape: [-1] }]);
    assert.deepEqual(outputs, [
      { name: "label", datatype: "BYTES", shape: [-1, 3] },
      { name: "score", datatype: "FP32", shape: [-1, 3] },
    ]);
  });

  test("a picture is answered with its digit, as base64 in JSON, as binary data, and as nothing but a body", async () => {
    const { outputs } = await inferJson(pool.url, MODEL, jsonOf([seven]));
    assert.deepEqual(outputs[0]?.shape, [1, 3]);
    assert.equal(outputs[0]?.data[0], "7");
    const binary = await inferBinary(pool.url, MODEL, binaryOf([seven]));
    assert.deepEqual(wordsOf(binary, "label"), outputs[0]?.data);
    const scores = binary.outputs[1];
    assert.deepEqual([...new Float32Array(Uint8Array.from(scores!.bytes).buffer)], outputs[1]?.data);
    const raw = await call(`${pool.url}/v2/models/${MODEL}/infer`, {
      method: "POST",
      body: new Uint8Array(seven),
      headers: { [INFERENCE_HEADER_LENGTH]: "0" },
    });
    assert.equal(raw.status, 200);
    assert.ok(raw.body.includes("\x01\0\0\x007"));
  });

  test("a picture of 8 x 8 pixels gets the probabilities that its grey values get without a pipeline", async () => {
    const { outputs } = await inferJson(pool.url, MODEL, jsonOf([await picture("five", 8).png().toBuffer()]));
    const pixels = { name: "pixels", datatype: "FP32", shape: [1, 64], data: pixelsOf("five") };
    const plain = await inferJson(pool.url, "digits", { inputs: [pixels] });
    const probabilities = z.array(z.number()).parse(plain.outputs.find(({ name }) => name === "probabilities")?.data);
    const [label] = z.array(z.string()).parse(outputs[0]?.data);
    const [score] = z.array(z.number()).parse(outputs[1]?.data);
    assert.equal(label, "5");
    assert.ok(Math.abs(score! - probabilities[5]!) < 0.01);
  });

  test("pictures of any format and size in one request are answered row by row", async () => {
    const answer = await inferBinary(pool.url, MODEL, binaryOf([seven, zero]));
    const words = wordsOf(answer, "label");
    assert.deepEqual([words[0], words[3]], ["7", "0"]);
  });

  test("of many requests at once each gets its own answer", async () => {
    const names = ["three", "five", "seven", "eight", "zero"] as const;
    const pictures = await Promise.all(names.map((name) => picture(name, 64).webp({ lossless: true }).toBuffer()));
    const answers = await Promise.all(
      [...pictures, ...pictures].map((one) => inferBinary(pool.url, MODEL, binaryOf([one]))),
    );
    const first = answers.map((answer) => wordsOf(answer, "label")[0]);
    assert.deepEqual(first, ["3", "5", "7", "8", "0", "3", "5", "7", "8", "0"]);
  });

  test("only the outputs that are asked for come back", async () => {
    const reply = await infer({ ...jsonOf([seven]), outputs: [{ name: "score" }] });
    assert.equal(reply.status, 200);
    assert.deepEqual(
      JSON.parse(reply.body.toString()).outputs.map(({ name }: { name: string }) => name),
      ["score"],
    );
  });

  test("a picture that cannot be read fails its request with a 400 that names its row", async () => {
    const truncated = seven.subarray(0, seven.length - 30);
    for (const [element, why] of [
      [truncated, "row 1 of input 'image' is a damaged PNG"],
      [Buffer.from("<svg/>"), "row 1 of input 'image' is no PNG, JPEG or WebP, nor base64 of one"],
    ] as const) {
      const reply = await infer(jsonOf([seven, element]));
      assert.equal(reply.status, 400);
      assert.deepEqual(errorOf(reply), { code: "unreadable_input", error: why });
    }
  });

  test("a decompression bomb is refused before it is unpacked", async () => {
    const startedAt = performance.now();
    const reply = await infer(jsonOf([bomb(20_000)]));
    assert.equal(errorOf(reply).error, "row 0 of input 'image' has more than 16777216 pixels");
    assert.ok(performance.now() - startedAt < 1_000);
  });

  test("more rows than the model takes are refused before any is decoded", async () => {
    const reply = await infer(jsonOf(Array.from({ length: 65 }, () => Buffer.from("no picture"))));
    assert.equal(errorOf(reply).code, "batch_too_large");
  });

  test("a request whose time is up while it is prepared is a 504 and never runs", async () => {
    const runs = async () => {
      const { body } = await call(`${pool.url}/v2/models/${MODEL}/stats`);
      return JSON.parse(body.toString()).model_stats[0].inference_count;
    };
    const before = await runs();
    const startedAt = performance.now();
    const reply = await call(`${pool.url}/v2/models/${MODEL}/infer`, {
      method: "POST",
      // Seconds of decoding, on any machine.
      body: JSON.stringify(jsonOf(Array.from({ length: 48 }, () => large))),
      headers: { "x-warmgate-timeout-ms": "60" },
    });
    assert.equal(reply.status, 504);
    assert.match(errorOf(reply).code, /^deadline_/);
    assert.ok(performance.now() - startedAt < 1_000);
    assert.equal(await runs(), before);
  });

  test("inputs are declared and outputs added where a model needs no picture", async () => {
    const pixels = { name: "pixels", datatype: "UINT8", shape: [1, 64], data: pixelsOf("three") };
    const { outputs } = await inferJson(pool.url, "likely", { inputs: [pixels] });
    const sure = outputs.find(({ name }) => name === "sure");
    assert.deepEqual(
      sure?.data,
      Array.from({ length: 10 }, (_, digit) => digit === 3),
    );
  });

  test("texts of different lengths are answered as their ids are", async () => {
    const text = { name: "text", datatype: "BYTES", shape: [2], data: ["The CATS sat.", "Caf\u00e9"] };
    const ids = {
      name: "token_ids",
      datatype: "INT64",
      shape: [2, 7],
      data: [2, 4, 5, 7, 6, 9, 3, 2, 8, 3, 0, 0, 0, 0],
    };
    const { outputs } = await inferJson(pool.url, "sentences", { inputs: [text] });
    assert.deepEqual(outputs, (await inferJson(pool.url, "embedding_mean", { inputs: [ids] })).outputs);
  });

  test("a pipeline that does not fit its model is refused with everything that is wrong", async () => {
    const { body } = await post(`${pool.url}/v2/repository/index`, {});
    const index = z.array(z.object({ name: z.string(), reason: z.string() })).parse(JSON.parse(body.toString()));
    const reasonOf = (model: string) => index.find(({ name }) => name === model)?.reason ?? "";
    assert.match(reasonOf("misfit"), /'pixels' becomes UINT8 \[-1,3,8,8\], but the model takes FP32 \[-1,64\]/);
    assert.match(reasonOf("misfit"), /after\[0\] \(topK\)\.tensor is 'logits', which is not there: there are/);
    assert.match(reasonOf("without-labels"), /labels\.txt is not in the version's folder/);
  });

  test("a model that is unloaded answers what it was preparing", async () => {
    const reply = inferJson(pool.url, MODEL, jsonOf([large, large, large, seven]));
    const begun = async () => {
      const { body } = await call(`${pool.opsUrl}/metrics`);
      return /^warmgate_pool_requests_in_flight [1-9]/m.test(body.toString());
    };
    await until("the request to have come", begun);
    // By the time that another one is answered, its body has been read as well.
    await call(`${pool.url}/v2/health/live`);
    const target = `${pool.url}/v2/repository/models/${MODEL}`;
    assert.equal((await post(`${target}/unload`, {})).status, 200);
    assert.equal((await reply).outputs[0]?.data[9], "7");
    assert.equal((await post(`${target}/load`, {})).status, 200);
  });

  test("other labels make another artefact", async () => {
    const json = {
      pipeline: { after: [{ step: "argmax", tensor: "probabilities", output: "digit", labels: "labels.txt" }] },
    };
    const digest = async (labels: string) => {
      makeModel("labelled", json, { "labels.txt": labels });
      assert.equal((await post(`${pool.url}/v2/repository/models/labelled/load`, {})).status, 200);
      const { body } = await call(`${pool.url}/v2/models/labelled/config`);
      return JSON.parse(body.toString()).parameters.digest.string_value;
    };
    const words = "a b c d e f g h i j".split(" ");
    const first = await digest(words.join("\n"));
    assert.notEqual(await digest(words.toReversed().join("\n")), first);
    const pixels = { name: "pixels", datatype: "FP32", shape: [1, 64], data: pixelsOf("three") };
    const { outputs } = await inferJson(pool.url, "labelled", { inputs: [pixels] });
    assert.deepEqual(outputs.find(({ name }) => name === "digit")?.data, ["g"]);
  });
});

/** A PNG of zeros: a few hundred kilobytes that unpack to `side` x `side` pixels. */
function bomb(side: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length);
    ends.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side);
  header.writeUInt32BE(side, 4);
  // One bit a pixel, grey.
  header[8] = 1;
  const rows = deflateSync(Buffer.alloc((1 + side / 8) * side));
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", rows), chunk("IEND", Buffer.alloc(0))]);
}
