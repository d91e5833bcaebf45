/** What one message may ask the codec to hold. Bytes are bounded by the body limit of whoever reads the body. */
export interface CodecLimits {
  /** Most dimensions of one shape. */
  readonly maxRank: number;
  /** Most elements of one tensor. */
  readonly maxElements: number;
  /** Most tensors in one list (`inputs` or `outputs`). */
  readonly maxTensors: number;
  /** Deepest nesting of arrays and objects in the JSON part. */
  readonly maxJsonDepth: number;
}

export const DEFAULT_CODEC_LIMITS: CodecLimits = {
  maxRank: 16,
  maxElements: 2 ** 28,
  maxTensors: 256,
  maxJsonDepth: 64,
};
