import { WarmgateError } from "../../shared/protocol/errors.ts";
import { checkModelName } from "../../shared/protocol/model-name.ts";
import { NODE_PATH } from "../../shared/protocol/pool-node.ts";

/** What a request's method and path ask for. */
export type Route =
  | { readonly to: "server_live" | "server_ready" | "server_metadata" | "repository_index" | "all_statistics" | "node" }
  | { readonly to: "repository_load" | "repository_unload"; readonly model: string }
  | {
      readonly to: "model_metadata" | "model_ready" | "model_config" | "model_statistics" | "infer";
      readonly model: string;
      readonly version: string | undefined;
    };

const LONGEST_TARGET = 2048;
const MODEL_PATH = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(?:\/(infer|ready|config|stats))?$/;
const REPOSITORY_PATH = /^\/v2\/repository(?:\/[^/]+)?\/models\/([^/]+)\/(load|unload)$/;
const INDEX_PATH = /^\/v2\/repository(?:\/[^/]+)?\/index$/;

const ACTIONS = {
  infer: { to: "infer", method: "POST" },
  ready: { to: "model_ready", method: "GET" },
  config: { to: "model_config", method: "GET" },
  stats: { to: "model_statistics", method: "GET" },
} as const;

/**
 * Reads method and path; a query is ignored, as the protocol has none. HEAD counts as GET.
 *
 * @throws WarmgateError `uri_too_long`, `not_found`, `method_not_allowed`, `invalid_model_name`
 */
export function matchRoute(method: string, target: string): Route {
  if (target.length > LONGEST_TARGET) throw new WarmgateError("uri_too_long", "the URL is too long");
  const query = target.indexOf("?");
  const path = query < 0 ? target : target.slice(0, query);
  const model = MODEL_PATH.exec(path);
  if (model && path !== "/v2/models/stats") {
    const action =
      model[3] === undefined ? ({ to: "model_metadata", method: "GET" } as const) : ACTIONS[actionName(model[3])];
    allow(method, action.method);
    const name = decodeSegment(model[1]);
    const version = model[2] === undefined ? undefined : decodeSegment(model[2]);
    checkModelName(name, version);
    return { to: action.to, model: name, version };
  }
  const repository = REPOSITORY_PATH.exec(path);
  if (repository) {
    allow(method, "POST");
    const name = decodeSegment(repository[1]);
    checkModelName(name);
    return { to: repository[2] === "load" ? "repository_load" : "repository_unload", model: name };
  }
  if (INDEX_PATH.test(path)) {
    allow(method, "POST");
    return { to: "repository_index" };
  }
  const to = FIXED_PATHS.get(path);
  if (!to) throw new WarmgateError("not_found", "there is no such path");
  allow(method, "GET");
  return { to };
}

const FIXED_PATHS: ReadonlyMap<string, "server_live" | "server_ready" | "server_metadata" | "all_statistics" | "node"> =
  new Map([
    [NODE_PATH, "node"],
    ["/v2", "server_metadata"],
    ["/v2/", "server_metadata"],
    ["/v2/health/live", "server_live"],
    ["/v2/health/ready", "server_ready"],
    ["/v2/models/stats", "all_statistics"],
  ]);

function actionName(text: string): keyof typeof ACTIONS {
  return text === "infer" || text === "ready" || text === "config" ? text : "stats";
}

/** Knows which methods are allowed, for the header Allow. */
export class MethodNotAllowed extends WarmgateError {
  readonly allowed: string;

  constructor(allowed: string) {
    super("method_not_allowed", `this path takes ${allowed} only`);
    this.allowed = allowed;
  }
}

function allow(method: string, wanted: "GET" | "POST"): void {
  if (method === wanted || (wanted === "GET" && method === "HEAD")) return;
  throw new MethodNotAllowed(wanted === "GET" ? "GET, HEAD" : "POST");
}

function decodeSegment(segment: string | undefined): string {
  try {
    return decodeURIComponent(segment ?? "");
  } catch {
    throw new WarmgateError("invalid_model_name", "the model name in the URL is not valid percent-encoding");
  }
}
