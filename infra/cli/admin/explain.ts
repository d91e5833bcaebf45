import { readFile } from "node:fs/promises";
import { text as readText } from "node:stream/consumers";
import { CONTRACT, HARDWARE, VERSION_PIN } from "../../../shared/protocol/headers.ts";
import { UsageError } from "../usage-error.ts";
import { defineCommand } from "./command.ts";
import { describeExplanation } from "./explanation-text.ts";
import { labelName, modelName, modelVersion, tenantName } from "./names.ts";
import type { GivenOptions, Options } from "./options.ts";
import { contractNumber } from "./route-options.ts";
import { explanationReply } from "./route-replies.ts";

const STANDARD_INPUT = "-";
const HEADER = /^(x-[a-z0-9-]{1,60})=(.*)$/is;
const HEADER_VALUE = /^[\x20-\x7e]{1,1024}$/;
/** Headers that have an option of their own. */
const OWN_OPTIONS = { pin: VERSION_PIN, contract: CONTRACT, hardware: HARDWARE } as const;

const OPTIONS = {
  tenant: { value: "<tenant>", about: "whose request it would be" },
  input: { value: "<file>", about: "its body, JSON as for /v2/models/<model>/infer; - reads standard input" },
  pin: { value: "<version>", about: "the version that it asks for" },
  contract: { value: "<n>", about: "the contract that it was written against" },
  hardware: { value: "<class>", about: "the class of hardware that it asks for" },
  header: {
    value: "<x-name>=<value>",
    repeatable: true,
    about: "another header of it, such as one that a split is sticky by",
  },
} as const satisfies Options<string>;

export const EXPLAIN = defineCommand({
  summary: "what would become of a tenant's request, and why; no model is run",
  operands: ["model"],
  options: OPTIONS,
  example: "warmgate explain digits --tenant acme --input gpu-pool/models/digits/examples/seven.json",
  async run({ operand, given, ask, show: print }) {
    const model = modelName(operand("model"));
    const tenant = given.one("tenant");
    if (tenant === undefined) throw new UsageError("--tenant <tenant> is missing.");
    const path = ["tenants", tenantName(tenant), "models", model, "explain"];
    const headers = parseHeaders(given);
    const input = given.one("input");
    if (input === undefined) throw new UsageError("--input <file> is missing.");
    const json = await readJson(input);
    const explanation = await ask(explanationReply, { method: "POST", path, headers, json, changesNothing: true });
    print(explanation, () => describeExplanation(explanation));
  },
});

/** @throws UsageError, which tells no header's value */
function parseHeaders(given: GivenOptions<keyof typeof OPTIONS>): Readonly<Record<string, string>> {
  const headers = new Map<string, string>();
  const [pin, contract, hardware] = [given.one("pin"), given.one("contract"), given.one("hardware")];
  if (pin !== undefined) headers.set(OWN_OPTIONS.pin, modelVersion(pin, "--pin"));
  if (contract !== undefined) headers.set(OWN_OPTIONS.contract, String(contractNumber(contract, "--contract")));
  if (hardware !== undefined) headers.set(OWN_OPTIONS.hardware, labelName(hardware, "--hardware"));
  for (const header of given.all("header")) {
    const [, typed = "", value = ""] = HEADER.exec(header) ?? [];
    const name = typed.toLowerCase();
    if (name === "")
      throw new UsageError("--header is <x-name>=<value> such as x-user-id=42; its name begins with x-.");
    const own = Object.entries(OWN_OPTIONS).find(([, one]) => one === name)?.[0];
    if (own !== undefined) throw new UsageError(`--header ${name}: give --${own} instead.`);
    if (headers.has(name)) throw new UsageError(`--header ${name} is given twice.`);
    if (!HEADER_VALUE.test(value)) throw new UsageError(`--header ${name}: a value is printable ASCII, at most 1024.`);
    headers.set(name, value);
  }
  return Object.fromEntries(headers);
}

/** As it is written: numbers that JavaScript would round are part of the request. @throws UsageError */
async function readJson(file: string): Promise<string> {
  let text: string;
  try {
    text = file === STANDARD_INPUT ? await readText(process.stdin) : await readFile(file, "utf8");
  } catch (error) {
    throw new UsageError(`--input cannot be read: ${error instanceof Error ? error.message : String(error)}.`);
  }
  try {
    JSON.parse(text);
  } catch {
    throw new UsageError(`--input: ${file === STANDARD_INPUT ? "standard input" : file} is not valid JSON.`);
  }
  return text;
}
