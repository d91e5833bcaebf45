/** W3C Trace Context (https://www.w3.org/TR/trace-context/): the caller's trace goes on through edge and pool. */

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

export interface TraceContext {
  readonly traceId: string;
  /** `traceparent` for the hop behind the edge: same trace, the edge's own span as parent. */
  readonly traceparent: string;
}

/** Continues the caller's trace if its header is valid, else begins one that is not sampled. */
export function continueTrace(header: string | null): TraceContext {
  const match = header === null ? null : TRACEPARENT.exec(header);
  const valid = match && !/^0+$/.test(match[1] ?? "") && !/^0+$/.test(match[2] ?? "");
  const traceId = valid ? (match[1] ?? "") : crypto.randomUUID().replaceAll("-", "");
  const spanId = crypto.randomUUID().replaceAll("-", "").slice(16);
  return { traceId, traceparent: `00-${traceId}-${spanId}-${valid ? match[3] : "00"}` };
}
