/** How many answers a second a stand's nodes give to callers who each wait for one before they ask for the next. */
import type { Ask, FaultStand } from "./fault-stand.ts";
import { toldIn } from "./told.ts";

const DEADLINE_MS = 10_000;
/** Of the highest class, which is not refused for the sake of others. */
const PARAMETERS = { priority: 1 };

export async function capacityOf(stand: FaultStand, ask: Ask, callers: number, forMs: number): Promise<number> {
  const startedAt = performance.now();
  let answers = 0;
  const call = async () => {
    while (performance.now() - startedAt < forMs) {
      if (toldIn(await stand.ask({ deadlineMs: DEADLINE_MS, parameters: PARAMETERS, ...ask })) === "200") answers++;
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return (answers * 1_000) / (performance.now() - startedAt);
}
