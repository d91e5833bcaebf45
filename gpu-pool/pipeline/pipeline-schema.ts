import { z } from "zod";
import { DATATYPES } from "../../shared/protocol/datatype.ts";

/** Most steps before or after a model; the ones in use have four. */
const MOST_STEPS = 32;
/** Longest side of the picture that a model is given. */
const LONGEST_SIDE = 8192;
const MOST_LABELS = 2 ** 16;

const tensorName = z.string().min(1).max(256);
/** A file in the version's folder; never a path. */
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, "must be the name of a file, without a path");
const number = z.number();
/** One number for all, or one for each place along `axis`. */
const numbers = z.union([number, z.array(number).min(1).max(4096)]);
const axis = z.int().min(-16).max(15);
const labels = z.union([fileName, z.array(z.string().min(1).max(1024)).min(1).max(MOST_LABELS)]);

/** Pictures in, grey or colour values from 0 to 255 out. Reads `input` BYTES [-1], makes `output` UINT8. */
const decodeImage = z.strictObject({
  step: z.literal("decodeImage"),
  input: tensorName.default("image"),
  output: tensorName,
  width: z.int().min(1).max(LONGEST_SIDE),
  height: z.int().min(1).max(LONGEST_SIDE),
  /** `cover` fills the size and cuts off what sticks out, `contain` shows all of it, `fill` distorts it. */
  fit: z.enum(["cover", "contain", "fill"]).default("cover"),
  kernel: z.enum(["nearest", "linear", "cubic", "lanczos3"]).default("linear"),
  /** Grey value of what is transparent, and of the bars that `contain` leaves. */
  background: z.int().min(0).max(255).default(255),
  /** 1: grey; 3: red, green, blue. */
  channels: z.union([z.literal(1), z.literal(3)]).default(3),
  /** NCHW [-1, channels, height, width], NHWC [-1, height, width, channels], flat [-1, height x width x channels]. */
  layout: z.enum(["NCHW", "NHWC", "flat"]).default("NCHW"),
  /** Largest picture that is taken, in pixels as it comes. */
  maxPixels: z
    .int()
    .min(1)
    .max(2 ** 28)
    .default(2 ** 24),
  /** Largest picture that is taken, in bytes as it comes. */
  maxBytes: z
    .int()
    .min(1)
    .max(2 ** 28)
    .default(8 * 1024 ** 2),
});

/** Text in, the ids of its word pieces out, as BERT's own tokenizer gives them. Reads `input` BYTES [-1]. */
const tokenise = z.strictObject({
  step: z.literal("tokenise"),
  input: tensorName.default("text"),
  /** One token a line; a token's id is its line, from 0. */
  vocab: fileName.default("vocab.txt"),
  lowerCase: z.boolean().default(true),
  /** Left out: as `lowerCase`. */
  stripAccents: z.boolean().optional(),
  /** Most ids of a text, [CLS] and [SEP] among them; what is beyond is cut off. */
  maxLength: z.int().min(2).max(8192),
  /** Rows are filled with [PAD] to the longest of their request, or to `maxLength`. */
  padTo: z.enum(["longest", "maxLength"]).default("longest"),
  datatype: z.enum(["INT64", "INT32"]).default("INT64"),
  /** What the tensors are called; one that is not named is not made. */
  outputs: z
    .strictObject({
      input_ids: tensorName.optional(),
      attention_mask: tensorName.optional(),
      token_type_ids: tensorName.optional(),
    })
    .default({ input_ids: "input_ids", attention_mask: "attention_mask" }),
  /** Longest text, in bytes of UTF-8. */
  maxBytes: z
    .int()
    .min(1)
    .max(2 ** 24)
    .default(2 ** 16),
});

/** y = (x * scale + offset - mean) / std, as FP32. */
const normalise = z.strictObject({
  step: z.literal("normalise"),
  tensor: tensorName,
  scale: numbers.default(1),
  offset: numbers.default(0),
  mean: numbers.default(0),
  std: numbers.default(1),
  /** The dimension that lists go along: 1 for the channels of NCHW, -1 for those of NHWC. */
  axis: axis.optional(),
});

