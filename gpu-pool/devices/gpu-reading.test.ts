import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseReading, queryArguments, smiIdOf } from "./gpu-reading.ts";

const MIB = 1024 ** 2;

describe("a GPU's reading", () => {
  test("has its figures in bytes, degrees, watts and as a share", () => {
    assert.deepEqual(parseReading("35, 10240, 81559, 45, 310.25\n"), {
      utilisation: 0.35,
      memoryUsedBytes: 10_240 * MIB,
      memoryTotalBytes: 81_559 * MIB,
      temperatureCelsius: 45,
      powerWatts: 310.25,
    });
  });

  test("leaves out what the GPU does not report", () => {
    for (const none of ["[N/A]", "[Not Supported]", "[Unknown Error]", "[GPU requires reset]", "N/A"]) {
      const reading = parseReading(`${none}, 512, 20096, 38, ${none}\r\n`);
      assert.deepEqual(reading, {
        utilisation: undefined,
        memoryUsedBytes: 512 * MIB,
        memoryTotalBytes: 20_096 * MIB,
        temperatureCelsius: 38,
        powerWatts: undefined,
      });
    }
  });

  test("is none for an error text, for several GPUs, and for other fields", () => {
    for (const output of [
      "",
      "No devices were found\n",
      "Unable to determine the device handle for GPU0000:BA:00.0: Unknown Error\n",
      'Field "utilization.gpus" is not a valid field to query.\n',
      "35, 10240, 81559, 45, 310.25\n35, 10240, 81559, 45, 310.25\n",
      "35, 10240, 81559, 45\n",
      "35, 10240, 81559, 45, 310.25, 1\n",
      "35 %, 10240 MiB, 81559 MiB, 45, 310.25 W\n",
      "101, 10240, 81559, 45, 310.25\n",
      "-1, 10240, 81559, 45, 310.25\n",
      "NaN, 10240, 81559, 45, 1e9\n",
    ]) {
      assert.equal(parseReading(output), undefined, output);
    }
  });

  test("never throws, and has finite figures, whatever is printed", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9., [\]N/A]*$/)), (output) => {
        for (const figure of Object.values(parseReading(output) ?? {})) {
          assert.ok(figure === undefined || (Number.isFinite(figure) && figure >= 0));
        }
      }),
    );
  });
});

describe("a GPU's name", () => {
  test("is its number where CUDA shows all of them", () => assert.equal(smiIdOf(3, undefined), "3"));

  test("is what CUDA_VISIBLE_DEVICES has at its place", () => {
    assert.equal(smiIdOf(1, "2, 5"), "5");
    assert.equal(smiIdOf(0, "GPU-8fe3a97d-51f6-a669-0d80-b4530b81b816"), "GPU-8fe3a97d-51f6-a669-0d80-b4530b81b816");
  });

  test("is none for a device that is not shown", () => {
    for (const visible of ["", "0", "0,-1", "0,none", "0,--help"]) assert.equal(smiIdOf(1, visible), undefined);
  });

  test("is asked for alone", () => assert.equal(queryArguments("2")[0], "--id=2"));
});
