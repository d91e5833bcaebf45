import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { publicReason } from "../runtime/public-reason.ts";
import { classifyRunError, type RunErrorKind } from "./run-errors.ts";

/** Texts as users of ONNX Runtime have reported them, with where they did; those of "run here" are of onnxruntime-node 1.30.0. */
const REPORTED: readonly (readonly [RunErrorKind, string, string])[] = [
  [
    "out_of_memory",
    "run here, on the CPU",
    "Non-zero status code returned while running Expand node. Name:'' Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:360 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Failed to allocate memory for requested buffer of size 68719476736\n",
  ],
  [
    "out_of_memory",
    "microsoft/onnxruntime#9939",
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running FusedMatMul node. Name:'MatMul_92_FusedMatMulAndScale' Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:331 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate memory for requested buffer of size 8388608000",
  ],
  [
    "out_of_memory",
    "microsoft/onnxruntime#16307",
    "Non-zero status code returned while running ReduceSum node. onnxruntime::BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 939524096",
  ],
  [
    "out_of_memory",
    "microsoft/onnxruntime#20038",
    "onnx runtime error 6: Non-zero status code returned while running Mul node. Name:'Mul_8702' Status Message: /workspace/onnxruntime/onnxruntime/core/framework/bfc_arena.cc:368 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*, bool, onnxruntime::WaitNotificationFn) Failed to allocate memory for requested buffer of size 2830172160",
  ],
  [
    "out_of_memory",
    "hacksider/Deep-Live-Cam#584",
    "[ONNXRuntimeError] : 1 : FAIL : D:\\a\\_work\\1\\s\\onnxruntime\\core\\providers\\cuda\\cuda_call.cc:121 onnxruntime::CudaCall D:\\a\\_work\\1\\s\\onnxruntime\\core\\providers\\cuda\\cuda_call.cc:114 onnxruntime::CudaCall CUDA failure 2: out of memory ; GPU=0 ; hostname=DESKTOP-QUBEI ; file=D:\\a\\_work\\1\\s\\onnxruntime\\core\\providers\\cuda\\cuda_stream_handle.cc ; line=175 ; expr=cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);",
  ],
  [
    "out_of_memory",
    "fudan-generative-vision/hallo#218",
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Exception during initialization: /onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:121 std::conditional_t<THRW, void, onnxruntime::common::Status> onnxruntime::CudaCall(ERRTYPE, const char*, const char*, ERRTYPE, const char*, const char*, int) [with ERRTYPE = cublasStatus_t; bool THRW = true; std::conditional_t<THRW, void, onnxruntime::common::Status> = void] CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0 ; hostname=egg ; file=/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider.cc ; line=164 ; expr=cublasCreate(&cublas_handle_);",
  ],
  [
    "out_of_memory",
    "bfc_arena.cc, a session with a limit of its own",
    "Non-zero status code returned while running Conv node. Name:'Conv_0' Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:368 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Available memory of 1048576 is smaller than requested bytes of 67108864",
  ],
  ["out_of_memory", "C++ library", "std::bad_alloc"],
  [
    "sticky",
    "pykeio/ort#321",
    "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=10cb601a4a05 ; file=/home/runner/work/ort-artifacts-staging/ort-artifacts-staging/onnxruntime/onnxruntime/core/providers/cuda/gpu_data_transfer.cc ; line=63 ; expr=cudaMemcpyAsync(dst_data, src_data, bytes, cudaMemcpyHostToDevice, static_cast<cudaStream_t>(stream.GetHandle())); ",
  ],
  [
    "sticky",
    "microsoft/onnxruntime#2963, the number of CUDA before 10.1",
    "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:91 bool onnxruntime::CudaCall(ERRTYPE, const char*, const char*, ERRTYPE, const char*) [with ERRTYPE = cudaError; bool THRW = true] CUDA failure 77: an illegal memory access was encountered ; GPU=0 ; hostname=C246-WU4 ; expr=cudaEventDestroy(read_event_);",
  ],
  [
    "sticky",
    "C0untFloyd/roop-unleashed#32",
    "[ONNXRuntimeError] : 1 : FAIL : CUDA failure 719: unspecified launch failure ; GPU=0 ; hostname=BALYN-OMAVEL ; file=D:\\a\\_work\\1\\s\\onnxruntime\\core\\providers\\cuda\\gpu_data_transfer.cc ; line=73 ; expr=cudaMemcpyAsync(dst_data, src_data, bytes, cudaMemcpyDeviceToHost, static_cast<cudaStream_t>(stream.GetHandle()));",
  ],
  [
    "sticky",
    "microsoft/onnxruntime#14211",
    "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:116 bool onnxruntime::CudaCall(ERRTYPE, const char*, const char*, ERRTYPE, const char*) [with ERRTYPE = cudaError; bool THRW = true] CUDA failure 999: unknown error ; GPU=192915439 ; expr=cudaSetDevice(info_.device_id); ",
  ],
  ["sticky", "DeepVAC/TorchPod#56", "cuda runtime error (710) : device-side assert triggered at THCTensorMath.cu:29"],
  ["sticky", "jade-hpc-gpu#194", "CUDA error: uncorrectable ECC error encountered"],
  [
    "sticky",
    "AlexeyAB/darknet#86",
    "Unable to determine the device handle for GPU 0000:03:00.0: GPU is lost.  Reboot the system to recover this GPU",
  ],
  ["sticky", "NVIDIA's driver log", "NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, GPU has fallen off the bus."],
  ["sticky", "WebGPU", "Device was lost"],
  [
    "unknown",
    "microsoft/onnxruntime#23497: a model that the library cannot run, or a context that is lost",
    "Non-zero status code returned while running Conv node. Name:'/feature_aggregator/backbone/conv1/Conv' Status Message: CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED ; GPU=0 ; hostname=DESK ; file=D:\\a\\_work\\1\\s\\onnxruntime\\core\\providers\\cuda\\nn\\conv.cc ; line=493 ; expr=cudnnAddTensor(cudnn_handle, &alpha, s_.b_tensor, s_.b_data, &alpha, s_.y_tensor, s_.y_data);",
  ],
  [
    "unknown",
    "microsoft/onnxruntime#14710: an invalid argument is no lost context",
    "Non-zero status code returned while running Einsum node. Name:'Einsum' Status Message: Einsum op: Transpose failed: CUDA failure 1: invalid argument ; GPU=1 ; hostname=3eee3adbcb74 ; expr=cudaMemcpyAsync(output.MutableDataRaw(), input.DataRaw());",
  ],
  [
    "input",
    "run here, on the CPU",
    "Non-zero status code returned while running Expand node. Name:'' Status Message: invalid expand shape",
  ],
  [
    "input",
    "run here, on the CPU",
    "Non-zero status code returned while running Expand node. Name:'' Status Message: /onnxruntime_src/onnxruntime/core/framework/op_kernel.cc:83 virtual OrtValue* onnxruntime::OpKernelContext::OutputMLValue(int, const onnxruntime::TensorShape&) [ONNXRuntimeError] : 1 : FAIL : Calculation for Tensor storage size overflowed",
  ],
  [
    "input",
    "gather.cc",
    "Non-zero status code returned while running Gather node. Name:'Gather_0' Status Message: indices element out of data bounds, idx=9 must be within the inclusive range [-3,2]",
  ],
  ["unknown", "anything else", "Non-zero status code returned while running Foo node"],
];

