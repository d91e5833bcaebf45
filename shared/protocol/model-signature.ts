import { z } from "zod";
import { DATATYPES } from "./datatype.ts";

const tensorSpecSchema = z.object({
  name: z.string().min(1).max(256),
  datatype: z.enum(DATATYPES),
  shape: z.array(z.int().min(-1)).max(16),
});

/** What a model version takes and gives, where it comes from another process or from an operator. */
export const modelSignatureSchema = z.object({
  inputs: z.array(tensorSpecSchema).max(256),
  outputs: z.array(tensorSpecSchema).max(256),
});
