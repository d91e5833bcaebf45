/** The statistics extension. */
import { array, errorText, integer, type JsonObject, object, ok, string } from "./documents.ts";
import { listedVersion, UNKNOWN_MODEL } from "./health.ts";
import { expect, expectSame, type Rule, SPEC } from "./rule.ts";
import { expectAnswer, inferSimple, simpleCall } from "./simple-model.ts";
import type { Target } from "./target.ts";

const DURATIONS = "success fail queue compute_input compute_infer compute_output cache_hit cache_miss".split(" ");

async function statistics(target: Target, path: string): Promise<readonly JsonObject[]> {
  const document = object(ok(await target.get(path)), "the statistics");
  return array(document.model_stats, "`model_stats`").map((one, at) => object(one, `model_stats[${at}]`));
}

/** The one entry for `simple`. */
async function ofSimple(target: Target): Promise<JsonObject> {
  await target.require(target.options.simple);
  const entries = await statistics(target, `/v2/models/${target.options.simple}/stats`);
  const [entry] = entries;
  expect(entry !== undefined, "`model_stats` is empty");
  return entry;
}

function countOf(entry: JsonObject, duration: string): number {
  const stat = object(object(entry.inference_stats, "`inference_stats`")[duration], duration);
  integer(stat.ns, `${duration}.ns`);
  return integer(stat.count, `${duration}.count`);
}

type Draft = Omit<Rule, "level" | "source" | "extension">;

const drafts: readonly Draft[] = [
  {
    id: "statistics/model",
    says: "GET /v2/models/{m}/stats has the members of $model_stat",
    check: async (target) => {
      const entry = await ofSimple(target);
      expectSame(entry.name, target.options.simple, "`name`");
      for (const member of ["last_inference", "inference_count", "execution_count"]) integer(entry[member], member);
      for (const duration of DURATIONS) countOf(entry, duration);
      for (const batch of array(entry.batch_stats, "`batch_stats`")) {
        integer(object(batch, "a batch").batch_size, "`batch_size`", 1);
      }
    },
  },
  {
    id: "statistics/counts-samples",
    says: "a request of batch 3 adds 3 to inference_count, 1 to execution_count and 1 to success",
    check: async (target) => {
      const before = await ofSimple(target);
      const call = simpleCall(3);
      expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
      const after = await ofSimple(target);
      const grown = (member: string): number => integer(after[member], member) - integer(before[member], member);
      const success = countOf(after, "success") - countOf(before, "success");
      expectSame([grown("inference_count"), grown("execution_count"), success], [3, 1, 1], "growth");
    },
  },
  {
    id: "statistics/last-inference",
    says: "last_inference is in milliseconds since 1970 and follows the last request",
    check: async (target) => {
      const call = simpleCall();
      expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
      const { last_inference: last } = await ofSimple(target);
      const age = Date.now() - integer(last, "`last_inference`");
      expect(Math.abs(age) < 60_000, `last_inference is ${age} ms away from now`);
    },
  },
  {
    id: "statistics/failures",
    says: "a refused request is not counted as a success",
    check: async (target) => {
      const before = countOf(await ofSimple(target), "success");
      errorText(await inferSimple(target, { inputs: [] }));
      expectSame(countOf(await ofSimple(target), "success") - before, 0, "growth of success");
    },
  },
  {
    id: "statistics/version",
    says: "GET /v2/models/{m}/versions/{v}/stats has exactly that version",
    check: async (target) => {
      const version = await listedVersion(target);
      const entries = await statistics(target, `/v2/models/${target.options.simple}/versions/${version}/stats`);
      expectSame(
        entries.map((entry) => string(entry.version, "`version`")),
        [version],
        "versions",
      );
    },
  },
  {
    id: "statistics/all",
    says: "GET /v2/models/stats has every model",
    check: async (target) => {
      await target.require(target.options.simple);
      const names = (await statistics(target, "/v2/models/stats")).map((entry) => entry.name);
      expect(names.includes(target.options.simple), `${target.options.simple} is not among ${names.length} entries`);
    },
  },
  {
    id: "statistics/unknown-model",
    says: "statistics of an unknown model are an error object",
    check: async (target) => {
      errorText(await target.get(`/v2/models/${UNKNOWN_MODEL}/stats`));
    },
  },
];

export const statisticsRules: readonly Rule[] = drafts.map((draft) => ({
  ...draft,
  level: "EXTENSION",
  source: SPEC.statistics,
  extension: "statistics",
}));