describe("a failed run", () => {
  for (const [kind, source, text] of REPORTED) {
    test(`is ${kind}: ${source}`, () => assert.equal(classifyRunError(text), kind));
    test(`is ${kind} also in the words that callers may see: ${source}`, () => {
      assert.equal(classifyRunError(publicReason(text)), kind);
    });
  }

  test("that names a lost context and a lack of memory is sticky", () => {
    const text = "CUDA failure 2: out of memory ; GPU=0; CUDA failure 719: unspecified launch failure";
    assert.equal(classifyRunError(text), "sticky");
  });

  test("is the row's own fault when it asks for more at once than the device has", () => {
    const text = "Failed to allocate memory for requested buffer of size 68719476736";
    assert.equal(classifyRunError(text, 64 * 1024 ** 3 - 1), "input");
    assert.equal(classifyRunError(text, 64 * 1024 ** 3), "out_of_memory");
  });

  test("is not judged by what a model's author or a caller has written", () => {
    for (const words of ["unspecified launch failure", "out of memory"]) {
      assert.equal(
        classifyRunError(`Non-zero status code returned while running Cast node. Name:'${words}'`),
        "unknown",
      );
      assert.equal(classifyRunError(`cannot cast "${words}" to a number`), "unknown");
    }
  });

  test("is not sticky for a number that stands for something else", () => {
    assert.equal(classifyRunError("CUDNN failure 700: CUDNN_STATUS_BAD_PARAM"), "unknown");
    assert.equal(classifyRunError("CUDA failure 7000: what is this"), "unknown");
  });
});
