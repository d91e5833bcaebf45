/**
 * Where a process that listens on a host and port is reached.
 *
 * @returns undefined where the host is a wildcard or no name that a URL can hold
 */
export function reachableOrigin(host: string, port: number): string | undefined {
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  if (!URL.canParse(url)) return undefined;
  const { origin, hostname } = new URL(url);
  return hostname === "0.0.0.0" || hostname === "[::]" ? undefined : origin;
}
