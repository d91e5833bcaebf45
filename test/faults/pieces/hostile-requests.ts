/**
 * Requests that mean no good, drawn from a seed: each begins as a valid one, in JSON or binary, and has its envelope, its bytes, its
 * headers, its address or its framing changed in one or two ways.
 *
 *     const hostile = new HostileRequests(seed, { authorization: `Bearer ${key}` });
 *     const { bytes, why } = hostile.next();
 *
 * The same seed gives the same requests. None of them asks for what is answered 501 (shared memory) or 504 (less time than it takes).
 */
import { encodeInferenceRequest } from "../../../shared/protocol/request.ts";
import { seededRandom } from "../../bench/arrivals.ts";
import { IDENTITY_INPUT } from "./identity-models.ts";

export interface HostileRequest {
  readonly bytes: Buffer;
  /** What was done to it. */
  readonly why: string;
}

interface Draft {
  method: string;
  target: string;
  version: string;
  headers: [name: string, value: string][];
  body: Buffer;
  /** In the place of Content-Length. */
  framing: string | undefined;
}

type Change = (draft: Draft, from: Dice) => void;

/** JSON text that a field may be replaced by. */
const VALUES = [
  ...["null", "true", "0", "-1", "1e400", "-0", "1.5", "9007199254740993", "4294967296", '""', '"x"', "[]", "{}"],
  ...[
    '"\\ud800"',
    '"\\u0000"',
    '"é"',
    "[[]]",
    "[[1],[2,3]]",
    '{"__proto__":{"x":1}}',
    '["1",2]',
    "[1,null]",
    "[true,2]",
  ],
  ...[
    "[1,2,3]",
    "[-1,2]",
    "[1.5,2]",
    "[4294967296,4294967296]",
    "[9007199254740994,0]",
    `[${"1,".repeat(40)}1]`,
    "NaN",
  ],
  ...['"FP16"', '"BYTES"', '"UINT8"', '"fp32"', '"INPUT1"', '"input0"', `"${"y".repeat(70_000)}"`, "[".repeat(2_000)],
];
const FIELDS = ['"name":"INPUT0"', '"shape":[1,2]', '"datatype":"FP32"', '"data":[1,2]', '"inputs":'];
const TARGETS = [
  ...[
    "/v2/models//infer",
    "/v2/models/%2e%2e/infer",
    "/v2/models/identity_fp32/infer/",
    "/v2/models/identity_fp32%00/infer",
  ],
  ...["/v2/models/..%2f..%2fetc/infer", "/v2/models/identity_fp32/versions/0/infer", "/v2/models/__proto__/infer"],
  ...["/v2/models/identity_fp32/versions/99999999999999999999/infer", "/v2/models/constructor/versions/1/infer", "*"],
  ...["/v2/models/identity_fp32/infer?a=%", `/v2/models/${"m".repeat(300)}/infer`, `/${"u".repeat(20_000)}`, "//"],
  ...["http://127.0.0.1:1/v2/models/identity_fp32/infer", "/v2/models/identity_fp32/infer#f", "/v2/models/%ff/infer"],
  ...[
    "/v2/models/identity_fp32",
    "/v2",
    "/v2/health/live",
    "/v2/models/identity_fp32/infer?x[]=1&__proto__[y]=2",
    "/%",
  ],
];
const METHODS = ["GET", "PUT", "DELETE", "TRACE", "OPTIONS", "HEAD", "PATCH", "post", "PROPFIND", "X".repeat(200)];
const HEADERS: readonly (readonly [string, string])[] = [
  ...([
    ["content-type", "text/xml"],
    ["content-type", "multipart/form-data; boundary=x"],
  ] as const),
  ...([
    ["content-type", "application/json; charset=utf-16"],
    ["content-encoding", "gzip"],
  ] as const),
  ...([
    ["content-encoding", "br, gzip"],
    ["content-encoding", "x".repeat(500)],
    ["x-warmgate-timeout-ms", "-5"],
  ] as const),
  ...([
    ["x-warmgate-timeout-ms", "1e9"],
    ["x-warmgate-timeout-ms", "soon"],
    ["x-request-id", "a b\tc"],
  ] as const),
  ...([
    ["x-request-id", "x".repeat(5_000)],
    ["traceparent", "00-zz-zz-zz"],
    ["traceparent", "0".repeat(1_000)],
  ] as const),
  ...([
    ["x-warmgate-version", "../1"],
    ["x-warmgate-contract", "-1"],
    ["x-warmgate-explain", "yes"],
  ] as const),
  ...([
    ["x-warmgate-hardware", "\x01gpu"],
    ["x-warmgate-hardware", "cpu, gpu"],
    ["x-warmgate-attempt", "-7"],
  ] as const),
  ...([
    ["cache-control", "max-age=99999999999999999999"],
    ["if-none-match", '"'.repeat(3_000)],
  ] as const),
  ...([
    ["accept-encoding", "gzip;q=nan, *;q=0"],
    ["range", "bytes=0-1,5-"],
    ["expect", "100-continue"],
  ] as const),
  ...([
    ["expect", "200-ok"],
    ["upgrade", "websocket"],
    ["connection", "upgrade"],
    ["host", "x".repeat(300)],
  ] as const),
  ...([
    ["authorization", "Bearer"],
    ["authorization", "Warmgate key=k1"],
    ["x-api-key", "wg_live_x"],
  ] as const),
  ...([
    ["inference-header-content-length", "-1"],
    ["inference-header-content-length", "7"],
  ] as const),
  ...([
    ["inference-header-content-length", "99999999999"],
    ["inference-header-content-length", "0x10"],
  ] as const),
  ...([
    ["x-forwarded-for", "127.0.0.1, ".repeat(500)],
    ["x-note", "caf\xe9"],
    ["transfer-encoding", "gzip"],
  ] as const),
  ...([
    ["x-note", "h".repeat(40_000)],
    ["x note", "space in a name"],
    ["x-note ", "before the colon"],
  ] as const),
];
const FRAMINGS = [
  ...[
    "content-length: -1",
    "content-length: 1e3",
    "content-length: 5, 6",
    "content-length: 99999999999",
    "content-length: 3",
  ],
  ...[
    "content-length: 0",
    "transfer-encoding: chunked\r\ncontent-length: 4",
    "transfer-encoding: chunked",
    "content-length: +8",
  ],
  ...[
    "transfer-encoding: xchunked",
    "content-length: 8\r\ncontent-length: 9",
    "transfer-encoding: chunked, identity",
    "",
  ],
];

