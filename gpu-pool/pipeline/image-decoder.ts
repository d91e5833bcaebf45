/**
 * Pictures of strangers as pixels, off the main thread.
 *
 * Promises: only PNG, JPEG and WebP are ever handed to a decoder, by their first bytes; a picture beyond the pixels that
 * are allowed is refused by its header, so that a decompression bomb costs nothing; of an animated one the first frame
 * counts; no decode goes on for a second longer than its request may take. At worst, {@link SLOTS} pictures are in work, each with
 * `maxPixels` x 8 bytes for one that must be unpacked as a whole (interlaced, 16 bit).
 */
import { availableParallelism } from "node:os";
import type sharp from "sharp";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { FairSlots } from "./fair-slots.ts";
import { sniffImage } from "./image-format.ts";
import type { DecodeImageSettings } from "./pipeline-schema.ts";

/** Decodes block a thread of libuv's pool, which has four; one is left to files and compression. */
const SLOTS = Math.max(1, Math.min(3, availableParallelism()));

/** Whatever is not named here cannot be loaded by libvips in this process. */
const LOADERS = ["VipsForeignLoadPngBuffer", "VipsForeignLoadJpegBuffer", "VipsForeignLoadWebpBuffer"];

/** A picture that cannot be decoded, in words for its sender. */
export class UnreadableImage extends Error {
  override readonly name = "UnreadableImage";
}

export class ImageDecoder {
  readonly #sharp: typeof sharp;
  /** Shared by all models of the process, as libuv's pool is. */
  readonly slots = new FairSlots(SLOTS, () => performance.now());

  private constructor(library: typeof sharp) {
    this.#sharp = library;
    library.cache(false);
    // Parallel by picture, not within one.
    library.concurrency(1);
    library.block({ operation: ["VipsForeignLoad"] });
    library.unblock({ operation: LOADERS });
  }

  static #loading: Promise<ImageDecoder> | undefined;

  /**
   * Loads the library on the first call: a pool without pictures does without its memory.
   *
   * @throws WarmgateError `model_rejected` when it is not installed for this machine
   */
  static load(): Promise<ImageDecoder> {
    ImageDecoder.#loading ??= import("sharp").then(
      ({ default: library }) => new ImageDecoder(library),
      (cause: unknown) => {
        ImageDecoder.#loading = undefined;
        const reason =
          "decodeImage needs the package sharp, which cannot be loaded on this machine; npm install adds it";
        throw new WarmgateError("model_rejected", reason, { cause });
      },
    );
    return ImageDecoder.#loading;
  }

  /**
   * Red, green and blue of each pixel, row by row, in sRGB, turned upright, in the size that the settings say.
   *
   * @param timeoutMs after which decoding is given up
   * @throws UnreadableImage
   */
  async decode(bytes: Uint8Array, settings: DecodeImageSettings, timeoutMs: number): Promise<Uint8Array> {
    const { width, height, fit, kernel, background: grey, maxPixels } = settings;
    const format = sniffImage(bytes);
    if (!format) throw new UnreadableImage("is no PNG, JPEG or WebP");
    const background = { r: grey, g: grey, b: grey };
    try {
      const { data, info } = await this.#sharp(bytes, { limitInputPixels: maxPixels, failOn: "error", pages: 1 })
        .timeout({ seconds: Math.min(3600, Math.max(1, Math.ceil(timeoutMs / 1000))) })
        .autoOrient()
        .resize({ width, height, fit, kernel, background })
        .flatten({ background })
        .toColourspace("srgb")
        .raw({ depth: "uchar" })
        .toBuffer({ resolveWithObject: true });
      if (info.channels !== 3 || data.length !== width * height * 3) throw new Error("not in the size asked for");
      return data;
    } catch (error) {
      throw new UnreadableImage(reasonOf(error, format, maxPixels));
    }
  }
}

/** In our own words: the library's name files and internals. */
function reasonOf(error: unknown, format: string, maxPixels: number): string {
  const text = error instanceof Error ? error.message : "";
  if (text.includes("pixel limit")) return `has more than ${maxPixels} pixels`;
  if (text.includes("timeout")) return "could not be decoded in the time allowed";
  return `is a damaged ${format}`;
}
