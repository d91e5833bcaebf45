import { decodeBytesElements } from "../../shared/protocol/bytes-elements.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import type { Tensor } from "../../shared/protocol/tensor.ts";
import { checkElementTypes } from "./elements.ts";
import { type ImageDecoder, UnreadableImage } from "./image-decoder.ts";
import { imageBytes } from "./image-format.ts";
import type { DecodeImageSettings } from "./pipeline-schema.ts";
import type { Plan, Site, StepContext } from "./step.ts";
import { unreadable } from "./unreadable.ts";

/** `decodeImage`: BYTES [-1] of pictures becomes UINT8 of their pixels. */
export function planDecodeImage(settings: DecodeImageSettings, site: Site): Plan {
  const { input, output, width, height, channels, layout } = settings;
  const rows = checkElementTypes(site, input);
  const { images } = site;
  const row = {
    NCHW: [channels, height, width],
    NHWC: [height, width, channels],
    flat: [height * width * channels],
  }[layout];
  return {
    reads: [input],
    removes: [input],
    writes: [{ name: output, type: rows === undefined ? undefined : { datatype: "UINT8", shape: [rows, ...row] } }],
    run: async ([tensor], context) => {
      if (!tensor || !images) throw new Error("decodeImage was run without having been planned");
      return [await decodeRows(tensor, row, settings, images, context)];
    },
  };
}

async function decodeRows(
  { name, shape, bytes }: Tensor,
  row: readonly number[],
  settings: DecodeImageSettings,
  images: ImageDecoder,
  context: StepContext,
): Promise<Tensor> {
  const [rows = 0] = shape;
  const { width, height, channels, layout, maxBytes } = settings;
  const size = width * height * channels;
  // As they came, as pixels, and as the floats that those will become.
  context.reserve(bytes.length + rows * size * 5);
  const expectedMs = images.slots.expectedMs(rows);
  if (expectedMs > context.remainingMs()) throw tooMany(expectedMs);
  const elements = decodeBytesElements(bytes, rows, `input '${name}'`);
  const pixels = new Uint8Array(rows * size);
  await images.slots.run(rows, async (index) => {
    context.checkWanted();
    const element = elements[index] ?? new Uint8Array();
    // Base64 is a third longer; nothing is decoded that is too long either way.
    if (element.length > maxBytes * 1.34 + 4) throw unreadable(name, index, `has more than ${maxBytes} bytes`);
    const image = imageBytes(element);
    if (!image) throw unreadable(name, index, "is no PNG, JPEG or WebP, nor base64 of one");
    if (image.length > maxBytes) throw unreadable(name, index, `has more than ${maxBytes} bytes`);
    try {
      const colours = await images.decode(image, settings, context.remainingMs());
      arrange(colours, pixels.subarray(index * size, (index + 1) * size), channels, layout === "NCHW");
    } catch (error) {
      context.checkWanted();
      throw error instanceof UnreadableImage ? unreadable(name, index, error.message) : error;
    }
  });
  return { name: settings.output, datatype: "UINT8", shape: [rows, ...row], bytes: pixels };
}

function tooMany(expectedMs: number): WarmgateError {
  const reason = "there are more pictures to decode than can be done within the time allowed; nothing was run";
  return new WarmgateError("deadline_unreachable", reason, { retryAfterSeconds: Math.ceil(expectedMs / 1000) });
}

/**
 * Red, green, blue pixel by pixel into the layout that the model takes. Grey is ITU-R BT.601's luma in 16 bits, rounded, as
 * Pillow and OpenCV have it, with which models are trained.
 */
export function arrange(colours: Uint8Array, into: Uint8Array, channels: 1 | 3, planes: boolean): void {
  const count = colours.length / 3;
  if (channels === 1) {
    for (let at = 0, from = 0; at < count; at++, from += 3) {
      const luma = (colours[from] ?? 0) * 19595 + (colours[from + 1] ?? 0) * 38470 + (colours[from + 2] ?? 0) * 7471;
      into[at] = (luma + 0x8000) >> 16;
    }
  } else if (planes) {
    for (let at = 0, from = 0; at < count; at++, from += 3) {
      into[at] = colours[from] ?? 0;
      into[count + at] = colours[from + 1] ?? 0;
      into[2 * count + at] = colours[from + 2] ?? 0;
    }
  } else into.set(colours);
}
