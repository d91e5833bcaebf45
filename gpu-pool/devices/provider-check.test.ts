import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hasCuda } from "../../test/support/cuda-host.ts";
import { checkProvider, decideProvider, reasonOf } from "./provider-check.ts";

const THROWN = "OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library";

describe("trying a provider", () => {
  test("says that one which computes is usable", async () => {
    assert.deepEqual(await checkProvider("cpu", 0), { kind: "usable" });
  });

  test("says what to install where CUDA's is not there", {
    skip: hasCuda,
  }, async () => {
    assert.deepEqual(await checkProvider("cuda", 0), {
      kind: "unusable",
      reason: "ONNX Runtime's CUDA provider is not installed; npm run cuda adds it",
    });
  });

  test("does not wait for one that does not answer", async () => {
    assert.deepEqual(await checkProvider("cpu", 0, 1), {
      kind: "unusable",
      reason: "the device has not answered within 0.001 s",
    });
  });
});

describe("why a provider cannot be used", () => {
  test("is the library that is missing, as ONNX Runtime prints it", () => {
    const printed =
      "[E:onnxruntime:Default, provider_bridge_ort.cc:1480 TryGetProviderInfo_CUDA] /onnxruntime_src/onnxruntime/core/session/provider_bridge_ort.cc:1193 onnxruntime::Provider& onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library /srv/node_modules/onnxruntime-node/bin/libonnxruntime_cuda.so with error: libcufft.so.10: cannot open shared object file: No such file or directory\n";
    assert.equal(
      reasonOf(THROWN, printed),
      "libcufft.so.10 is missing; it takes an NVIDIA driver, cuDNN 9 and the CUDA that the provider was built for",
    );
  });

  test("is what was thrown where nothing is printed, without the host's name", () => {
    const thrown =
      "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:116 bool onnxruntime::CudaCall(ERRTYPE, const char*) CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=secret ; expr=cudaSetDevice(info_.device_id); ";
    assert.equal(reasonOf(thrown, ""), "CUDA failure 100: no CUDA-capable device is detected");
  });
});

describe("a provider that cannot be used", () => {
  const check = { kind: "unusable", reason: "libcudnn.so.9 is missing" } as const;

  test("is a reason not to start where it is required", () => {
    const decision = decideProvider({ required: true }, check);
    assert.equal(decision.kind, "refuse");
    assert.match(decision.kind === "refuse" ? decision.reason : "", /^--provider cuda cannot be used: libcudnn\.so\.9/);
  });

  test("is done without where it is preferred, and the reason is kept", () => {
    assert.deepEqual(decideProvider({ required: false }, check), { kind: "fall_back", reason: check.reason });
  });

  test("is used either way where it can be", () => {
    for (const required of [true, false]) {
      assert.deepEqual(decideProvider({ required }, { kind: "usable" }), { kind: "use" });
    }
  });
});
