/**
 * One serving process for one device: wires repository, models, HTTP and operations together.
 *
 * It is ready only when every model on disk has been loaded and warmed, and the way a request takes through the
 * process as well. SIGTERM (or SIGINT, or the end of its supervisor) drains it: readiness goes off, the edge is told, new
 * work is refused, what was taken in is answered, exit code 0. A second signal ends it at once.
 */
import type { Server } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import packageJson from "../package.json" with { type: "json" };
import { Announcer } from "./announce/announcer.ts";
import { EdgeConnection } from "./announce/edge-connection.ts";
import { reachableOrigin } from "./announce/reachable-origin.ts";
import { collectGarbage } from "./overload/collect-garbage.ts";
import { observeOverload } from "./overload/overload-metrics.ts";
import { OverloadMonitor } from "./overload/overload-monitor.ts";
import { descriptorLimit, memoryLimit, mostConnections, ProcessReadings } from "./overload/process-readings.ts";
import { tellParent } from "./process-messages.ts";
import { loadModel } from "./repository/load-model.ts";
import { ModelRepository } from "./repository/model-repository.ts";
import { Completions } from "./runtime/completions.ts";
import type { PredictionScheduler } from "./runtime/served-model.ts";
import { DeviceScheduler } from "./scheduler/device-scheduler.ts";
import { realClock } from "./scheduler/real-clock.ts";
import { openAuthenticator, SignatureAuthenticator } from "./server/authenticate.ts";
import { NodeDescription } from "./server/node-description.ts";
import { createOperationsServer } from "./server/operations-server.ts";
import { PoolServer } from "./server/pool-server.ts";
import { rehearse } from "./server/rehearsal.ts";
import { type PoolSettings, readSettings } from "./settings.ts";
import { createLog } from "./telemetry/log.ts";
import { PoolMetrics } from "./telemetry/metrics.ts";

// ONNX Runtime's Linux builds report to their maker unless told not to. What is served here is nobody else's business.
process.env.ORT_DISABLE_TELEMETRY = "1";

/** Mean queueing time above which a device counts as overloaded (DAGOR's figure). */
const OVERLOADED_WAIT_MS = 20;
/** How long the goodbye may take, unless half of the time to drain is less. */
const GOODBYE_MS = 500;

