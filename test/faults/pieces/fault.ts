/** What can go wrong on a connection between the edge and a node, as `fault-proxy.ts` does it. */

/** `request`: from the edge to the node. `response`: from the node to the edge. */
export type Direction = "request" | "response";

export type Fault =
  /** Every chunk takes so much longer, give or take `jitterMs`; none overtakes another. */
  | {
      readonly kind: "latency";
      readonly ms: number;
      readonly jitterMs: number;
      readonly direction: Direction | "both";
    }
  /** A thin link: what does not fit through is buffered, up to {@link LINK_BUFFER_BYTES}. */
  | { readonly kind: "bandwidth"; readonly bytesPerSecond: number; readonly direction: Direction | "both" }
  /** A reader that takes its time: nothing is buffered, so the sender is made to wait. */
  | { readonly kind: "slowRead"; readonly bytesPerSecond: number; readonly direction: Direction }
  /** RST at once, the node hears nothing of it. */
  | { readonly kind: "reset"; readonly when: "connect" }
  /** RST in place of the reply: the node has done the work. */
  | { readonly kind: "reset"; readonly when: "afterRequest" }
  /** RST once so many bytes of the reply have been passed on. */
  | { readonly kind: "reset"; readonly when: "afterBytes"; readonly bytes: number }
  /**
   * FIN to one side, which may go on sending. To the node after the first chunk of a request, to the edge in place of
   * the reply.
   */
  | { readonly kind: "halfClose"; readonly direction: Direction }
  /** Nothing is passed on any more, and nobody is told. A connection that has lost bytes so stays silent for good. */
  | { readonly kind: "blackhole" }
  /** As if the node's process had ended: open connections are reset, new ones refused by the system. */
  | { readonly kind: "refuse" }
  /** One byte of a chunk becomes another one, for this share of the chunks. */
  | { readonly kind: "corrupt"; readonly probability: number; readonly direction: Direction }
  /** The reply ends, in order, after so many bytes of its head and body. */
  | { readonly kind: "truncate"; readonly bytes: number };

export const LINK_BUFFER_BYTES = 1024 * 1024;

/** A fault, and what decides whom it strikes. */
export interface FaultInForce {
  readonly fault: Fault;
  /** Share of the requests, or of the connections for what comes before a request, that it strikes. */
  readonly probability: number;
  /** Which one since the start: each strikes others. */
  readonly number: number;
}
