/**
 * Keeps the edge told that this process is there, from when it is ready until it stops, so that requests are sent to it
 * (`shared/control/routing/node-directory.ts` is what listens).
 *
 *     const announcer = new Announcer({ url, node, deliver: (word) => edge.deliver(word), ... });
 *     announcer.start();
 *     await announcer.leave(500);
 *
 * Promises: a word at the interval that the edge asks for; one within `LOOK_EVERY_MS` of a change of the models; one when the
 * process stops; never two at a time. Models are told only when the edge does not have them. Before the process is ready nothing
 * is said: a list of models that is still short would replace the one of the process before it, by which the edge finds
 * cached answers meanwhile.
 *
 * Worst case: an edge that could not be reached hears of the process 7 s after it can be (2 s for a word that was lost, then the
 * longest back-off), or later if its own interval is longer than that back-off.
 */
import type { Logger } from "pino";
import { ANNOUNCE_EVERY_MS, type Announcement } from "../../shared/protocol/pool-node.ts";
import type { Clock } from "../scheduler/executor.ts";
import type { NodeDescription } from "../server/node-description.ts";
import { backoffMs, intervalMs } from "./announcement-timing.ts";
import type { Delivery, DeliveryFailure } from "./edge-connection.ts";

/** How often it is looked whether the models have changed. */
const LOOK_EVERY_MS = 100;

export interface AnnouncerOptions {
  /** Where the edge reaches this process. */
  readonly url: string;
  readonly node: Pick<NodeDescription, "catalogue" | "status" | "describe">;
  readonly deliver: (word: Announcement) => Promise<Delivery>;
  readonly clock: Clock;
  /** Uniform from 0 to below 1. */
  readonly random: () => number;
  readonly log: Pick<Logger, "info" | "warn">;
  /** Called once for each word. */
  readonly count: (outcome: Delivery["kind"]) => void;
}

type Course =
  | { readonly kind: "heard" }
  /** Words in a row that failed, and in which ways: each is logged once, as the second may be the one to look into. */
  | { readonly kind: "failing"; readonly failures: number; readonly ways: ReadonlySet<DeliveryFailure["kind"]> };

export class Announcer {
  readonly #options: AnnouncerOptions;
  #course: Course = { kind: "heard" };
  #everyMs = ANNOUNCE_EVERY_MS;
  #dueAt = Number.NEGATIVE_INFINITY;
  /** The catalogue of the last word, and the one whose models the edge has by its answers. */
  #told: string | undefined;
  #known: string | undefined;
  #leaving = false;
  #inFlight: Promise<void> = Promise.resolve();

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  /** Says the first word now. To be called once, when the process is ready. */
  start(): void {
    this.#look();
  }

  /** Says the last word; resolves when it has been answered or has failed, and after `limitMs` in any case. */
  async leave(limitMs: number): Promise<void> {
    this.#leaving = true;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.schedule(limitMs, resolve);
    await Promise.race([this.#inFlight.then(() => this.#speak()), late]);
    cancel();
  }

  /** Speaks if a word is due or the models are others than those told, and looks again when that may be so. */
  #look(): void {
    if (this.#leaving) return;
    const { clock, node } = this.#options;
    const waitMs = node.catalogue === this.#told ? this.#dueAt - clock.now() : 0;
    if (waitMs > 0) {
      clock.schedule(Math.min(waitMs, LOOK_EVERY_MS), () => this.#look());
      return;
    }
    this.#inFlight = this.#speak();
    void this.#inFlight.then(() => this.#look());
  }

  async #speak(): Promise<void> {
    const { deliver, clock, random, count } = this.#options;
    const word = this.#word();
    this.#told = word.status.catalogue;
    const delivery = await deliver(word);
    count(delivery.kind);
    if (delivery.kind === "answered") {
      const { modelsWanted, everyMs } = delivery.answer;
      this.#succeeded();
      this.#known = modelsWanted ? undefined : this.#told;
      this.#everyMs = everyMs;
      this.#dueAt = clock.now() + intervalMs(everyMs, random);
    } else {
      const failures = this.#failed(delivery);
      this.#dueAt = clock.now() + backoffMs(this.#everyMs, failures, random);
    }
  }

  #word(): Announcement {
    const { url, node } = this.#options;
    const leaving = this.#leaving;
    if (node.catalogue === this.#known) return { url, leaving, status: node.status(leaving) };
    const { models, ...status } = node.describe(leaving);
    return { url, leaving, status, models };
  }

  #succeeded(): void {
    if (this.#course.kind === "failing") {
      this.#options.log.info({ failures: this.#course.failures }, "announcements are answered again");
    }
    this.#course = { kind: "heard" };
  }

  /** @returns how many words in a row have failed */
  #failed({ kind, reason }: DeliveryFailure): number {
    const before =
      this.#course.kind === "failing" ? this.#course : { failures: 0, ways: new Set<DeliveryFailure["kind"]>() };
    if (!before.ways.has(kind)) this.#options.log.warn({ outcome: kind, reason }, "announcements fail");
    const failures = before.failures + 1;
    this.#course = { kind: "failing", failures, ways: new Set([...before.ways, kind]) };
    return failures;
  }
}