/** Towards zero for whole numbers, to the nearest end for what is out of range, 0 for NaN. */
const cast = z.strictObject({
  step: z.literal("cast"),
  tensor: tensorName,
  datatype: z.enum(DATATYPES).exclude(["BYTES", "BF16"]),
});

const reshape = z.strictObject({
  step: z.literal("reshape"),
  tensor: tensorName,
  /** The first is -1: rows stay what they are. */
  shape: z
    .tuple(
      [z.literal(-1)],
      z
        .int()
        .min(1)
        .max(2 ** 24),
    )
    .refine((shape) => shape.length <= 16, "has too many dimensions"),
});

const rename = z.strictObject({ step: z.literal("rename"), tensor: tensorName, to: tensorName });

const softmax = z.strictObject({ step: z.literal("softmax"), tensor: tensorName, axis: axis.default(-1) });
const sigmoid = z.strictObject({ step: z.literal("sigmoid"), tensor: tensorName });

/** The k largest along the last dimension, largest first, of equals the one that stands first. NaN is below all. */
const topK = z.strictObject({
  step: z.literal("topK"),
  tensor: tensorName,
  k: z.int().min(1).max(1000),
  /** Words, or a file with one a line. Without them the label is the position, INT64. */
  labels: labels.optional(),
  label: tensorName.default("label"),
  score: tensorName.default("score"),
});

/** Where the largest is, INT64, or its label, BYTES; the dimension is gone from the shape. */
const argmax = z.strictObject({
  step: z.literal("argmax"),
  tensor: tensorName,
  axis: axis.default(-1),
  labels: labels.optional(),
  output: tensorName,
});

/** Whether each element is at least `at`, BOOL. */
const threshold = z.strictObject({
  step: z.literal("threshold"),
  tensor: tensorName,
  at: number,
  output: tensorName,
});

/** Drops all tensors but these. */
const keep = z.strictObject({ step: z.literal("keep"), tensors: z.array(tensorName).min(1).max(256) });

const before = z.discriminatedUnion("step", [decodeImage, tokenise, normalise, cast, reshape, rename]);
const after = z.discriminatedUnion("step", [
  softmax,
  sigmoid,
  topK,
  argmax,
  threshold,
  normalise,
  cast,
  reshape,
  rename,
  keep,
]);

/** `pipeline` in a `model.json`. */
export const pipelineSchema = z
  .strictObject({
    /**
     * What callers send, where it is not plain: what `decodeImage` and `tokenise` read is BYTES [-1], and what no step
     * makes is what the model takes.
     */
    inputs: z
      .array(
        z.strictObject({
          name: tensorName,
          datatype: z.enum(DATATYPES),
          shape: z
            .array(
              z
                .int()
                .min(-1)
                .max(2 ** 24),
            )
            .max(16),
        }),
      )
      .max(256)
      .default([]),
    before: z.array(before).max(MOST_STEPS).default([]),
    after: z.array(after).max(MOST_STEPS).default([]),
  })
  .refine(({ before, after }) => before.length + after.length > 0, "must have at least one step");

export type PipelineJson = z.infer<typeof pipelineSchema>;
export type BeforeStep = z.infer<typeof before>;
export type AfterStep = z.infer<typeof after>;
export type StepSettings = BeforeStep | AfterStep;
export type DecodeImageSettings = z.infer<typeof decodeImage>;
export type TokeniseSettings = z.infer<typeof tokenise>;
export type NormaliseSettings = z.infer<typeof normalise>;
export type CastSettings = z.infer<typeof cast>;
export type ReshapeSettings = z.infer<typeof reshape>;
export type TopKSettings = z.infer<typeof topK>;
export type ArgmaxSettings = z.infer<typeof argmax>;
export type ThresholdSettings = z.infer<typeof threshold>;
