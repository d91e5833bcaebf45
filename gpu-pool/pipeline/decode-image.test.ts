/** The real decoder on pictures made here, and on what is none. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { crc32 } from "node:zlib";
import sharp from "sharp";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import { bytesTensor, siteWith, UNHURRIED } from "../../test/support/pipeline-tensors.ts";
import { planDecodeImage } from "./decode-image.ts";
import { ImageDecoder } from "./image-decoder.ts";
import { type DecodeImageSettings, pipelineSchema } from "./pipeline-schema.ts";
import type { StepContext } from "./step.ts";

function settings(rest: object): DecodeImageSettings {
  const json = { before: [{ step: "decodeImage", output: "pixels", width: 2, height: 2, ...rest }] };
  const [step] = pipelineSchema.parse(json).before;
  assert.ok(step?.step === "decodeImage");
  return step;
}

async function decoded(rest: object, elements: readonly (string | Uint8Array)[], context = UNHURRIED): Promise<Tensor> {
  const images = await ImageDecoder.load();
  const plan = planDecodeImage(settings(rest), siteWith({ image: ["BYTES", [-1]] }, { images }));
  const [made] = await plan.run([bytesTensor("image", elements)], context);
  assert.ok(made);
  return made;
}

const plain = (width: number, height: number, r: number, g: number, b: number) =>
  sharp({ create: { width, height, channels: 3, background: { r, g, b } } });
const raw = (pixels: readonly number[], channels: 1 | 3 | 4) =>
  sharp(Uint8Array.from(pixels), { raw: { width: 2, height: pixels.length / channels / 2, channels } });

describe("decodeImage", () => {
  // Made before the decoder is loaded, which then keeps this process from reading anything else.
  let pixels: Buffer;
  let jpeg: Buffer;
  let webp: Buffer;
  let deep: Buffer;
  let clear: Buffer;
  let turned: Buffer;
  let animated: Buffer;
  let large: Buffer;
  let wide: Buffer;
  let svg: Buffer;
  let gif: Buffer;
  before(async () => {
    pixels = await raw([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 99, 199], 3).png().toBuffer();
    jpeg = await plain(8, 8, 200, 100, 50).jpeg({ quality: 100 }).toBuffer();
    webp = await plain(8, 8, 200, 100, 50).webp({ lossless: true }).toBuffer();
    deep = await plain(2, 2, 10, 100, 200).toColourspace("rgb16").png().toBuffer();
    clear = await raw([0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 255], 4).png().toBuffer();
    turned = await raw([0, 255, 0, 255], 1).withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toBuffer();
    const frames = [await plain(4, 4, 255, 0, 0).png().toBuffer(), await plain(4, 4, 0, 255, 0).png().toBuffer()];
    animated = await sharp(frames, { join: { animated: true } })
      .webp({ lossless: true })
      .toBuffer();
    large = await plain(300, 300, 1, 2, 3).png().toBuffer();
    wide = await plain(4, 2, 0, 0, 0).png().toBuffer();
    svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>');
    gif = await plain(4, 4, 0, 0, 0).gif().toBuffer();
  });

  test("pixels come in the layout that the model takes", async () => {
    const made = async (rest: object) => [...(await decoded(rest, [pixels])).bytes];
    assert.deepEqual(await made({ layout: "NHWC" }), [255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 99, 199]);
    assert.deepEqual(await made({ layout: "NCHW" }), [255, 0, 0, 9, 0, 255, 0, 99, 0, 0, 255, 199]);
    assert.deepEqual(await made({ channels: 1, layout: "flat" }), [76, 150, 29, 83]);
    assert.deepEqual((await decoded({ channels: 1 }, [pixels, pixels])).shape, [2, 1, 2, 2]);
  });

  test("JPEG, WebP and PNG of 16 bits have the colours that they show", async () => {
    const first = async (picture: Buffer) => [...(await decoded({ layout: "NHWC" }, [picture])).bytes.subarray(0, 3)];
    assert.deepEqual(await first(webp), [200, 100, 50]);
    assert.deepEqual(await first(deep), [10, 100, 200]);
    for (const [at, value] of (await first(jpeg)).entries()) assert.ok(Math.abs(value - [200, 100, 50][at]!) <= 2);
  });

  test("what is transparent, and the bars around a picture, have the background's grey", async () => {
    assert.deepEqual([...(await decoded({ channels: 1, layout: "flat" }, [clear])).bytes], [255, 0, 255, 0]);
    const bars = await decoded({ channels: 1, fit: "contain", width: 4, height: 4, background: 7 }, [wide]);
    assert.deepEqual([...bars.bytes], [7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7, 7]);
  });

  test("a picture is turned upright, and of an animated one the first frame counts", async () => {
    assert.deepEqual([...(await decoded({ channels: 1 }, [turned])).bytes], [0, 0, 255, 255]);
    assert.deepEqual([...(await decoded({ width: 1, height: 1 }, [animated])).bytes], [255, 0, 0]);
  });

  test("each row that cannot be read is refused by its number and in words for its sender", async () => {
    const refused = (why: RegExp, element: string | Uint8Array, rest: object = {}) =>
      assert.rejects(decoded(rest, [pixels, element]), { code: "unreadable_input", message: why });
    await refused(/^row 1 of input 'image' is no PNG, JPEG or WebP, nor base64 of one$/, "hello");
    await refused(/is no PNG/, svg);
    await refused(/is no PNG/, gif);
    await refused(/is no PNG/, "");
    await refused(/^row 1 of input 'image' is a damaged PNG$/, large.subarray(0, large.length - 40));
    await refused(/is a damaged JPEG/, jpeg.subarray(0, 100));
    await refused(/is a damaged WebP/, webp.subarray(0, 20));
    await refused(/has more than 100 pixels/, large, { maxPixels: 100 });
    await refused(/has more than 80 bytes/, large, { maxBytes: 80 });
    await refused(/has more than 80 bytes/, large.toString("base64"), { maxBytes: 80 });
  });

  test("a picture that claims a billion pixels is refused by its header", async () => {
    const bomb = Buffer.from(large);
    bomb.writeUInt32BE(40_000, 16);
    bomb.writeUInt32BE(40_000, 20);
    bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29);
    await assert.rejects(decoded({}, [bomb]), { message: /has more than 16777216 pixels/ });
  });

  test("nothing is decoded for a request that nobody waits for", async () => {
    const context: StepContext = {
      ...UNHURRIED,
      checkWanted: () => {
        throw new Error("nobody waits");
      },
    };
    await assert.rejects(decoded({}, [pixels], context), /nobody waits/);
  });

  test("memory is asked for before it is taken", async () => {
    const asked: number[] = [];
    await decoded({ width: 4, height: 4 }, [pixels, pixels], { ...UNHURRIED, reserve: (bytes) => asked.push(bytes) });
    assert.deepEqual(asked, [2 * (4 + pixels.length) + 2 * 4 * 4 * 3 * 5]);
  });

  test("more pictures than can be decoded in time are refused at once, with the time after which to try again", async () => {
    const many = Array.from({ length: 300 }, () => large);
    const first = decoded({}, many);
    const context = { ...UNHURRIED, remainingMs: () => 0 };
    await assert.rejects(decoded({}, [pixels], context), (error) => {
      assert.ok(error instanceof WarmgateError);
      assert.equal(error.code, "deadline_unreachable");
      return (error.retryAfterSeconds ?? 0) >= 1;
    });
    await first;
  });
});
