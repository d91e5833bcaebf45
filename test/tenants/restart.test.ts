import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { startTestStack } from "../support/stack.ts";
import { until } from "../support/until.ts";
import { TenantClient } from "./tenant-client.ts";

const usage = z.looseObject({ items: z.array(z.looseObject({ requests: z.number() })) });
const QUOTA = 10;

test("tenants, their keys, what they used and the log of changes outlive a restart", async () => {
  const stateFolder = mkdtempSync(join(tmpdir(), "warmgate-restart-"));
  try {
    const first = await startTestStack(["gpu-pool/models"], { stateFolder });
    const before = new TenantClient(first);
    const key = await before.tenant("lasting", { quotaPerMonth: QUOTA });
    for (const expected of [200, 200]) assert.equal(await before.status(key), expected);
    const used = async (client: TenantClient) =>
      usage.parse(await client.change("GET", "/tenants/lasting/usage?by=model")).items[0]?.requests;
    await until("the usage to be told", async () => (await used(before)) === 2);
    await first.stop();

    const second = await startTestStack(["gpu-pool/models"], { stateFolder });
    try {
      const after = new TenantClient(second);
      assert.equal(second.demoKey, first.demoKey);
      assert.equal(await used(after), 2);
      const audit = JSON.stringify(await after.change("GET", "/tenants/lasting/audit"));
      assert.match(audit, /"tenant.create"|"key.create"/);
      // What of the month's quota was used is remembered too. A unit that was leased when the edge was stopped stays charged.
      const answers: number[] = [];
      while (answers.at(-1) !== 429 && answers.length <= QUOTA) answers.push(await after.status(key));
      const answered = answers.filter((status) => status === 200).length;
      assert.ok(answered >= 1 && answered <= QUOTA - 2, answers.join());
      assert.equal(answers.length, answered + 1);
    } finally {
      await second.stop();
    }
  } finally {
    rmSync(stateFolder, { recursive: true, force: true });
  }
});
