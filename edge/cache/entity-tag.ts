/**
 * Strong entity tags of predictions, and conditional requests (RFC 9110, 8.8.3 and 13.1.2). A prediction is a POST, for which the
 * RFC would have 412; but one that changes nothing, so 304 is what callers can use: the answer that they hold is the answer.
 */

/** What the bytes of a reply depend on. */
export interface Representation {
  /** Names the outputs and the version that made them. */
  readonly contentDigest: string;
  /** As the reply names it, which may be an alias. */
  readonly modelName: string;
  readonly id: string | undefined;
  /** The outputs as they stand in the reply: which, in which order, and which of them binary. */
  readonly outputs: readonly { readonly name: string; readonly binary: boolean }[];
}

export function entityTag({ contentDigest, modelName, id, outputs }: Representation): string {
  const form = JSON.stringify([modelName, id ?? null, outputs.map(({ name, binary }) => [name, binary])]);
  return `"${contentDigest}-${hash53(form).toString(36)}"`;
}

const LONGEST_LIST = 4_096;
const ENTITY_TAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;

/** Whether the caller holds this representation already. A list that is malformed matches nothing. */
export function matches(ifNoneMatch: string | null, tag: string): boolean {
  if (ifNoneMatch === null || ifNoneMatch.length > LONGEST_LIST) return false;
  if (ifNoneMatch.trim() === "*") return true;
  const list = ifNoneMatch.split(",").map((part) => part.trim());
  return list.every((part) => ENTITY_TAG.test(part)) && list.some((part) => part === tag || part === `W/${tag}`);
}

/** cyrb53. The forms that one content is asked for in are few, so 53 bits are plenty. */
function hash53(text: string): number {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return 4294967296 * (2097151 & low) + (high >>> 0);
}
