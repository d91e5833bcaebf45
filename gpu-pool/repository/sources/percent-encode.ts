/** As SigV4 encodes: everything but RFC 3986's unreserved characters. A store that compares what was sent must find it so. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  });
}
