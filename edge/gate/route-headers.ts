/** What a reply says of the route that it came by: the contract that it keeps, when that ends, and the experiment's arm. */
import { CONTRACT, DEPRECATION, EXPERIMENT, LINK, SUNSET } from "../../shared/protocol/headers.ts";
import type { RouteContract } from "../../shared/protocol/model-route.ts";
import type { Routed } from "./route.ts";

const NONE = Object.freeze({});

export function routeHeaders({
  contract,
  choice,
}: Pick<Routed, "contract" | "choice">): Readonly<Record<string, string>> {
  if (!contract) return NONE;
  const { rule } = choice ?? {};
  return {
    [CONTRACT]: String(contract.contract),
    ...deprecationHeaders(contract),
    ...(rule?.kind === "experiment" ? { [EXPERIMENT]: `${rule.experiment}=${rule.arm}` } : {}),
  };
}

/** `Deprecation` is a structured field's date (RFC 9745), `Sunset` an HTTP date (RFC 8594). */
function deprecationHeaders({ deprecation }: RouteContract): Readonly<Record<string, string>> {
  if (!deprecation) return NONE;
  const { at, sunset, link } = deprecation;
  return {
    [DEPRECATION]: `@${Math.floor(at / 1_000)}`,
    ...(sunset === null ? {} : { [SUNSET]: new Date(sunset).toUTCString() }),
    ...(link === null ? {} : { [LINK]: `<${link}>; rel="deprecation"; type="text/html"` }),
  };
}
