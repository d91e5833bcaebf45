/** The model repository extension. Models are unloaded only where the caller named one that may be. */
import { array, errorText, type JsonObject, object, ok, string } from "./documents.ts";
import { UNKNOWN_MODEL } from "./health.ts";
import { expect, NotApplicable, type Rule, SPEC } from "./rule.ts";
import { expectAnswer, infer, inferSimple, simpleCall } from "./simple-model.ts";
import type { Target } from "./target.ts";

const STATES = ["UNKNOWN", "READY", "UNAVAILABLE", "LOADING", "UNLOADING"];

async function index(target: Target, request: JsonObject): Promise<readonly JsonObject[]> {
  const reply = await target.post("/v2/repository/index", request);
  return array(ok(reply), "the index").map((entry, at) => object(entry, `index[${at}]`));
}

function controlModel(target: Target): string {
  const { controlModel } = target.options;
  if (controlModel === undefined) throw new NotApplicable("unloads a model; name one with --control-model");
  return controlModel;
}

type Draft = Omit<Rule, "level" | "source" | "extension">;

const drafts: readonly Draft[] = [
  {
    id: "repository/index",
    says: "POST /v2/repository/index lists the models with name, state and reason",
    check: async (target) => {
      const entries = await index(target, {});
      expect(entries.length > 0, "the index is empty");
      for (const entry of entries) {
        string(entry.name, "`name`");
        if (entry.version !== undefined) string(entry.version, "`version`");
        string(entry.reason ?? "", "`reason`");
        const state = string(entry.state ?? "", "`state`");
        expect(state === "" || STATES.includes(state), `state is ${state}`);
      }
    },
  },
  {
    id: "repository/index-ready",
    says: "ready true lists ready models only",
    check: async (target) => {
      const states = (await index(target, { ready: true })).map((entry) => entry.state);
      expect(
        states.every((state) => state === "READY"),
        `states are ${JSON.stringify([...new Set(states)])}`,
      );
    },
  },
  {
    id: "repository/index-empty-body",
    says: "an index request without a body is answered like {}",
    check: async (target) => {
      const reply = await target.send({ method: "POST", path: "/v2/repository/index" });
      array(ok(reply), "the index");
    },
  },
  {
    id: "repository/index-served-model",
    says: "a model that serves is in the index as READY",
    check: async (target) => {
      const { name } = await target.require(target.options.simple);
      const entry = (await index(target, {})).find((one) => one.name === name && one.state === "READY");
      expect(entry !== undefined, `${name} is not in the index as READY`);
    },
  },
  {
    id: "repository/index-bad-ready",
    says: "a ready that is no boolean is refused with an error object",
    check: async (target) => {
      errorText(await target.post("/v2/repository/index", { ready: [["x"]] }));
    },
  },
  {
    id: "repository/load-unknown",
    says: "loading a model that does not exist gives an error object",
    check: async (target) => {
      errorText(await target.post(`/v2/repository/models/${UNKNOWN_MODEL}/load`, {}));
    },
  },
  {
    id: "repository/unload-unknown",
    says: "unloading a model that does not exist is answered 200 or with an error object, never a failure",
    check: async (target) => {
      const reply = await target.post(`/v2/repository/models/${UNKNOWN_MODEL}/unload`, {});
      if (reply.status !== 200) errorText(reply);
      expect(reply.status < 500, `expected 200 or 4xx, got ${reply.status}`);
    },
  },
  {
    id: "repository/escape",
    says: "a file parameter that points outside the model is refused and the model keeps serving",
    check: async (target) => {
      const name = controlModel(target);
      await target.require(name);
      const parameters = { config: "{}", "file:../../escape": "YQ==" };
      errorText(await target.post(`/v2/repository/models/${name}/load`, { parameters }));
      await target.require(name);
    },
  },
  {
    id: "repository/unload-load",
    says: "unload takes a model out of service, load brings it back",
    check: async (target) => {
      const name = controlModel(target);
      const { inputs } = await target.require(name);
      const path = (verb: string): string => `/v2/repository/models/${name}/${verb}`;
      const unloaded = await target.post(path("unload"), {});
      expect(unloaded.status === 200, `unload: expected 200, got ${unloaded.status}`);
      const ready = await target.get(`/v2/models/${name}/ready`);
      const refused = await infer(target, name, {
        inputs: inputs.map(({ name: input, datatype }) => ({ name: input, datatype, shape: [1, 1], data: [1] })),
      });
      const loaded = await target.post(path("load"), {});
      expect(loaded.status === 200, `load: expected 200, got ${loaded.status}`);
      expect(ready.status !== 200, "the model was ready after unload");
      errorText(refused);
      const again = await target.get(`/v2/models/${name}/ready`);
      expect(again.status === 200, `after load: expected ready 200, got ${again.status}`);
    },
  },
  {
    id: "repository/others-undisturbed",
    says: "other models answer while one is loaded again",
    check: async (target) => {
      const name = controlModel(target);
      const loading = target.post(`/v2/repository/models/${name}/load`, {});
      for (let turn = 0; turn < 5; turn += 1) {
        const call = simpleCall();
        expectAnswer(await inferSimple(target, { inputs: call.inputs }), call);
      }
      expect((await loading).status === 200, "the load failed");
    },
  },
];

export const repositoryRules: readonly Rule[] = drafts.map((draft) => ({
  ...draft,
  level: "EXTENSION",
  source: SPEC.repository,
  extension: "model_repository",
}));
