import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { typedAt } from "../admin/scripted-api.ts";
import { models } from "./models.ts";

const at = () => ({ ...typedAt(undefined), progress: undefined });

describe("warmgate models", () => {
  test("a command that there is not is wrong usage, with the one that was probably meant", async () => {
    await assert.rejects(
      models(["inspct", "digits"], at()),
      /There is no command 'models inspct'. Did you mean 'inspect'\?/,
    );
  });

  test("help lists every command and every exit code", async () => {
    const terminal = at();
    assert.equal(await models(["--help"], terminal), 0);
    const [text = ""] = terminal.printed;
    for (const verb of ["ls", "inspect", "diff", "validate", "load", "unload", "fetch"]) {
      assert.match(text, new RegExp(`^  ${verb} `, "m"));
      const own = at();
      assert.equal(await models([verb, "--help"], own), 0);
      assert.match(own.printed.join("\n"), new RegExp(`^Usage: warmgate models ${verb} `));
    }
    assert.match(text, /0 done, 1 refused or faulty, 2 wrong usage, 3 no pool can be reached, 4 callers would break/);
  });

  test("what is missing or too much is wrong usage", async () => {
    await assert.rejects(
      models(["diff", "digits"], at()),
      /<to\[@version\]> is missing\.\nUsage: warmgate models diff/,
    );
    await assert.rejects(models(["load", "digits", "now"], at()), /'now' is one word too many/);
    await assert.rejects(models(["validate"], at()), /<folder> is missing/);
    await assert.rejects(models(["inspect", "./x", "--provider", "cdua"], at()), /Did you mean cuda\?/);
  });

  test("without a stack and without --url no pool can be reached", async () => {
    const terminal = at();
    assert.equal(await models(["ls"], terminal), 3);
    assert.match(terminal.noted.join("\n"), /No stack runs on this machine .* name a pool with --url/);
  });
});
