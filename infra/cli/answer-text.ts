/** Paths that are asked for and texts that come back, of whichever API. */
import { UsageError } from "./usage-error.ts";

/** @throws UsageError for a name that a URL would read as a step in its path */
export function pathOf(segments: readonly string[]): string {
  for (const segment of segments) {
    if (/^\.{0,2}$/.test(segment)) throw new UsageError(`'${segment}' is not a name.`);
  }
  return segments.map(encodeURIComponent).join("/");
}

export class AnswerTooLarge extends Error {}

/** @throws AnswerTooLarge beyond `mostBytes` */
export async function readText(response: Response, mostBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > mostBytes) throw new AnswerTooLarge();
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Undefined for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
