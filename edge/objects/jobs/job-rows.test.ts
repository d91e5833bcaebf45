import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  accepted,
  begun,
  cancelled,
  ended,
  KEPT_MS,
  LIFE_MS,
  REMEMBERED_MS,
  tryFailure,
} from "../../../shared/control/jobs/job-life.ts";
import { WarmgateError } from "../../../shared/protocol/errors.ts";
import { sqliteStorage } from "../../../test/support/sqlite-storage.ts";
import type { Job, JobOrder, Message } from "./job-order.ts";
import { JobRows } from "./job-rows.ts";

const START = 1_800_000_000_000;
const ORDER: JobOrder = {
  ...{ tenant: "acme", plan: "free", kid: "k1", model: "digits", contract: 1, hardware: null, headers: {} },
  ...{ maxRows: 0, budgetMs: 30_000, requestId: "r1", traceparent: "" },
};
const FAILURE = tryFailure(new WarmgateError("pool_unavailable", "nobody is there"), false);
const MIB = 1024 * 1024;

function opened(): { readonly rows: JobRows; readonly database: DatabaseSync } {
  const database = new DatabaseSync(":memory:");
  const storage = { sql: sqliteStorage(database), transactionSync: (change: () => unknown) => change() };
  return { rows: new JobRows(storage as unknown as DurableObjectStorage), database };
}

const messageOf = (length: number): Message => ({
  body: Uint8Array.from({ length }, (_, index) => index % 251),
  headerLength: 5,
});

function add(rows: JobRows, now = START, input = messageOf(9)): Job {
  return rows.add({ id: crypto.randomUUID(), createdAt: now, order: ORDER, state: accepted(FAILURE, now, 0) }, input);
}

function takenUp(rows: JobRows, now: number) {
  const job = rows.takeUp(now) ?? assert.fail("none is due");
  assert.ok(job.state.kind === "running");
  return { job, state: job.state };
}

function piecesIn(database: DatabaseSync): unknown {
  return { ...database.prepare("SELECT COUNT(*) AS pieces FROM pieces").get() }.pieces;
}

