import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { catalogueOf, parseListingPage } from "./listing.ts";

const page = (contents: string, rest = "<IsTruncated>false</IsTruncated>") =>
  `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${rest}${contents}</ListBucketResult>`;
const object = (key: string, size = "3", etag = "&quot;e&quot;") =>
  `<Contents><Key>${key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>${etag}</ETag><Size>${size}</Size></Contents>`;

describe("a page of a listing", () => {
  test("is read, its keys decoded", () => {
    assert.deepEqual(parseListingPage(page(object("a/1/model.onnx") + object("a+b%2Bc/%26lt;"))), {
      objects: [
        { key: "a/1/model.onnx", size: 3, etag: '"e"' },
        { key: "a b+c/&lt;", size: 3, etag: '"e"' },
      ],
      next: undefined,
    });
    assert.deepEqual(parseListingPage(page("")), { objects: [], next: undefined });
  });

  test("says where the next one begins", () => {
    const rest = "<IsTruncated>true</IsTruncated><NextContinuationToken>1/a+b&amp;=</NextContinuationToken>";
    assert.equal(parseListingPage(page("", rest)).next, "1/a+b&=");
  });

  test("is refused when it is none, or half of one", () => {
    for (const xml of [
      ...[
        "",
        "<html></html>",
        "<Error><Code>AccessDenied</Code></Error>",
        page("", ""),
        page("", "<IsTruncated>true</IsTruncated>"),
      ],
      ...[
        page(object("", "3")),
        page(object("a", "-3")),
        page(object("a", "1e3")),
        page(object("a", "3", "")),
        page(object("%zz")),
      ],
    ]) {
      assert.throws(() => parseListingPage(xml), { reason: "bad_manifest" }, xml);
    }
  });
});

describe("a listed bucket", () => {
  const listed = (keys: string[], prefix = "") =>
    [
      ...catalogueOf(
        keys.map((key) => ({ key, size: 3, etag: '"e"' })),
        prefix,
      ),
    ].map(
      ([name, { modelJson, versions }]) =>
        `${name}${modelJson ? "+" : ""}:${[...versions].map(([version, files]) => `${version}(${[...files.keys()]})`)}`,
    );

  test("has the models that are laid out as in a folder; other keys are passed over", () => {
    const keys = [
      ...["a/1/model.onnx", "a/1/model.onnx_data", "a/model.json", "a/2/weights.bin", "a/v3/model.onnx", "a/1/sub/x"],
      ...[
        "b/model.json",
        "README.md",
        "../c/1/model.onnx",
        "d/1/../model.onnx",
        "a/1/",
        "e/01/model.onnx",
        "warmgate-models.json",
      ],
    ];
    assert.deepEqual(listed(keys), ["a+:1(model.onnx,model.onnx_data)"]);
  });

  test("is looked at below the prefix only", () => {
    assert.deepEqual(listed(["prod/a/1/model.onnx", "b/1/model.onnx", "production/c/1/model.onnx"], "prod/"), [
      "a:1(model.onnx)",
    ]);
  });

  test("without a model is a mistake in the prefix, not an order to remove all", () => {
    for (const keys of [[], ["x", "y/z"]]) {
      assert.throws(() => listed(keys, "prdo/"), { reason: "bad_manifest", message: /below prdo\// });
    }
  });
});
