/**
 * Retries are a tenth of what is asked, whatever edges do: each isolate keeps a budget (`shared/control/resilience/retry-budget.ts`), and
 * here it is kept once more over all of them, since many isolates that have just begun may each have some to spare.
 */
import { attempted, newRetryBudget, retry } from "../../shared/control/resilience/retry-budget.ts";
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { ATTEMPT } from "../../shared/protocol/headers.ts";
import { type Exchange, singleHeader } from "./exchange.ts";

export class RetryAdmission {
  #budget = newRetryBudget();

  /** @throws WarmgateError `overloaded` for a retry beyond the budget; nothing was run then, and it is not to be sent again */
  admit(exchange: Pick<Exchange, "headers">): void {
    if (singleHeader(exchange, ATTEMPT) === undefined) {
      this.#budget = attempted(this.#budget);
      return;
    }
    const after = retry(this.#budget);
    if (!after) {
      throw new WarmgateError("overloaded", "too many requests are sent a second time", { retryAfterSeconds: 1 });
    }
    this.#budget = after;
  }
}
