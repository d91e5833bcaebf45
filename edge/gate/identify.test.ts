import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createApiKey, formatApiKey, importPepper } from "../../shared/protocol/api-key.ts";
import type { EdgeSettings } from "../environment.ts";
import { type CallerDirectory, identify } from "./identify.ts";

const random = (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes);
const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const text = (length: number) =>
  Array.from({ length }, () => LETTERS[Math.floor(Math.random() * LETTERS.length)]).join("");

describe("a hundred thousand sprayed keys", () => {
  test("that anybody can make up, checksum and all, cause no look-up and leave nothing behind", async () => {
    const pepper = await importPepper(Buffer.alloc(32, 7).toString("base64url"));
    const settings: EdgeSettings = {
      ...{ environment: "live", poolNodes: undefined, signingKeyId: "", signingKey: pepper, pepper },
      signingKeys: new Map(),
      ...{ maxBodyBytes: 1, clientAddressHeader: undefined, adminHost: undefined },
    };
    let lookUps = 0;
    const lookUp = () => {
      lookUps++;
      return Promise.resolve(null);
    };
    const directory: CallerDirectory = {
      ...{ findKey: lookUp, freshKey: lookUp, findTenant: lookUp, keyUsed: () => undefined },
      configuration: () => Promise.resolve({ version: 1, costs: {}, issuers: [] }),
    };
    const { kid } = await createApiKey("live", pepper, random);
    const attempt = async (key: string) => {
      const headers = new Headers({ authorization: `Bearer ${key}` });
      await assert.rejects(identify(headers, settings, directory, { check: () => undefined }, 1e12), {
        code: "unauthenticated",
      });
    };
    const spray = async (count: number) => {
      for (let sent = 0; sent < count; sent++) {
        // Half of them under a kid that exists.
        await attempt(formatApiKey({ environment: "live", kid: sent % 2 ? kid : text(10), secret: text(32) }));
      }
    };
    await spray(2_000);
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    await spray(98_000);
    globalThis.gc?.();
    assert.equal(lookUps, 0);
    assert.ok(process.memoryUsage().heapUsed - before < 30e6, "the heap has grown");
    // What is not made up does get as far as a look-up.
    await attempt(formatApiKey(await createApiKey("live", pepper, random)));
    assert.ok(lookUps > 0);
  });
});
