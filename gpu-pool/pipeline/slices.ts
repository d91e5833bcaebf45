import type { StepContext } from "./step.ts";

/** Elements worked on before others get a turn of the event loop: well under a millisecond. */
const SLICE = 2 ** 17;

/** Works through a long list without holding up the thread that answers everybody. */
export async function inSlices(
  length: number,
  context: StepContext,
  work: (from: number, to: number) => void,
): Promise<void> {
  for (let from = 0; from < length; from += SLICE) {
    if (from > 0) await turnOfLoop(context);
    work(from, Math.min(length, from + SLICE));
  }
}

/** @throws WarmgateError when nobody waits for the request any more */
export async function turnOfLoop(context: StepContext): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  context.checkWanted();
}
