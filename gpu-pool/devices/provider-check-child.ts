/** The process in which a provider is tried: it computes something once, and says what came of it. */
import type { z } from "zod";
import { runOneNode } from "./one-node-session.ts";
import type { checkReplySchema } from "./provider-check.ts";

const [provider, deviceId] = process.argv.slice(2);
let failure: string | undefined;
try {
  await runOneNode(provider === "cpu" ? "cpu" : "cuda", Number(deviceId));
} catch (error) {
  failure = error instanceof Error ? error.message : String(error);
}
const reply: z.infer<typeof checkReplySchema> = failure === undefined ? {} : { failure };
// It ends here whatever the driver's own threads do.
process.send?.(reply, undefined, undefined, () => process.kill(process.pid, "SIGKILL"));
