import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { imageBytes, sniffImage } from "./image-format.ts";

const HEADS = {
  PNG: Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
  JPEG: Buffer.from("\xff\xd8\xff\xe0", "latin1"),
  WebP: Buffer.from("RIFF\x10\x00\x00\x00WEBP", "latin1"),
};
const picture = fc
  .tuple(fc.constantFrom(...Object.values(HEADS)), fc.uint8Array())
  .map(([head, rest]) => Buffer.concat([head, rest]));

test("a picture is the same as bytes, as base64 and as base64 for URLs, with and without padding", () => {
  fc.assert(
    fc.property(picture, (bytes) => {
      assert.ok(sniffImage(bytes));
      const text = bytes.toString("base64");
      for (const form of [
        bytes,
        Buffer.from(text),
        Buffer.from(text.replace(/=+$/, "")),
        Buffer.from(bytes.toString("base64url")),
      ]) {
        assert.deepEqual(Buffer.from(imageBytes(form) ?? []), bytes);
      }
    }),
  );
});

test("base64 with anything else in it is no picture", () => {
  const text = Buffer.concat([HEADS.PNG, Buffer.alloc(50)]).toString("base64");
  for (const broken of [
    `${text.slice(0, 40)}!${text.slice(40)}`,
    `${text.slice(0, 40)}\n${text.slice(40)}`,
    `${text}A`,
  ]) {
    assert.equal(imageBytes(Buffer.from(broken)), undefined);
  }
});

test("SVG, PDF, GIF and TIFF are no pictures here", () => {
  for (const other of [
    "<svg xmlns='http://www.w3.org/2000/svg'/>",
    "%PDF-1.7\n",
    "GIF89a",
    "II*\0",
    "RIFF\x10\0\0\0WAVE",
    "",
  ]) {
    assert.equal(imageBytes(Buffer.from(other, "latin1")), undefined);
    assert.equal(imageBytes(Buffer.from(Buffer.from(other, "latin1").toString("base64"))), undefined);
  }
});
