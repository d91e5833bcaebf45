import assert from "node:assert/strict";
import { isAbsolute } from "node:path";
import { describe, test } from "node:test";
import { readSettings } from "./settings.ts";

const SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA";
const KEYS = { POOL_SIGNING_KEYS: `k1:${SECRET}` };

/** The message of the refusal. */
function refusal(args: readonly string[], environment: NodeJS.ProcessEnv = KEYS): string {
  try {
    readSettings(args, environment);
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message;
  }
  return assert.fail("the settings were taken");
}

describe("settings", () => {
  test("a folder and a key are enough: loopback, signed, CPU", () => {
    const settings = readSettings(["--models", "m"], KEYS);
    assert.deepEqual(
      [settings.host, settings.port, settings.opsPort, settings.provider],
      ["127.0.0.1", 8000, 8002, "cpu"],
    );
    assert.equal(settings.signingKeys?.[0]?.id, "k1");
    assert.ok(settings.computeThreads >= 1);
    assert.ok(settings.modelFolders.every(isAbsolute));
  });

  test("several folders keep their order", () => {
    const { modelFolders } = readSettings(["--models", "/b", "--models", "/a"], KEYS);
    assert.deepEqual(modelFolders, ["/b", "/a"]);
  });

  test("an open pool is refused on anything but a loopback address", () => {
    for (const host of [
      "0.0.0.0",
      "::",
      "10.0.0.1",
      "127.0.0.1.example.com",
      "example.com",
      "localhost.example.com",
      "",
    ]) {
      assert.match(refusal(["--models", "m", "--pool-auth", "open", "--host", host]), /--pool-auth open/, host);
    }
    for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost"]) {
      assert.equal(readSettings(["--models", "m", "--pool-auth", "open", "--host", host], {}).signingKeys, undefined);
    }
  });

  test("a signed pool without a key says which variable is missing", () => {
    assert.match(refusal(["--models", "m"], {}), /POOL_SIGNING_KEYS is not set/);
    assert.match(refusal(["--models", "m"], { POOL_SIGNING_KEYS: "" }), /POOL_SIGNING_KEYS/);
  });

  test("a key that cannot be used is named by variable, never shown", () => {
    for (const keys of [
      SECRET,
      `k1:${SECRET.slice(0, 20)}`,
      `k1:${SECRET}!`,
      `k 1:${SECRET}`,
      `k1:${SECRET},`,
      `k1:${SECRET}=`,
    ]) {
      const message = refusal(["--models", "m"], { POOL_SIGNING_KEYS: keys });
      assert.match(message, /POOL_SIGNING_KEYS/);
      assert.ok(!message.includes(SECRET.slice(0, 10)), message);
    }
  });

  test("all that is wrong is named at once, each by its option", () => {
    const message = refusal([
      "--port",
      "70000",
      "--provider",
      "tpu",
      "--drain-ms=-1",
      "--max-body-bytes",
      "x",
      "--device",
      "1.5",
    ]);
    for (const option of ["models", "port", "provider", "drain-ms", "max-body-bytes", "device"]) {
      assert.match(message, new RegExp(`--${option}: `));
    }
  });

  test("the memory limit is what the system says unless it is given", () => {
    assert.equal(readSettings(["--models", "m"], KEYS).memoryLimitBytes, undefined);
    const given = ["--models", "m", "--memory-limit-bytes", "536870912"];
    assert.equal(readSettings(given, KEYS).memoryLimitBytes, 512 * 1024 ** 2);
    assert.match(refusal(["--models", "m", "--memory-limit-bytes", "0"]), /--memory-limit-bytes: /);
  });

  test("artefacts are tried, runs and the event loop are watched, the repository is not, unless it is said otherwise", () => {
    const { probe, probeLimitMs, pollMs, runLimitMs, aliveLimitMs } = readSettings(["--models", "m"], KEYS);
    assert.deepEqual([probe, probeLimitMs, pollMs, runLimitMs, aliveLimitMs], [true, 120_000, 0, 30_000, 20_000]);
    const given = ["--models", "m", "--probe", "off", "--poll-ms", "5000", "--alive-limit-ms", "0"];
    const other = readSettings(given, KEYS);
    assert.deepEqual([other.probe, other.pollMs, other.aliveLimitMs], [false, 5_000, 0]);
    for (const [option, value] of [
      ["probe", "maybe"],
      ["probe-limit-ms", "0"],
      ["load-limit-ms", "999"],
      ["poll-ms", "50"],
      ["run-limit-ms", "0"],
      ["alive-limit-ms", "-1"],
      ["start-limit-ms", "999"],
    ] as const) {
      assert.match(refusal(["--models", "m", `--${option}=${value}`]), new RegExp(`--${option}: `));
    }
  });

  test("an option that does not exist is refused", () => {
    assert.match(refusal(["--models", "m", "--modles", "x"]), /--modles/);
    assert.match(refusal(["--models", "m", "stray"]), /stray/);
  });

  test("a key on the command line is refused: every process can read that", () => {
    assert.match(refusal(["--models", "m", "--signing-keys", "k1:x"]), /--signing-keys/);
  });

  const ANNOUNCING = ["--models", "m", "--announce-to", "https://edge.example.com"];

  test("announcing is asked for with the edge's address alone; what it says is signed with the first key", () => {
    const { announcing } = readSettings(ANNOUNCING, KEYS);
    assert.deepEqual([announcing?.edge, announcing?.url], ["https://edge.example.com", undefined]);
    assert.equal(announcing?.key.id, "k1");
    assert.equal(readSettings(["--models", "m"], KEYS).announcing, undefined);
    const advertised = readSettings([...ANNOUNCING, "--advertise-url", "http://gpu-3:80/"], KEYS);
    assert.equal(advertised.announcing?.url, "http://gpu-3");
  });

  test("addresses of the edge and of the process are origins, nothing more", () => {
    for (const url of [
      "edge:8787",
      "ftp://edge",
      "https://edge/path",
      "https://edge?a",
      "https://u@edge",
      "edge",
      "",
    ]) {
      assert.match(refusal(["--models", "m", "--announce-to", url]), /--announce-to: must be http/, url);
      assert.match(refusal([...ANNOUNCING, "--advertise-url", url]), /--advertise-url: must be http/, url);
    }
  });

  test("a process that listens everywhere cannot say where it is reached unless it is told", () => {
    for (const host of ["0.0.0.0", "::"]) {
      assert.match(refusal([...ANNOUNCING, "--host", host]), /needs --advertise-url/);
      const told = [...ANNOUNCING, "--host", host, "--advertise-url", "http://10.0.0.7:8000"];
      assert.equal(readSettings(told, KEYS).announcing?.url, "http://10.0.0.7:8000");
    }
    assert.equal(readSettings([...ANNOUNCING, "--host", "10.0.0.7"], KEYS).announcing?.url, undefined);
  });

  test("an address that would be told to nobody is refused", () => {
    assert.match(refusal(["--models", "m", "--advertise-url", "http://gpu-3"]), /--announce-to/);
  });

  test("an open pool announces itself only with a key to sign with, and stays open", () => {
    const open = [...ANNOUNCING, "--pool-auth", "open"];
    assert.match(refusal(open, {}), /POOL_SIGNING_KEYS is not set.*--announce-to/);
    const settings = readSettings(open, KEYS);
    assert.equal(settings.signingKeys, undefined);
    assert.equal(settings.announcing?.key.id, "k1");
  });
});
