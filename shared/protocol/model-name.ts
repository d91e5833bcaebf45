import { WarmgateError } from "./errors.ts";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const VERSION = /^[1-9][0-9]{0,8}$/;

/** Whether a folder or URL segment can be a model's name: nothing that a file system or URL would read as a path. */
export function isModelName(text: string): boolean {
  return NAME.test(text) && !text.includes("..");
}

export function isModelVersion(text: string): boolean {
  return VERSION.test(text);
}

/**
 * Checks what a URL names as model and version before anything is looked up.
 *
 * @throws WarmgateError `invalid_model_name`
 */
export function checkModelName(name: string, version?: string): void {
  if (!isModelName(name)) {
    throw new WarmgateError("invalid_model_name", "the model name in the URL is not one that a model can have");
  }
  if (version !== undefined && !isModelVersion(version)) {
    throw new WarmgateError("invalid_model_name", "a model version is a whole number from 1");
  }
}
