/** For tests: a model route as the admin API tells it. */
export const DEPRECATED = Date.UTC(2027, 0, 31);
export const SUNSET = Date.UTC(2027, 5, 1);
export const CONTRACT = {
  contract: 1,
  signature: {
    inputs: [{ name: "pixels", datatype: "FP32", shape: [-1, 64] }],
    outputs: [
      { name: "label", datatype: "INT64", shape: [-1] },
      { name: "probabilities", datatype: "FP32", shape: [-1, 10] },
    ],
  },
  split: { sticky: "input", versions: [{ version: "1", weight: 1 }] },
  rules: [],
  experiment: null,
  hardware: null,
  shadow: null,
  deprecation: null,
};
export const BUSY_CONTRACT = {
  ...CONTRACT,
  contract: 2,
  split: {
    sticky: "tenant",
    versions: [
      { version: "1", weight: 2 },
      { version: "2", weight: 1 },
    ],
  },
  rules: [{ when: { tenants: ["acme", "bolt"], plans: ["free"] }, version: "2", hardware: "nvidia-h200" }],
  experiment: {
    ...{ name: "colours", sticky: "credential" },
    arms: [
      { name: "old", version: "1", weight: 1 },
      { name: "new", version: "2", weight: 3 },
    ],
  },
  hardware: "cpu",
  shadow: { version: "2", share: 0.1 },
  deprecation: { at: DEPRECATED, sunset: SUNSET, link: null },
};
export const ROUTE = {
  route: {
    ...{ name: "digits", model: "digits-small", contracts: [CONTRACT, BUSY_CONTRACT] },
    cache: { scope: "tenant", ttlSeconds: 3600 },
    rollout: null,
  },
  revision: 12,
};
