import { decodeBytesElements } from "../../shared/protocol/bytes-elements.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import { checkElementTypes } from "./elements.ts";
import { linesOf } from "./labels.ts";
import type { TokeniseSettings } from "./pipeline-schema.ts";
import { turnOfLoop } from "./slices.ts";
import type { Plan, Site, StepContext } from "./step.ts";
import { unreadable } from "./unreadable.ts";
import { SPECIAL_TOKENS, WordPiece } from "./word-piece.ts";

const OUTPUTS = ["input_ids", "attention_mask", "token_type_ids"] as const;
/** Bytes of text that are read before others get a turn of the event loop: a few milliseconds. */
const TEXT_AT_ONCE = 2 ** 15;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/** `tokenise`: BYTES [-1] of texts becomes the ids of their word pieces, and what models want beside them. */
export function planTokenise(settings: TokeniseSettings, site: Site): Plan {
  const { input, maxLength, padTo, datatype } = settings;
  const rows = checkElementTypes(site, input);
  const { lowerCase, stripAccents = lowerCase } = settings;
  const tokens = linesOf(site.textOf("vocab", settings.vocab));
  const wordPiece = new WordPiece(tokens ?? [], { lowerCase, stripAccents });
  const missing = tokens ? SPECIAL_TOKENS.filter((token) => wordPiece.id(token) === undefined) : [];
  if (missing.length > 0) site.fault("vocab", `${settings.vocab} has no ${missing.join(", ")}`);
  const wanted = OUTPUTS.flatMap((output) => {
    const name = settings.outputs[output];
    return name === undefined ? [] : [{ output, name }];
  });
  if (wanted.length === 0) site.fault("outputs", "names none");
  if (new Set(wanted.map(({ name }) => name)).size < wanted.length) site.fault("outputs", "names one tensor twice");
  const shape = [rows ?? -1, padTo === "maxLength" ? maxLength : -1];
  return {
    reads: [input],
    removes: [input],
    writes: wanted.map(({ name }) => ({ name, type: rows === undefined ? undefined : { datatype, shape } })),
    run: async ([tensor], context) => {
      if (!tensor) throw new Error("tokenise was run without a text");
      const texts = await encodeTexts(tensor, wordPiece, settings, context);
      const length = padTo === "maxLength" ? maxLength : texts.reduce((most, ids) => Math.max(most, ids.length), 0);
      context.reserve(texts.length * length * 8 * wanted.length);
      const pad = wordPiece.id("[PAD]") ?? 0;
      return wanted.map(({ output, name }) => fill(name, output, texts, length, pad, datatype));
    },
  };
}

async function encodeTexts(
  { name, shape, bytes }: Tensor,
  wordPiece: WordPiece,
  { maxBytes, maxLength }: TokeniseSettings,
  context: StepContext,
): Promise<readonly (readonly number[])[]> {
  const elements = decodeBytesElements(bytes, shape[0] ?? 0, `input '${name}'`);
  const texts: number[][] = [];
  let read = 0;
  for (const [row, element] of elements.entries()) {
    if (element.length > maxBytes) throw unreadable(name, row, `has more than ${maxBytes} bytes`);
    texts.push(wordPiece.encode(textOf(element, name, row), maxLength));
    // Short texts cost as well.
    read += element.length + 16;
    if (read < TEXT_AT_ONCE) continue;
    read = 0;
    await turnOfLoop(context);
  }
  return texts;
}

function textOf(element: Uint8Array, name: string, row: number): string {
  try {
    return strictUtf8.decode(element);
  } catch {
    throw unreadable(name, row, "is not UTF-8");
  }
}

function fill(
  name: string,
  output: (typeof OUTPUTS)[number],
  texts: readonly (readonly number[])[],
  length: number,
  pad: number,
  datatype: TokeniseSettings["datatype"],
): Tensor {
  const values = new Int32Array(texts.length * length);
  for (const [row, ids] of texts.entries()) {
    const start = row * length;
    if (output === "input_ids") {
      values.set(ids, start);
      values.fill(pad, start + ids.length, start + length);
    } else if (output === "attention_mask") values.fill(1, start, start + ids.length);
  }
  const { buffer } = datatype === "INT32" ? values : BigInt64Array.from(values, BigInt);
  return { name, datatype, shape: [texts.length, length], bytes: new Uint8Array(buffer) };
}
