/**
 * What a failed run says of the device. ONNX Runtime's Node binding gives a text and nothing else, so the text decides.
 *
 * - `out_of_memory`: memory was short; a smaller batch may fit.
 * - `sticky`: the CUDA context is lost. In NVIDIA's words: "This leaves the process in an inconsistent state and any further
 *   CUDA work will return the same error. To continue using CUDA, the process must be terminated and relaunched."
 *   (CUDA Runtime API, `cudaError_t`.)
 * - `input`: this row cannot be run, others can.
 * - `unknown`: everything else, also what can mean anything (`CUDNN_STATUS_EXECUTION_FAILED`). Where that stood for a lost
 *   context, the next run says so.
 *
 * Texts are recognised as they come from ONNX Runtime, and as `publicReason` leaves them.
 */
import { WarmgateError } from "../../shared/protocol/errors.ts";

export type RunErrorKind = "out_of_memory" | "sticky" | "input" | "unknown";

/** `cudaError_t` after which the context cannot be used any more. */
const STICKY_CODES: ReadonlySet<number> = new Set([
  46, // cudaErrorDevicesUnavailable
  214, // cudaErrorECCUncorrectable
  220, // cudaErrorNvlinkUncorrectable
  226, // cudaErrorContained
  700, // cudaErrorIllegalAddress
  702, // cudaErrorLaunchTimeout
  709, // cudaErrorContextIsDestroyed
  710, // cudaErrorAssert
  714, // cudaErrorHardwareStackError
  715, // cudaErrorIllegalInstruction
  716, // cudaErrorMisalignedAddress
  717, // cudaErrorInvalidAddressSpace
  718, // cudaErrorInvalidPc
  719, // cudaErrorLaunchFailure
  721, // cudaErrorTensorMemoryLeak
  805, // cudaErrorMpsConnectionFailed
  806, // cudaErrorMpsRpcFailure
  810, // cudaErrorMpsClientTerminated
  999, // cudaErrorUnknown
]);

/** How `cuda_call.cc` of ONNX Runtime begins what a call of the CUDA runtime returned. */
const CUDA_FAILURE = /\bCUDA (?:failure|error) (\d+)\b/gi;

/** First match decides. A lost context comes first: what else is said then follows from it. */
const TEXTS: readonly (readonly [RunErrorKind, RegExp])[] = [
  // What cudaGetErrorString says of the codes above; a text may come without its code.
  ["sticky", /an illegal memory access was encountered|an illegal instruction was encountered/i],
  ["sticky", /unspecified launch failure|device-side assert triggered|the launch timed out and was terminated/i],
  ["sticky", /uncorrectable (?:ECC|NVLink) error|hardware stack error|misaligned address|context is destroyed/i],
  ["sticky", /\ball CUDA-capable devices are busy or unavailable/i],
  // The driver's log and nvidia-smi: the device is off the bus. XID 48: double-bit ECC; 79: off the bus; 119: GSP timeout.
  ["sticky", /\bXid\b|GPU is lost|has fallen off the bus|GPU requires reset/i],
  // WebGPU and Direct3D.
  ["sticky", /\bdevice (?:is |was |has been )?(?:lost|removed)\b|DEVICE_REMOVED|DEVICE_LOST/i],
  // bfc_arena.cc, the allocator of all providers.
  ["out_of_memory", /Failed to allocate memory for requested buffer of size/],
  ["out_of_memory", /Available memory of \d+ is smaller than requested bytes/],
  ["out_of_memory", /Failed to find a free memory block/],
  // cudaErrorMemoryAllocation, cublasStatus_t, cudnnStatus_t (of version 8 and 9), cufftResult, the C++ library.
  ["out_of_memory", /\bCUDA (?:failure|error) 2\b|cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY/i],
  ["out_of_memory", /CU(?:BLAS|DNN|SPARSE|RAND)_STATUS_ALLOC(?:ATION)?_FAILED|CUFFT_ALLOC_FAILED/],
  ["out_of_memory", /CUDNN_STATUS_INTERNAL_ERROR_(?:DEVICE|HOST)_ALLOCATION_FAILED/],
  ["out_of_memory", /\bout of memory\b|std::bad_alloc|\bbad allocation\b/i],
  // What kernels say of shapes and values.
  ["input", /Got invalid dimensions for input|Invalid rank for input|invalid expand shape/i],
  [
    "input",
    /indices element out of data bounds|index out of (?:bounds|range)|Calculation for Tensor storage size overflowed/i,
  ],
  ["input", /Attempting to broadcast an axis|The input tensor cannot be reshaped to the requested shape/i],
  ["input", /\bINVALID_ARGUMENT\b|Unexpected input data type|Missing Input:|does not match data length/i],
];

/** Names of nodes and files, and values: what a model's author or a caller has written must not decide. */
const QUOTED = /(?<!\w)'[^'\n]*'|"[^"\n]*"/g;

const REQUESTED_BYTES = /requested (?:buffer of size|bytes of) (\d+)/;

/**
 * @param capacityBytes all memory of the device: a row that asks for more at once fits into no batch, and is at fault itself
 */
export function classifyRunError(message: string, capacityBytes = Number.POSITIVE_INFINITY): RunErrorKind {
  const text = message.replace(QUOTED, "''");
  for (const [, code] of text.matchAll(CUDA_FAILURE)) if (STICKY_CODES.has(Number(code))) return "sticky";
  const kind = TEXTS.find(([, pattern]) => pattern.test(text))?.[0] ?? "unknown";
  if (kind !== "out_of_memory") return kind;
  const requested = REQUESTED_BYTES.exec(text)?.[1];
  return requested !== undefined && Number(requested) > capacityBytes ? "input" : kind;
}

/** What a run was rejected with: only the model's own failures (`model_failed`) speak of the device. */
export function classifyFailure(error: unknown, capacityBytes?: number): RunErrorKind {
  if (!(error instanceof Error)) return "unknown";
  if (error instanceof WarmgateError && error.code !== "model_failed") return "unknown";
  return classifyRunError(error.message, capacityBytes);
}