class Dice {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  one<T>(from: readonly [T, ...T[]] | readonly T[]): T {
    const found = from[this.below(from.length)];
    if (found === undefined) throw new RangeError("there is nothing to choose from");
    return found;
  }
}

const CHANGES: Readonly<Record<string, Change>> = {
  "a field is something else": (draft, dice) => {
    const field = dice.one(FIELDS);
    const name = field.slice(0, field.indexOf(":") + 1);
    const text = draft.body.toString("latin1");
    draft.body = Buffer.from(text.replace(field, name + dice.one(VALUES)), "latin1");
  },
  "a field is added": (draft, dice) => {
    const name = dice.one(["outputs", "parameters", "id", "__proto__", "constructor", "inputs", "priority"]);
    draft.body = Buffer.from(draft.body.toString("latin1").replace("{", `{"${name}":${dice.one(VALUES)},`), "latin1");
  },
  "bits are flipped": (draft, dice) => {
    const body = Buffer.from(draft.body);
    for (let flips = 1 + dice.below(4); flips > 0 && body.length > 0; flips--) {
      const at = dice.below(body.length);
      body[at] = (body[at] ?? 0) ^ (1 << dice.below(8));
    }
    draft.body = body;
  },
  "the body is cut": (draft, dice) => {
    draft.body = draft.body.subarray(0, dice.below(draft.body.length + 1));
  },
  "the body is there twice": (draft) => {
    draft.body = Buffer.concat([draft.body, draft.body]);
  },
  "the body is noise": (draft, dice) => {
    draft.body = Buffer.from(Array.from({ length: dice.below(400) }, () => dice.below(256)));
  },
  "the address is another": (draft, dice) => {
    draft.target = dice.one(TARGETS);
  },
  "the method is another": (draft, dice) => {
    draft.method = dice.one(METHODS);
  },
  "a header is added": (draft, dice) => {
    const [name, value] = dice.one(HEADERS);
    draft.headers.push([name, value]);
  },
  "a header takes another's place": (draft, dice) => {
    const [name, value] = dice.one(HEADERS);
    draft.headers = [...draft.headers.filter(([other]) => other !== name), [name, value]];
  },
  "there are many headers": (draft, dice) => {
    for (let count = dice.below(2_500); count > 0; count--) draft.headers.push([`x-${count}`, "1"]);
  },
  "the framing lies": (draft, dice) => {
    draft.framing = dice.one(FRAMINGS);
  },
  "a header breaks the line": (draft, dice) => {
    draft.headers.push(["x-note", dice.one(["a\r\nx-injected: 1", "a\nb", "a\rb", "a\0b", "a\r\n b", "\x7f"])]);
  },
  "the version is another": (draft, dice) => {
    draft.version = dice.one(["HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTP/1.1.1", "", "http/1.1"]);
  },
};

