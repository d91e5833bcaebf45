import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { stableHash } from "./stable-hash.ts";
import { shardSize, tenantShard } from "./tenant-shard.ts";

const nodeSet = fc.uniqueArray(fc.string(), { maxLength: 20 });
const size = fc.nat(22);
const NODES = Array.from({ length: 16 }, (_, node) => `node-${node}`);
const TENANTS = Array.from({ length: 2_000 }, (_, tenant) => `tenant-${tenant}`);

describe("the size of a shard", () => {
  test("is all nodes up to two, and the root of their number above", () => {
    const sizes = [0, 1, 2, 3, 4, 5, 9, 10, 16, 100, 4_096].map(shardSize);
    assert.deepEqual(sizes, [0, 1, 2, 2, 2, 3, 3, 4, 4, 10, 64]);
  });
});

describe("a tenant's shard", () => {
  test("has as many different nodes as asked for, or all", () => {
    fc.assert(
      fc.property(fc.string(), nodeSet, size, (tenant, nodes, size) => {
        const shard = tenantShard(tenant, nodes, size);
        assert.equal(new Set(shard).size, Math.min(size, nodes.length));
        assert.equal(shard.length, Math.min(size, nodes.length));
        assert.ok(shard.every((node) => nodes.includes(node)));
      }),
    );
  });

  test("does not depend on the order of the nodes", () => {
    const shuffled = nodeSet.chain((nodes) =>
      fc.tuple(fc.constant(nodes), fc.shuffledSubarray(nodes, { minLength: nodes.length, maxLength: nodes.length })),
    );
    fc.assert(
      fc.property(fc.string(), shuffled, size, (tenant, [nodes, reordered], size) => {
        assert.deepEqual(tenantShard(tenant, reordered, size), tenantShard(tenant, nodes, size));
      }),
    );
  });

  test("changes by one member at most when a node comes or goes, and the others keep their order", () => {
    fc.assert(
      fc.property(fc.string(), nodeSet, fc.string(), size, (tenant, nodes, node, size) => {
        fc.pre(!nodes.includes(node));
        const without = tenantShard(tenant, nodes, size);
        const withNode = tenantShard(tenant, [...nodes, node], size);
        const kept = withNode.filter((member) => member !== node);
        assert.deepEqual(kept, without.slice(0, kept.length));
        assert.ok(without.length - kept.length <= 1);
      }),
    );
  });

  test("never changes: a tenant's nodes are the same in every version of this code", () => {
    assert.deepEqual(tenantShard("acme", NODES, 4), ["node-1", "node-15", "node-8", "node-10"]);
  });

  test("orders two nodes with the same hash by their names", () => {
    const twins = ["0s3ef3d2fp", "daysj5z72y"];
    for (const node of twins) assert.equal(stableHash(`4:acme${node}`), 0x12345678);
    assert.deepEqual(tenantShard("acme", twins, 2), twins);
    assert.deepEqual(tenantShard("acme", twins.toReversed(), 2), twins);
  });

  for (const size of [1, 4]) {
    test(`tenants fill the nodes evenly, in shards of ${size} of 16`, () => {
      const counts = new Map(NODES.map((node) => [node, 0]));
      for (const tenant of TENANTS)
        for (const node of tenantShard(tenant, NODES, size)) counts.set(node, counts.get(node)! + 1);
      const expected = (TENANTS.length * size) / NODES.length;
      const sum = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
      // Members of one shard are drawn without replacement, which evens the counts out.
      const chiSquare = (sum * (NODES.length - 1)) / (NODES.length - size);
      assert.ok(chiSquare < 37.7, `chi-square ${chiSquare}, 37.7 is exceeded once in a thousand`);
    });
  }

  test("of 16 nodes in shards of 4, one pair of tenants in 1,820 shares all nodes", () => {
    const tenantsOf = new Map<string, number>();
    for (const tenant of TENANTS) {
      const shard = tenantShard(tenant, NODES, 4).toSorted().join();
      tenantsOf.set(shard, (tenantsOf.get(shard) ?? 0) + 1);
    }
    const pairs = (count: number) => (count * (count - 1)) / 2;
    const sharing = [...tenantsOf.values()].reduce((sum, count) => sum + pairs(count), 0);
    const expected = pairs(TENANTS.length) / 1_820;
    assert.ok(Math.abs(sharing - expected) < 3 * Math.sqrt(expected), `${sharing} pairs, ${expected} expected`);
  });
});
