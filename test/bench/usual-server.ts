/** The usual way to serve a model from Node: a web framework with `session.run` in the handler. What we compare with. */
import fastify from "fastify";
import { InferenceSession, Tensor } from "onnxruntime-node";

/** Taken on trust, as such handlers do: checking it would only make this server slower. */
interface InferenceBody {
  readonly inputs: readonly [{ readonly name: string; readonly shape: number[]; readonly data: number[] }];
}

const [modelFile = ""] = process.argv.slice(2);
const session = await InferenceSession.create(modelFile);
const [outputName = ""] = session.outputNames;
const app = fastify({ bodyLimit: 64 * 1024 * 1024 });
app.post<{ Body: InferenceBody }>("/v2/models/:name/infer", async (request) => {
  const [input] = request.body.inputs;
  const tensor = new Tensor("float32", Float32Array.from(input.data), input.shape);
  const output = (await session.run({ [input.name]: tensor }))[outputName];
  if (!(output?.data instanceof Float32Array)) throw new Error("the model's output is not FP32");
  return {
    model_name: "bench",
    model_version: "1",
    outputs: [{ name: outputName, datatype: "FP32", shape: output.dims, data: Array.from(output.data) }],
  };
});
await app.listen({ port: 0, host: "127.0.0.1" });
const address = app.server.address();
process.send?.({ port: typeof address === "object" && address ? address.port : 0 });
process.on("disconnect", () => process.exit(0));
