import { UsageError } from "../usage-error.ts";
import { type Command, defineCommand } from "./command.ts";
import { modelName } from "./names.ts";
import { formatNumber, parseWholeNumber } from "./number-text.ts";
import { costReply, listOf } from "./replies.ts";
import { properties, table } from "./table.ts";

const costs = listOf(costReply);
const MOST_UNITS = 10_000;

const ls = defineCommand({
  summary: "what a request to a model costs, where it is not one unit",
  operands: [],
  options: {},
  example: "warmgate costs ls",
  async run({ ask, show: print }) {
    const found = await ask(costs, { path: ["costs"] });
    print(found, () =>
      table(
        [
          { title: "MODEL", cell: ({ model }) => model },
          { title: "UNITS", numeric: true, cell: ({ cost }) => formatNumber(cost) },
        ],
        found.items,
      ),
    );
  },
});

const set = defineCommand({
  summary: "declare what a request to a model costs, in units of rates and quotas",
  operands: ["model", "units"],
  options: {},
  example: "warmgate costs set large-model 20",
  async run({ operand, ask, show: print }) {
    const path = ["costs", modelName(operand("model"))];
    if (operand("units") === "1")
      throw new UsageError("One unit is what every model costs; warmgate costs rm <model>.");
    const cost = parseWholeNumber(operand("units"), "<units>", 2, MOST_UNITS);
    const declared = await ask(costReply, { method: "PUT", path, body: { cost } });
    print(declared, () => describeCost(declared));
  },
});

const rm = defineCommand({
  summary: "let a model cost one unit again",
  operands: ["model"],
  options: {},
  example: "warmgate costs rm large-model",
  async run({ operand, ask, show: print }) {
    const removed = await ask(costReply, { method: "DELETE", path: ["costs", modelName(operand("model"))] });
    print(removed, () => describeCost({ model: removed.model, cost: 1 }));
  },
});

export const COST_COMMANDS: Readonly<Record<string, Command>> = { ls, set, rm };

function describeCost({ model, cost }: { readonly model: string; readonly cost: number }): string {
  return properties([
    ["model", model],
    ["units", formatNumber(cost)],
  ]);
}
