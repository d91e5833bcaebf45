import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { cacheFolderOf, parseModelSource, type RemoteSource } from "./model-source.ts";

const remote = (text: string): RemoteSource => {
  const source = parseModelSource(text);
  assert.ok(source.kind !== "folder");
  return source;
};

describe("the address of models", () => {
  test("without a scheme is a folder", () => {
    for (const folder of ["gpu-pool/models", "/srv/models", "./x", "C:\\models", "s3"]) {
      assert.deepEqual(parseModelSource(folder), { kind: "folder", folder });
    }
  });

  test("of a server is an origin and a folder on it", () => {
    const source = { kind: "http", origin: "https://models.example", addresses: { kind: "public" } };
    assert.deepEqual(remote("https://models.example/prod"), {
      ...source,
      basePath: "/prod/",
      label: "https://models.example/prod/",
    });
    assert.equal(remote("HTTPS://Models.Example:443").label, "https://models.example/");
    assert.deepEqual(remote("https://models.example/?allowPrivate=1").addresses, { kind: "any_private" });
  });

  test("of a bucket is by its path at the endpoint, AWS's where none is named", () => {
    const r2 = remote("s3://models/prod/gpu?endpoint=https://abc.r2.cloudflarestorage.com&region=auto");
    assert.ok(r2.kind === "s3");
    assert.deepEqual(
      [r2.origin, r2.basePath, r2.bucket, r2.prefix, r2.region],
      ["https://abc.r2.cloudflarestorage.com", "/models/prod/gpu/", "models", "prod/gpu/", "auto"],
    );
    const aws = remote("s3://my.bucket?region=eu-central-1");
    assert.deepEqual([aws.origin, aws.basePath], ["https://s3.eu-central-1.amazonaws.com", "/my.bucket/"]);
    assert.equal(remote("s3://bucket/a%20b/(c)").basePath, "/bucket/a%20b/%28c%29/");
  });

  test("may be plain http only for what is named as near", () => {
    for (const text of [
      ...["http://localhost:9000/", "http://127.0.0.1/", "http://10.0.0.7:9000/m", "http://[::1]:9000/"],
      ...["http://minio.internal/?allowPrivate=1", "s3://bucket?endpoint=http://minio:9000&allowPrivate=1"],
    ]) {
      remote(text);
    }
    for (const text of ["http://models.example/", "http://1.1.1.1/", "s3://bucket?endpoint=http://minio:9000"]) {
      assert.throws(() => remote(text), { reason: "misconfigured", message: /TLS/ }, text);
    }
  });

  test("is refused at a metadata service, in whatever way it is written", () => {
    for (const host of ["169.254.169.254", "0xa9fea9fe", "2852039166", "[::ffff:169.254.169.254]", "[fd00:ec2::254]"]) {
      for (const option of ["", "?allowPrivate=1"]) {
        assert.throws(() => remote(`http://${host}/${option}`), { reason: "forbidden_address" }, host);
      }
    }
  });

  test("is refused with what it cannot mean", () => {
    for (const text of [
      ...["https://", "s3://", "ftp://models.example/", "gs://bucket", "file:///srv", "https://models.example/#part"],
      ...[
        "https://models.example/?region=auto",
        "https://models.example/?allowPrivate=yes",
        "s3://UPPER_case?region=auto",
      ],
      ...[
        "s3://bucket?endpoint=ftp://x",
        "s3://bucket?endpoint=https://x/path",
        "s3://bucket?region=a/b",
        "s3://bucket?key=1",
      ],
      ...["s3://bucket/%zz", "s3://bucket/a%2Fb", "s3://bucket:9000/x", "s3://bucket?region=auto&region=other"],
    ]) {
      assert.throws(() => remote(text), { reason: "misconfigured" }, text);
    }
  });

  test("holds no credential, and the refusal of one does not show it", () => {
    for (const text of [
      "https://user:hunter2@models.example/",
      "s3://hunter2@bucket",
      "s3://b-b?endpoint=https://a:hunter2@x",
    ]) {
      assert.throws(
        () => remote(text),
        (error: Error) => /credentials/.test(error.message) && !error.message.includes("hunter2"),
      );
    }
  });

  test("is read or refused, whatever it is: nothing else is thrown", () => {
    fc.assert(
      fc.property(fc.constantFrom("http://", "https://", "s3://", ""), fc.string(), (scheme, rest) => {
        try {
          parseModelSource(`${scheme}${rest}`);
        } catch (error) {
          assert.equal((error as Error).name, "SourceError");
        }
      }),
    );
  });
});

describe("a source's cache folder", () => {
  test("is one for each source, and within the root", () => {
    const texts = [
      "https://a.example/",
      "https://a.example/x",
      "s3://abc?region=eu-west-1",
      "s3://abc?region=eu-west-2",
      "http://[::1]/",
    ];
    const folders = texts.map((text) => cacheFolderOf("/cache", remote(text)));
    assert.equal(new Set(folders).size, texts.length);
    for (const folder of folders) assert.match(folder, /^\/cache\/[a-z0-9._-]+$/);
    assert.equal(cacheFolderOf("/cache", remote("https://a.example")), folders[0]);
  });
});