export class HostileRequests {
  readonly #dice: Dice;
  readonly #common: readonly [string, string][];

  constructor(seed: number, headers: Readonly<Record<string, string>> = {}) {
    this.#dice = new Dice(seed);
    this.#common = Object.entries(headers);
  }

  next(): HostileRequest {
    const dice = this.#dice;
    const draft = this.#valid();
    const done: string[] = [];
    for (let changes = dice.below(4) === 0 ? 2 : 1; changes > 0; changes--) {
      const [what, change] = dice.one(Object.entries(CHANGES));
      change(draft, dice);
      done.push(what);
    }
    return { bytes: written(draft), why: done.join(", ") };
  }

  #valid(): Draft {
    const dice = this.#dice;
    const common = { method: "POST", version: "HTTP/1.1", framing: undefined };
    const headers: [string, string][] = [["host", "warmgate"], ...this.#common];
    if (dice.below(2) === 0) {
      const body = '{"inputs":[{"name":"INPUT0","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
      headers.push(["content-type", "application/json"]);
      return { ...common, target: "/v2/models/identity_fp32/infer", headers, body: Buffer.from(body) };
    }
    const isText = dice.below(2) === 0;
    const input = isText
      ? { datatype: "BYTES" as const, bytes: Uint8Array.of(2, 0, 0, 0, 104, 105, 1, 0, 0, 0, 33) }
      : { datatype: "FP32" as const, bytes: new Uint8Array(Float32Array.of(1, 2).buffer) };
    const { body, headerLength } = encodeInferenceRequest({
      ...{ parameters: {}, binaryOutput: dice.below(2) === 0 },
      inputs: [{ name: IDENTITY_INPUT, shape: [1, 2], ...input }],
    });
    headers.push(["inference-header-content-length", String(headerLength)]);
    const target = `/v2/models/identity_${isText ? "string" : "fp32"}/infer`;
    return { ...common, target, headers, body: Buffer.from(body) };
  }
}

function written({ method, target, version, headers, body, framing }: Draft): Buffer {
  const length = framing ?? `content-length: ${body.length}`;
  const lines = [...headers.map(([name, value]) => `${name}: ${value}`), ...(length === "" ? [] : [length])];
  const head = `${method} ${target}${version === "" ? "" : ` ${version}`}\r\n${lines.join("\r\n")}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), body]);
}
