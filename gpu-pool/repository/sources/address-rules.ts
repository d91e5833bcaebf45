/**
 * Which addresses a source may be at (server-side request forgery: OWASP API7:2023).
 *
 * The host is configured, but what it resolves to is decided by whoever answers for its name. So addresses are judged
 * after resolving, for each connection anew, and the connection is made to the address that was judged: a name that
 * changes its answer in between (DNS rebinding) gains nothing.
 *
 *     public addresses                      always
 *     loopback, private, shared, local      when the host is written as that address or as localhost, or with allowPrivate=1
 *     metadata services, multicast, 0/8     never
 */
import { lookup as resolve } from "node:dns";
import { BlockList, isIP, isIPv6, type LookupFunction } from "node:net";
import { SourceError } from "./source-error.ts";

export type AddressKind = "public" | "loopback" | "private" | "never";

/** What a source may connect to. */
export type AddressRule =
  | { readonly kind: "public" }
  /** The host is named by an address. */
  | { readonly kind: "address" }
  | { readonly kind: "localhost" }
  | { readonly kind: "any_private" };

/**
 * Where clouds hand out the machine's own credentials: AWS, GCP, Azure, Oracle, DigitalOcean (169.254.169.254), AWS ECS and EKS,
 * Alibaba, Azure's wire server, and the IPv6 addresses of AWS and GCP.
 */
const METADATA = [
  ...["169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "168.63.129.16", "192.0.0.192"],
  ...["fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"],
];

/** Not unicast, or "this host": RFC 1122, 5771, 1112, 4291. */
const NEVER = blockList(METADATA, ["0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8"]);
const LOOPBACK = blockList([], ["127.0.0.0/8", "::1/128"]);
/** RFC 1918, 6598, 3927, 6890, 2544, 4193, 4291 and 3879; and tunnels whose other end cannot be judged: RFC 3056, 4380, 8215. */
const PRIVATE = blockList(
  [],
  [
    ...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/24"],
    ...["198.18.0.0/15", "fc00::/7", "fe80::/10", "fec0::/10", "2002::/16", "2001::/32", "64:ff9b:1::/48"],
  ],
);

/** @param address numeric, IPv4 or IPv6, with or without a zone */
export function addressKind(address: string): AddressKind {
  const bare = embeddedIpv4(address.replace(/%.*$/, ""));
  const family = isIPv6(bare) ? "ipv6" : "ipv4";
  if (isIP(bare) === 0 || NEVER.check(bare, family)) return "never";
  if (LOOPBACK.check(bare, family)) return "loopback";
  return PRIVATE.check(bare, family) ? "private" : "public";
}

/** @param hostname as in a URL, IPv6 in brackets */
export function ruleFor(hostname: string, allowPrivate: boolean): AddressRule {
  if (allowPrivate) return { kind: "any_private" };
  if (isIP(bareHost(hostname)) !== 0) return { kind: "address" };
  return hostname === "localhost" ? { kind: "localhost" } : { kind: "public" };
}

/**
 * Checks a host that is written as an address, for which nothing is resolved.
 *
 * @throws SourceError `forbidden_address`
 */
export function checkHost(hostname: string, rule: AddressRule): void {
  const address = bareHost(hostname);
  if (isIP(address) !== 0) checkAddress(hostname, address, rule);
}

/** Resolves as `dns.lookup` does, and fails when any of the addresses is not allowed. To be given to a connector. */
export function guardedLookup(rule: AddressRule, lookup: typeof resolve = resolve): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      const fault = error ?? firstFault(hostname, addresses, rule);
      const first = addresses?.[0];
      if (fault) callback(fault, "", 0);
      else if (options.all) callback(null, addresses);
      else callback(null, first?.address ?? "", first?.family);
    });
  };
}

function firstFault(hostname: string, addresses: readonly { address: string }[], rule: AddressRule): Error | undefined {
  try {
    if (addresses.length === 0) throw new SourceError("unreachable", `${hostname} has no address`);
    for (const { address } of addresses) checkAddress(hostname, address, rule);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
  return undefined;
}

function checkAddress(hostname: string, address: string, rule: AddressRule): void {
  const kind = addressKind(address);
  if (kind === "public" && rule.kind !== "localhost") return;
  if (kind === "loopback" && rule.kind !== "public") return;
  if (kind === "private" && (rule.kind === "any_private" || rule.kind === "address")) return;
  const remedy =
    kind === "never" || rule.kind === "localhost" ? "" : "; if the source is there, add allowPrivate=1 to its address";
  const what = kind === "never" ? "an address that is never connected to" : `a ${kind} address`;
  throw new SourceError("forbidden_address", `${hostname} is at ${address}, ${what}${remedy}`);
}

/** The IPv4 address within an IPv4-mapped or -compatible (RFC 4291) or a NAT64 one (RFC 6052): it is what is reached. */
function embeddedIpv4(address: string): string {
  if (!isIPv6(address)) return address;
  const groups = groupsOf(address);
  const network = groups.slice(0, 6).join(":");
  const [high = 0, low = 0] = groups.slice(6);
  const isCompatible = network === "0:0:0:0:0:0" && high !== 0;
  if (!isCompatible && network !== "0:0:0:0:0:65535" && network !== "100:65435:0:0:0:0") return address;
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** The eight numbers of an IPv6 address. */
function groupsOf(address: string): number[] {
  // WHATWG URL writes any address in one form, without dots.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const read = (part: string) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  const [before, after] = [read(head), read(tail ?? "")];
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}

function bareHost(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}

function blockList(addresses: readonly string[], networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const address of addresses) list.addAddress(address, isIPv6(address) ? "ipv6" : "ipv4");
  for (const network of networks) {
    const [address = "", bits = ""] = network.split("/");
    list.addSubnet(address, Number(bits), isIPv6(address) ? "ipv6" : "ipv4");
  }
  return list;
}
