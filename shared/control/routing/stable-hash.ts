const utf8 = new TextEncoder();

/**
 * MurmurHash3, x86, 32 bits (Austin Appleby, public domain), over UTF-8. It decides who gets which version, so it must never change.
 *
 * @returns a whole number from 0 to 2^32 - 1
 */
export function stableHash(text: string, seed = 0): number {
  const bytes = utf8.encode(text);
  const whole = bytes.length & ~3;
  let hash = seed;
  for (let at = 0; at < whole; at += 4) {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(at, at + 4);
    hash ^= scrambled(a | (b << 8) | (c << 16) | (d << 24));
    hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64;
  }
  const [a = 0, b = 0, c = 0] = bytes.subarray(whole);
  if (bytes.length > whole) hash ^= scrambled(a | (b << 8) | (c << 16));
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scrambled(block: number): number {
  const mixed = Math.imul(block, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

/** A text's place in [0, 1). */
export function stableFraction(text: string): number {
  return stableHash(text) / 2 ** 32;
}
