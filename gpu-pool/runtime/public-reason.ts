const STATUS_MESSAGE = /Status Message:\s*([^\n]*)/;
/** ONNX Runtime begins many messages with its own source position, and names files with their full path. */
const SOURCE_POSITION = /\/\S+\.(?:cc|cpp|h|cu):\d+[^\n]*?(?:was false\.|\)\s)\s*/g;
const PATH = /(?:[A-Za-z]:)?[\\/](?:[^\s'"\\/:]+[\\/])+([^\s'"\\/:]*)/g;
const LONGEST = 500;

/**
 * What of an ONNX Runtime message a caller may see: what went wrong with the model or the input, without the server's
 * paths and without ONNX Runtime's source positions. Files keep their last name.
 */
export function publicReason(message: string): string {
  const text = STATUS_MESSAGE.exec(message)?.[1] ?? message;
  const clean = text.replace(SOURCE_POSITION, "").replace(PATH, "$1").replace(/\s+/g, " ").trim();
  return clean.length > LONGEST ? `${clean.slice(0, LONGEST)}…` : clean;
}
