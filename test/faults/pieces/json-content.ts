/** What a text holds; undefined where it is not JSON. */
export function jsonContent(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
