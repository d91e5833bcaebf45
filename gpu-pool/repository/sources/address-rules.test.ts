import assert from "node:assert/strict";
import type { LookupAddress, lookup } from "node:dns";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import fc from "fast-check";
import { type AddressKind, addressKind, checkHost, guardedLookup, ruleFor } from "./address-rules.ts";

describe("an address", () => {
  const kinds: Record<AddressKind, string[]> = {
    never: [
      ...["169.254.169.254", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::169.254.169.254", "fd00:ec2::254"],
      ...[
        "FD00:0EC2:0:0::254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "fd20:ce::254",
        "0.0.0.0",
        "0.1.2.3",
      ],
      ...["::", "224.0.0.1", "255.255.255.255", "ff02::1", "not an address", ""],
    ],
    loopback: ["127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"],
    private: [
      ...["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "169.254.1.1", "198.18.0.1"],
      ...[
        "fc00::1",
        "fdff::1",
        "fe80::1",
        "fe80::1%eth0",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:0a00:0001::",
        "2001:0:1::",
      ],
    ],
    public: [
      "1.1.1.1",
      "172.15.0.1",
      "172.32.0.1",
      "100.63.0.1",
      "2606:4700::1111",
      "::ffff:1.1.1.1",
      "64:ff9b::1.1.1.1",
    ],
  };
  for (const [kind, addresses] of Object.entries(kinds)) {
    test(`is ${kind}, however it is written`, () => {
      for (const address of addresses) assert.equal(addressKind(address), kind, address);
    });
  }

  test("of IPv4 is judged alike when it comes within IPv6", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.constantFrom("0.0.0.0", "0.0.1.2", "1.2.0.0", "10.0.0.0")), (address) => {
        for (const prefix of ["::ffff:", "64:ff9b::"])
          assert.equal(addressKind(`${prefix}${address}`), addressKind(address));
      }),
    );
  });
});

describe("a source's host", () => {
  const of = (address: string, rule: ReturnType<typeof ruleFor>, hostname = "models.example") => {
    const resolve = (_: string, __: object, done: (error: null, found: LookupAddress[]) => void) =>
      done(null, [
        { address: "1.1.1.1", family: 4 },
        { address, family: address.includes(":") ? 6 : 4 },
      ]);
    const guarded = guardedLookup(rule, resolve as unknown as typeof lookup);
    return promisify(guarded)(hostname, { all: true }).then(
      () => "allowed",
      (error: Error & { reason?: string }) => error.reason,
    );
  };

  test("may resolve to public addresses only, unless the configuration allows private ones", async () => {
    const byName = ruleFor("models.example", false);
    const allowed = ruleFor("models.example", true);
    for (const address of ["10.0.0.1", "127.0.0.1", "169.254.1.1", "fd00::1", "::1"]) {
      assert.equal(await of(address, byName), "forbidden_address", address);
      assert.equal(await of(address, allowed), "allowed", address);
    }
    assert.equal(await of("9.9.9.9", byName), "allowed");
  });

  test("never resolves to a metadata service", async () => {
    for (const rule of [ruleFor("m.example", true), ruleFor("m.example", false), ruleFor("localhost", false)]) {
      for (const address of ["169.254.169.254", "fd00:ec2::254"])
        assert.equal(await of(address, rule), "forbidden_address");
    }
    for (const host of ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:a9fe:a9fe]"]) {
      for (const allowPrivate of [true, false]) {
        assert.throws(() => checkHost(host, ruleFor(host, allowPrivate)), { reason: "forbidden_address" });
      }
    }
  });

  test("that is written as an address is that address", () => {
    for (const host of ["127.0.0.1", "10.1.2.3", "[::1]", "[fd00::5]", "1.1.1.1"])
      checkHost(host, ruleFor(host, false));
  });

  test("localhost is this machine and nothing else", async () => {
    const rule = ruleFor("localhost", false);
    const only = (address: string) =>
      promisify(
        guardedLookup(rule, ((_: string, __: object, done: (error: null, found: LookupAddress[]) => void) =>
          done(null, [{ address, family: 4 }])) as unknown as typeof lookup),
      )("localhost", { all: false });
    await only("127.0.0.1");
    for (const address of ["10.0.0.1", "1.1.1.1"]) await assert.rejects(only(address), { reason: "forbidden_address" });
  });
});