describe("a tenant's jobs", () => {
  test("have the very bytes that they were given, of any length", () => {
    const lengths = fc.oneof(fc.nat(100), fc.constantFrom(MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 7));
    fc.assert(
      fc.property(lengths, (length) => {
        const { rows } = opened();
        assert.deepEqual(rows.message(add(rows, START, messageOf(length))), messageOf(length));
      }),
      { numRuns: 20 },
    );
  });

  test("are taken up when they are due, the one that has waited longest first, and each once", () => {
    const { rows } = opened();
    const later = add(rows, START + 100);
    const first = add(rows, START);
    assert.equal(rows.takeUp(START), undefined);
    assert.equal(rows.nextWake(), START + 500);
    assert.equal(takenUp(rows, START + 700).job.id, first.id);
    assert.equal(takenUp(rows, START + 700).job.id, later.id);
    assert.equal(rows.takeUp(START + LIFE_MS), undefined);
    assert.equal(rows.nextWake(), undefined);
    assert.deepEqual(
      rows.running().map(({ id }) => id),
      [later.id, first.id],
    );
  });

  test("keep their result in the place of their input, for a day, and are remembered for another", () => {
    const { rows, database } = opened();
    const { id } = add(rows, START, messageOf(3 * MIB));
    const { job, state } = takenUp(rows, START + 500);
    const result = { body: Uint8Array.of(1, 2), headerLength: null };
    const after = rows.move(job, ended(state, null, START, 0), result);
    assert.deepEqual(rows.message(after), result);
    assert.equal(piecesIn(database), 1);

    assert.equal(rows.find(id, START + KEPT_MS - 1)?.state.kind, "succeeded");
    assert.equal(rows.find(id, START + KEPT_MS)?.state.kind, "expired");
    assert.equal(rows.takeUp(START + KEPT_MS), undefined);
    assert.deepEqual([piecesIn(database), [...rows.list(Number.MAX_SAFE_INTEGER)]], [0, []]);
    assert.equal(rows.takeUp(START + KEPT_MS + REMEMBERED_MS), undefined);
    assert.deepEqual([rows.find(id, START), rows.nextWake()], [undefined, undefined]);
  });

  test("leave nothing behind where nobody woke them for days", () => {
    const { rows, database } = opened();
    add(rows);
    const { job, state } = takenUp(rows, START + 500);
    rows.move(job, ended(state, null, START, 0), messageOf(9));
    assert.equal(rows.takeUp(START + KEPT_MS + REMEMBERED_MS), undefined);
    assert.deepEqual([piecesIn(database), rows.find(job.id, START)], [0, undefined]);
  });

  test("fail, and are told, where their time is over before anybody could run them", () => {
    const { rows, database } = opened();
    const { id } = add(rows);
    const failed = rows.takeUp(START + LIFE_MS);
    assert.ok(failed?.id === id && failed.state.kind === "failed");
    assert.deepEqual([failed.state.failure.code, piecesIn(database)], ["pool_unavailable", 0]);
    assert.equal(rows.takeUp(START + LIFE_MS), undefined);
  });

  test("are listed from the newest on, from anywhere", () => {
    const { rows } = opened();
    const added = [1, 2, 3].map(() => add(rows));
    const newest = added.toReversed().map(({ seq }) => seq);
    assert.deepEqual(
      [...rows.list(Number.MAX_SAFE_INTEGER)].map(({ seq }) => seq),
      newest,
    );
    assert.deepEqual(
      [...rows.list(newest[0] ?? 0)].map(({ seq }) => seq),
      newest.slice(1),
    );
  });

  test("are a thousand that wait or run, and as many bytes as there is room for", () => {
    const { rows, database } = opened();
    const jobs = Array.from({ length: 1_000 }, () => add(rows));
    takenUp(rows, START + 500);
    assert.equal(rows.hasRoomFor(0), false);
    const last = jobs.at(-1) ?? assert.fail("there is none");
    assert.ok(last.state.kind === "queued");
    rows.move(last, cancelled(last.state, START));
    assert.equal(rows.hasRoomFor(0), true);
    // Nine bytes each, of all but the one that was cancelled.
    const left = 256 * MIB - 999 * 9;
    assert.deepEqual([rows.hasRoomFor(left), rows.hasRoomFor(left + 1)], [true, false]);
    database.exec("DELETE FROM jobs");
    assert.equal(rows.hasRoomFor(256 * MIB), true);
  });

  test("that are done make no room for more than ten thousand", () => {
    const { rows, database } = opened();
    const { seq } = add(rows);
    const copy = `INSERT INTO jobs (id, created_at, status, wake_at, bytes, job_order, state)
      SELECT id || value, created_at, 'succeeded', wake_at, 0, job_order, state FROM jobs, generated WHERE seq = ${seq}`;
    const upTo = (most: number) =>
      `WITH RECURSIVE generated (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM generated WHERE value < ${most})`;
    database.exec(`${upTo(9_998)} ${copy}`);
    assert.equal(rows.hasRoomFor(1), true);
    add(rows);
    assert.equal(rows.hasRoomFor(1), false);
    database.exec("UPDATE jobs SET status = 'expired' WHERE status = 'succeeded'");
    assert.equal(rows.hasRoomFor(1), true);
  });

  test("are run again from their input after a failure that may be cured", () => {
    const { rows } = opened();
    add(rows);
    const { job, state } = takenUp(rows, START + 500);
    const again = rows.move(job, ended(state, FAILURE, START + 600, 0));
    assert.deepEqual(rows.message(again), messageOf(9));
    assert.deepEqual(
      takenUp(rows, START + 60_000).state,
      begun(again.state.kind === "queued" ? again.state : assert.fail()),
    );
  });
});
