/**
 * What an isolate counts, in Prometheus' text format (exposition format 0.0.4).
 *
 *     GET /admin/v1/metrics   with an operator's key as bearer token
 *
 * Worst case: they are those of the isolate that answers. On one machine that is all there is; on a platform with many isolates these
 * figures are a sample, and the log is what counts everything.
 *
 * Bounded: by the routes, the statuses, the codes of errors, the nodes of the view and the models that they have.
 */

import { JOB_EVENTS, type JobCounts, jobCounts } from "./job-counts.ts";

export interface ObservedRequest {
  /** The route's pattern. */
  readonly route: string;
  readonly status: number;
  readonly ms: number;
  /** How a prediction was answered; undefined for other requests and for refusals. */
  readonly answered: "hit" | "collapsed" | "pool" | "degraded" | undefined;
  /** Who refused it for load or failures in a node's stead. */
  readonly shed: string | undefined;
  /** `answered` or the code of the refusal, of each try. */
  readonly attempts: readonly { readonly outcome: string }[];
}

/** As of now, read when they are asked for. */
export interface Gauges {
  readonly breakers: readonly { readonly node: string; readonly model: string; readonly state: string }[];
  readonly heldBytes: { readonly requests: number; readonly answers: number };
  readonly liveNodes: number;
}

/** Upper bounds in seconds: from an answer out of memory to the longest time budget. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

type Labels = Readonly<Record<string, string>>;

export class EdgeMetrics {
  readonly #jobs: JobCounts;
  /** Family -> labels as they are written -> count. */
  readonly #counts = new Map<string, Map<string, number>>();
  readonly #latency = new Map<string, { readonly buckets: number[]; sum: number; count: number }>();

  constructor(jobs: JobCounts = jobCounts) {
    this.#jobs = jobs;
  }

  observe({ route, status, ms, answered, shed, attempts }: ObservedRequest): void {
    this.#count("warmgate_edge_requests_total", { route, status: String(status) });
    if (answered !== undefined) this.#time(answered, ms / 1_000);
    if (shed !== undefined) this.#count("warmgate_edge_shed_total", { by: shed });
    for (const [index, { outcome }] of attempts.entries()) {
      this.#count("warmgate_edge_attempts_total", { attempt: String(index + 1), outcome });
    }
  }

  exposition({ breakers, heldBytes, liveNodes }: Gauges): string {
    const lines: string[] = [];
    for (const { name, help } of COUNTERS) {
      lines.push(...head(name, "counter", help));
      for (const [labels, count] of this.#counts.get(name) ?? []) lines.push(`${name}${labels} ${count}`);
    }
    lines.push(...head("warmgate_edge_jobs_total", "counter", "Jobs that were accepted, and how they ended."));
    for (const event of JOB_EVENTS) {
      lines.push(`warmgate_edge_jobs_total${written({ event })} ${this.#jobs.of(event)}`);
    }
    lines.push(...head(LATENCY, "histogram", "Predictions that were answered, by what answered them."));
    for (const [answered, { buckets, sum, count }] of this.#latency) {
      const of = (le: string) => written({ answered, le });
      let below = 0;
      for (const [index, bound] of BUCKETS.entries()) {
        below += buckets[index] ?? 0;
        lines.push(`${LATENCY}_bucket${of(String(bound))} ${below}`);
      }
      lines.push(`${LATENCY}_bucket${of("+Inf")} ${count}`);
      lines.push(`${LATENCY}_sum${written({ answered })} ${sum}`, `${LATENCY}_count${written({ answered })} ${count}`);
    }
    lines.push(...head("warmgate_edge_breaker_open", "gauge", "1 open, 0.5 half open, 0 closed again of late."));
    for (const { node, model, state } of breakers) {
      lines.push(`warmgate_edge_breaker_open${written({ node, model })} ${OPENNESS[state] ?? 0}`);
    }
    lines.push(...head("warmgate_edge_held_bytes", "gauge", "Bytes of bodies that the isolate holds."));
    for (const [of, bytes] of Object.entries(heldBytes)) {
      lines.push(`warmgate_edge_held_bytes${written({ of })} ${bytes}`);
    }
    lines.push(...head("warmgate_edge_live_nodes", "gauge", "Nodes that requests are sent to."));
    lines.push(`warmgate_edge_live_nodes ${liveNodes}`, "");
    return lines.join("\n");
  }

  #count(family: string, labels: Labels): void {
    const counts = this.#counts.get(family) ?? new Map<string, number>();
    this.#counts.set(family, counts);
    const name = written(labels);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }

  #time(answered: string, seconds: number): void {
    let times = this.#latency.get(answered);
    if (!times) {
      times = { buckets: BUCKETS.map(() => 0), sum: 0, count: 0 };
      this.#latency.set(answered, times);
    }
    const index = BUCKETS.findIndex((bound) => seconds <= bound);
    if (index >= 0) times.buckets[index] = (times.buckets[index] ?? 0) + 1;
    times.sum += seconds;
    times.count++;
  }
}

const LATENCY = "warmgate_edge_prediction_seconds";
const COUNTERS = [
  { name: "warmgate_edge_requests_total", help: "Requests by route and status." },
  { name: "warmgate_edge_shed_total", help: "Predictions that were not sent, by what kept them back." },
  { name: "warmgate_edge_attempts_total", help: "Tries of predictions at nodes, by what came of them." },
];
const OPENNESS: Readonly<Record<string, number>> = { open: 1, half_open: 0.5, closed: 0 };

function head(name: string, type: string, help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function written(labels: Labels): string {
  const parts = Object.entries(labels).map(([label, value]) => `${label}="${value.replace(/[\\"\n]/g, escaped)}"`);
  return `{${parts.join(",")}}`;
}

function escaped(character: string): string {
  return character === "\n" ? "\\n" : `\\${character}`;
}
