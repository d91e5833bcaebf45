/** Lists come in pages; the command line puts as many of them together as were asked for. */
import { parseWholeNumber } from "./number-text.ts";
import type { Option } from "./options.ts";
import type { Page } from "./replies.ts";

/** The most that the API gives at once. */
const LARGEST_PAGE = 500;
const MOST = 10_000;
const USUAL = 500;

export const LIMIT_OPTION: Option = { value: "<n>", about: `how many at the most (${USUAL})` };

/** @throws UsageError */
export function parseListLimit(text: string | undefined, usual: number = USUAL): number {
  return text === undefined ? usual : parseWholeNumber(text, "--limit", 1, MOST);
}

/**
 * @param limit how many at the most
 * @param start where to begin; undefined: at the beginning
 * @param ask for one page that begins there
 */
export async function gather<Item>(
  limit: number,
  start: string | undefined,
  ask: (start: string | undefined, limit: string) => Promise<Page<Item>>,
): Promise<Page<Item>> {
  const items: Item[] = [];
  let next: string | number | null = start ?? "";
  while (next !== null && items.length < limit) {
    const size = Math.min(LARGEST_PAGE, limit - items.length);
    const page: Page<Item> = await ask(next === "" ? undefined : String(next), String(size));
    items.push(...page.items.slice(0, size));
    // A page that does not go on would be asked for for ever.
    next = page.items.length === 0 || page.next === next ? null : page.next;
  }
  return { items, next };
}
