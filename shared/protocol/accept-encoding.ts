export type CompressionName = "gzip" | "deflate";

/** The first of gzip and deflate that the header accepts (RFC 9110, 12.5.3); a weight of 0 is a refusal. */
export function negotiateCompression(acceptEncoding: string): CompressionName | undefined {
  const offers = acceptEncoding
    .toLowerCase()
    .split(",")
    .map((offer) => offer.trim());
  for (const encoding of ["gzip", "deflate"] as const) {
    const offer = offers.find((candidate) => candidate.split(";")[0]?.trim() === encoding);
    if (offer && !/;\s*q=0(?:\.0*)?$/.test(offer)) return encoding;
  }
  return undefined;
}
