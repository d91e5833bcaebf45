/** Formats that are decoded; whatever else libvips could read (SVG, PDF, TIFF, ...) never gets as far. */
export type ImageFormat = "PNG" | "JPEG" | "WebP";

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const JPEG = [0xff, 0xd8, 0xff];
const RIFF = [0x52, 0x49, 0x46, 0x46];
const WEBP = [0x57, 0x45, 0x42, 0x50];

/** The format by a file's first bytes, which cannot lie: a decoder of another format would refuse them. */
export function sniffImage(bytes: Uint8Array): ImageFormat | undefined {
  if (has(bytes, PNG, 0)) return "PNG";
  if (has(bytes, JPEG, 0)) return "JPEG";
  if (has(bytes, RIFF, 0) && has(bytes, WEBP, 8)) return "WebP";
  return undefined;
}

function has(bytes: Uint8Array, magic: readonly number[], at: number): boolean {
  return magic.every((byte, index) => bytes[at + index] === byte);
}

/**
 * An element that is the picture's bytes, or base64 text of them, as its bytes. The two cannot be mistaken for each other: no
 * text in base64 begins as a PNG or JPEG does, and what begins `RIFF....WEBP` is base64 of nothing that is a picture.
 *
 * @returns undefined when it is neither
 */
export function imageBytes(element: Uint8Array): Uint8Array | undefined {
  if (sniffImage(element)) return element;
  // The head alone first: whatever is no picture is not worth decoding.
  const head = decodeBase64(element.subarray(0, 16));
  if (!head || !sniffImage(head)) return undefined;
  return decodeBase64(element);
}

/** Base64 (RFC 4648, standard or URL-safe, with or without padding) in UTF-8; undefined when it is anything else. */
function decodeBase64(element: Uint8Array): Uint8Array | undefined {
  const text = Buffer.from(element.buffer, element.byteOffset, element.byteLength).toString("latin1");
  const end = text.endsWith("==") ? text.length - 2 : text.endsWith("=") ? text.length - 1 : text.length;
  const decoded = Buffer.from(text, "base64");
  // Node passes over what is not base64; then there are fewer bytes than the text has room for.
  return end % 4 !== 1 && decoded.length === Math.floor((end * 3) / 4) ? decoded : undefined;
}
