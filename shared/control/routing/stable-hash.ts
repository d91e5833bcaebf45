const utf8 = new TextEncoder();

/**
 * MurmurHash3, x86, 32 bits (Austin Appleby, public domain), over UTF-8. It decides who gets which version, so it must never change.
 *
 * @returns a whole number from 0 to 2^32 - 1
 */
export function stableHash(text: string, seed = 0): number {
  let hash = seed;
  let block = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    // Characters that are bytes are nearly all that comes, and need no encoder, which costs ten times as much as the rest.
    if (code > 0x7f) return hashOfBytes(utf8.encode(text), seed);
    block |= code << (8 * (at & 3));
    if ((at & 3) === 3) {
      hash = mixed(hash, block);
      block = 0;
    }
  }
  return finished(hash, block, text.length);
}

function hashOfBytes(bytes: Uint8Array, seed: number): number {
  let hash = seed;
  let block = 0;
  for (const [at, byte] of bytes.entries()) {
    block |= byte << (8 * (at & 3));
    if ((at & 3) === 3) {
      hash = mixed(hash, block);
      block = 0;
    }
  }
  return finished(hash, block, bytes.length);
}

function mixed(hash: number, block: number): number {
  const next = hash ^ scrambled(block);
  return Math.imul((next << 13) | (next >>> 19), 5) + 0xe6546b64;
}

/** @param rest the last bytes, which fill no block; 0 when there are none, which changes nothing */
function finished(hash: number, rest: number, length: number): number {
  let last = hash ^ scrambled(rest) ^ length;
  last = Math.imul(last ^ (last >>> 16), 0x85ebca6b);
  last = Math.imul(last ^ (last >>> 13), 0xc2b2ae35);
  return (last ^ (last >>> 16)) >>> 0;
}

function scrambled(block: number): number {
  const once = Math.imul(block, 0xcc9e2d51);
  return Math.imul((once << 15) | (once >>> 17), 0x1b873593);
}

/** A text's place in [0, 1). */
export function stableFraction(text: string): number {
  return stableHash(text) / 2 ** 32;
}
