const LOAD_FAILED = /Load model from [^\n]*? failed:\s*/;
const STATUS_MESSAGE = /Status Message:\s*([^\n]*)/;
/** ONNX Runtime begins many messages with its own source position, in full with the function's signature or in short. */
const SOURCE_POSITION = /\/\S+\.(?:cc|cpp|h|cu):\d+[^\n]*?(?:was false\.|\)\s)\s*/g;
const SHORT_POSITION = /\b\w+\.(?:cc|cpp|h|cu):\d+\s+\w+\s*/g;
/** CUDA's errors end with the device, the machine's name, the file and the expression. */
const CUDA_PLACE = / ; GPU=-?\d+ ;.*$/;
/** A quoted path may have spaces in it. */
const QUOTED_PATH = /"[^"\n]*[\\/]([^"\\/\n]*)"/g;
const PATH = /(?:[A-Za-z]:|\.{1,2})?[\\/](?:[^\s'"\\/:]+[\\/])+([^\s'"\\/:]*)/g;
const TOP_LEVEL_PATH = /(?<!\w)[\\/]([^\s'"\\/:]+)/g;
const LONGEST = 500;
/** What is looked at of a message; the patterns take time that grows with its square. */
const LONGEST_MESSAGE = 2000;

/**
 * What of an ONNX Runtime message a caller may see: what went wrong with the model or the input, without the server's
 * paths and without ONNX Runtime's source positions. Files keep their last name.
 */
export function publicReason(message: string): string {
  const start = message.slice(0, LONGEST_MESSAGE).replace(LOAD_FAILED, "");
  const clean = (STATUS_MESSAGE.exec(start)?.[1] ?? start)
    .replace(CUDA_PLACE, "")
    .replace(SOURCE_POSITION, "")
    .replace(SHORT_POSITION, " ")
    .replace(QUOTED_PATH, '"$1"')
    .replace(PATH, "$1")
    .replace(TOP_LEVEL_PATH, "$1")
    .replace(/\s+/g, " ")
    .trim();
  return clean.length > LONGEST ? `${clean.slice(0, LONGEST)}…` : clean;
}
