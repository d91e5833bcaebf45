import { stableHash } from "./stable-hash.ts";

/**
 * How many of the pool's nodes one tenant's requests may reach: the square root of their number, rounded up. That is
 * all of them up to 2, and never less than 2 of more, so that the loss of one node takes no tenant's service away.
 */
export function shardSize(nodes: number): number {
  return Math.ceil(Math.sqrt(nodes));
}

/**
 * The nodes that serve a tenant, best first: shuffle sharding (C. MacCárthaigh, "Workload isolation using
 * shuffle-sharding", AWS Builders' Library) by rendezvous hashing (Thaler and Ravishankar 1998). A tenant whose
 * requests bring nodes down brings down its own shard only. Of n nodes in shards of k, another tenant has just those
 * nodes once in C(n, k) times: 1 in 1,820 for 4 of 16.
 *
 * The same nodes in any order give the same shard. A node that comes or goes changes at most one member of it. Every
 * node is hashed and sorted in, so callers keep what it returns while the nodes stay the same.
 *
 * @param nodes names that differ
 * @param size of the shard; all nodes when there are no more
 */
export function tenantShard(tenant: string, nodes: readonly string[], size: number): readonly string[] {
  return nodes
    .map((node) => ({ node, score: stableHash(`${tenant.length}:${tenant}${node}`) }))
    .sort((a, b) => b.score - a.score || (a.node < b.node ? -1 : 1))
    .slice(0, size)
    .map(({ node }) => node);
}