async function serve(settings: PoolSettings): Promise<void> {
  const log = createLog("pool", settings.logLevel);
  if (!process.versions.node.startsWith("22.")) {
    log.warn({ node: process.versions.node }, "FP16 models fail on this Node; the pool is made for Node 22");
  }
  const { provider, deviceId, computeThreads, slots, maxQueueMs, maxQueueItems, maxQueueBytes } = settings;
  const scheduler: PredictionScheduler = new DeviceScheduler(realClock, {
    slots,
    maxQueueMs,
    maxQueueItems,
    maxQueueBytes,
    overloadedWaitMs: OVERLOADED_WAIT_MS,
    weightOf: () => 1,
    random: Math.random,
    epochMs: Date.now,
  });
  const metrics = new PoolMetrics(() => repository.served(), scheduler);
  const overload = new OverloadMonitor({
    log,
    random: Math.random,
    onShortOfDescriptors: () => server.closeUnusedConnections(),
    onShortOfMemory: collectGarbage,
    // The supervisor starts another one, with memory as it was at the start.
    onStuck: () => {
      if (!stopping) stop("memory stays beyond its limit");
    },
  });
  observeOverload(metrics.registry, overload);
  const completions = new Completions(realClock.now);
  const device = { provider, deviceId, computeThreads, slots, scheduler, completions };
  const repository = new ModelRepository({
    folders: settings.modelFolders,
    load: (artefact, onCrash) => loadModel(artefact, device, metrics, log, onCrash),
    beforeReady: () =>
      rehearse({ host: settings.host, port: server.port, key: settings.signingKeys?.[0] }, repository.served()),
    log,
  });
  const authenticator = settings.signingKeys
    ? new SignatureAuthenticator(settings.signingKeys, Date.now, (reason) => metrics.signatureRejected(reason))
    : openAuthenticator;
  const { maxBodyBytes } = settings;
  const { version } = packageJson;
  const { nodeName: node, hardware } = settings;
  const deviceName = provider === "cpu" ? "cpu" : `${provider}:${deviceId}`;
  const identity = { node, device: deviceName, hardware, provider, startedAt: Date.now() };
  const description = new NodeDescription(identity, repository, scheduler);
  const server = new PoolServer({
    description,
    repository,
    scheduler,
    completions,
    authenticator,
    metrics,
    clock: realClock,
    log,
    overload,
    maxBodyBytes,
    version,
  });
  const operations = createOperationsServer({
    registry: metrics.registry,
    ready: () => repository.ready && !stopping,
    listModels: () => repository.index(),
  });

  let readings: ProcessReadings | undefined;
  let announcer: Announcer | undefined;
  let stopping = false;
  /** Says goodbye, and goes on taking requests for as long as edges may not have heard of it. */
  const leave = async () => {
    if (!announcer) return;
    const most = settings.drainMs / 2;
    await announcer.leave(Math.min(GOODBYE_MS, most));
    await sleep(Math.min(settings.leaveMs, most));
  };
  const stop = (why: string) => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ why }, "draining");
    setTimeout(() => {
      log.error({ drainMs: settings.drainMs }, "not drained in time");
      process.exit(1);
    }, settings.drainMs).unref();
    void leave()
      .then(() => server.drain())
      .then(() => readings?.stop())
      .then(() => repository.close())
      .then(() => {
        operations.close();
        operations.closeAllConnections();
        if (process.connected) process.disconnect();
        log.info("stopped");
        // Nothing is left to run; a stray handle must not hold up a deploy.
        process.exit(0);
      });
  };
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => {
    // Ctrl-C reaches every process of a terminal; below a supervisor the signal to follow is the supervisor's.
    if (!process.connected) stop("SIGINT");
  });
  process.on("disconnect", () => stop("the supervisor has gone"));

  // Ports first: a taken one must be known before minutes are spent on loading.
  await server.listen(settings.port, settings.host);
  await listenOperations(operations, settings);
  await repository.loadAll();
  const descriptors = descriptorLimit();
  if (descriptors !== undefined) server.limitConnections(await mostConnections(descriptors));
  if (stopping) return;
  // From here on, as loading blocks the loop and takes memory that no refusal would give back.
  readings = new ProcessReadings({
    onSample: (sample) => overload.observe(sample),
    memoryLimitBytes: settings.memoryLimitBytes ?? memoryLimit(),
    descriptorLimit: descriptors,
  });
  announcer = announcerOf(settings, server.port, description, metrics, log);
  announcer?.start();
  log.info({ port: server.port, models: repository.index().length }, "ready");
  const address = operations.address();
  const opsPort = typeof address === "object" && address ? address.port : 0;
  tellParent({ kind: "ready", port: server.port, opsPort, drainMs: settings.drainMs });
}

function announcerOf(
  { announcing, host }: PoolSettings,
  port: number,
  node: NodeDescription,
  metrics: PoolMetrics,
  log: Logger,
): Announcer | undefined {
  const url = announcing?.url ?? reachableOrigin(host, port);
  if (!announcing || url === undefined) return undefined;
  const edge = new EdgeConnection(announcing.edge, announcing.key);
  return new Announcer({
    url,
    node,
    deliver: (word) => edge.deliver(word),
    clock: realClock,
    random: Math.random,
    log,
    count: (outcome) => metrics.announced(outcome),
  });
}

function listenOperations(operations: Server, { opsPort, opsHost }: PoolSettings): Promise<void> {
  return new Promise((resolve, reject) => {
    // Stays: an accept that fails for want of a descriptor must not end the process.
    operations.on("error", reject);
    operations.listen(opsPort, opsHost, () => resolve());
  });
}

/** Exit code for what restarting cannot cure: wrong options, a taken port, a folder that is not there. */
const EXIT_MISCONFIGURED = 78;

try {
  await serve(readSettings(process.argv.slice(2), process.env));
} catch (error) {
  process.stderr.write(`${describe(error)}\n`);
  process.exit(EXIT_MISCONFIGURED);
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ("code" in error && error.code === "EADDRINUSE" && "port" in error) {
    return `port ${String(error.port)} is taken by another program`;
  }
  return error.message;
}
