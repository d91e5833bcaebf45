/**
 * One serving process for one device: wires repository, models, HTTP and operations together.
 *
 * It is ready only when every model on disk has been loaded and warmed, and the way a request takes through the
 * process as well. SIGTERM (or SIGINT, or the end of its supervisor) drains it: readiness goes off, the edge is told, new
 * work is refused, what was taken in is answered, exit code 0. A second signal ends it at once.
 * A run that does not end (`runtime/run-watch.ts`) or a device that has failed (`devices/device-recovery.ts`) drains it too,
 * and then it kills itself: the supervisor starts another.
 */
import type { Server } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import packageJson from "../package.json" with { type: "json" };
import { asWarmgateError } from "../shared/protocol/errors.ts";
import { Announcer } from "./announce/announcer.ts";
import { EdgeConnection } from "./announce/edge-connection.ts";
import { reachableOrigin } from "./announce/reachable-origin.ts";
import { observeFallback } from "./devices/device-metrics.ts";
import { runOneNode } from "./devices/one-node-session.ts";
import { loadOnDevice, type ModelLoad, openDevice } from "./devices/open-device.ts";
import { checkProvider } from "./devices/provider-check.ts";
import { type UsableSettings, usableSettings } from "./devices/usable-settings.ts";
import { loadEnsemble } from "./ensemble/load-ensemble.ts";
import { Loading, runsOf } from "./loading.ts";
import { collectGarbage } from "./overload/collect-garbage.ts";
import { observeOverload } from "./overload/overload-metrics.ts";
import { OverloadMonitor } from "./overload/overload-monitor.ts";
import { descriptorLimit, memoryLimit, mostConnections, ProcessReadings } from "./overload/process-readings.ts";
import { type Culprit, type Known, PROVEN_PROVIDER, supervisorWord, tellParent } from "./process-messages.ts";
import { type Device, instanceCount, loadModel, readSamples, workerSettingsOf } from "./repository/load-model.ts";
import { type Artefact, ModelRepository } from "./repository/model-repository.ts";
import type { ProbeReport } from "./repository/probe/probe-messages.ts";
import { memoryLeft, Prober } from "./repository/probe/prober.ts";
import { RepositoryWatch } from "./repository/repository-watch.ts";
import { RemoteModels, reloadIn } from "./repository/sources/remote-models.ts";
import { Completions } from "./runtime/completions.ts";
import { RunWatch } from "./runtime/run-watch.ts";
import type { PredictionScheduler, ServedModel } from "./runtime/served-model.ts";
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
// TF32, which CUDA's libraries use by default, keeps three digits, and others from one size of batch to another: a row's
// answer would depend on what it is batched with, and could not be cached. Whoever wants the speed sets it to 1.
process.env.NVIDIA_TF32_OVERRIDE ??= "0";
// CUDA counts devices by speed unless told to count them as nvidia-smi does.
process.env.CUDA_DEVICE_ORDER ??= "PCI_BUS_ID";

/** Mean queueing time above which a device counts as overloaded (DAGOR's figure). */
const OVERLOADED_WAIT_MS = 20;
/** How long the goodbye may take, unless half of the time to drain is less. */
const GOODBYE_MS = 500;

async function serve({ settings, fellBack }: UsableSettings): Promise<void> {
  const log = createLog("pool", settings.logLevel);
  if (!process.versions.node.startsWith("22.")) {
    log.warn({ node: process.versions.node }, "FP16 models fail on this Node; the pool is made for Node 22");
  }
  if (fellBack !== undefined) log.warn({ reason: fellBack }, "models run on the CPU: CUDA cannot be used");
  const memoryBytes = settings.memoryLimitBytes ?? memoryLimit();
  const prober = settings.probe
    ? new Prober({
        limitMs: settings.probeLimitMs,
        memoryLimitBytes: () => memoryLeft(memoryBytes),
        log,
        onPassed: (digest, report) => tellParent({ kind: "passed", trial: { digest, report } }),
      })
    : undefined;
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
  observeFallback(metrics.registry, fellBack !== undefined);
  const deviceName = provider === "cpu" ? "cpu" : `${provider}:${deviceId}`;
  // Before anything is measured: the memory of the context would count as the first model's.
  if (provider === "cuda") await runOneNode(provider, deviceId);
  const opened = await openDevice({
    provider,
    deviceId,
    name: deviceName,
    memoryBytes: settings.deviceMemoryBytes,
    registry: metrics.registry,
    log,
    environment: process.env,
    now: realClock.now,
    onRecycle: (reason, lostBy) =>
      startAnew(
        reason,
        servingAs(({ name, version }) => `${name}/${version}` === lostBy),
      ),
  });
  const completions = new Completions(realClock.now);
  const { loadLimitMs: limitMs } = settings;
  const loading = new Loading({
    ...{ tell: tellParent, limitMs },
    onHung: (artefact) =>
      startAnew(`${runsOf(artefact)}, is not loaded after ${limitMs} ms`, { ...artefact, during: "load" }),
  });
  // A CPU that has no memory for a run has memory for the next one, and its sessions are as good as before.
  const recovery = provider === "cpu" ? undefined : { guard: opened.guard, capacityBytes: opened.totalBytes };
  const device: Device = { provider, deviceId, computeThreads, slots, scheduler, completions, recovery };
  const repository = new ModelRepository({
    folders: settings.modelFolders,
    load: async (artefact, onCrash) => {
      let probed: ProbeReport | undefined;
      const tryOut = async () => {
        probed = await probe(artefact, device, prober);
      };
      // Of a CPU's memory it tells how much is needed. On a GPU it takes some, so that room is made first.
      const onGpu = provider !== "cpu";
      if (!onGpu) await tryOut();
      const tryOutOnGpu = async () => {
        await tryOut();
        // What it held would be gone in the middle of what is measured next.
        await prober?.release();
      };
      const open = async (release: () => void) => {
        const { name: model, version, digest } = artefact;
        const loaded = await loading.during({ model, version, digest }, () => {
          log.info({ model, version }, "loading model");
          return loadModel(artefact, device, metrics, log, onCrash, probed);
        });
        loaded.onClosed = release;
        const loadedAt = Date.now();
        const lastUsedAt = () => Math.max(loadedAt, loaded.statistics.lastInference);
        const takes = (bytes: number) => {
          loaded.memory = { provider, deviceId, bytes };
        };
        return { loaded, placed: { lastUsedAt, takes, evict: () => repository.evict(loaded) } };
      };
      return loadOnDevice(opened, await modelLoadOf(artefact, device, probed), open, onGpu ? tryOutOnGpu : undefined);
    },
    loadEnsemble: (source, lookUp) =>
      loadEnsemble(source, lookUp, (model, version) => metrics.forModel(model, version)),
    beforeReady: () =>
      rehearse({ host: settings.host, port: server.port, key: settings.signingKeys?.[0] }, repository.served()),
    log,
  });
  const remote = new RemoteModels(settings.modelRemotes, {
    ...{ maxBytes: settings.modelsCacheBytes, everyMs: settings.modelsPollMs },
    ...{ clock: realClock, random: Math.random, log },
  });
  const authenticator = settings.signingKeys
    ? new SignatureAuthenticator(settings.signingKeys, Date.now, (reason) => metrics.signatureRejected(reason))
    : openAuthenticator;
  const { maxBodyBytes } = settings;
  const { version } = packageJson;
  const { nodeName: node, hardware } = settings;
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
  let watch: RepositoryWatch | undefined;
  let stopping = false;
  const stopped = new AbortController();
  /** Says goodbye, and goes on taking requests for as long as edges may not have heard of it. */
  const leave = async () => {
    if (!announcer) return;
    const most = settings.drainMs / 2;
    await announcer.leave(Math.min(GOODBYE_MS, most));
    await sleep(Math.min(settings.leaveMs, most));
  };
  const drainAtMost = () => {
    setTimeout(() => {
      log.error({ drainMs: settings.drainMs }, "not drained in time");
      killSelf();
    }, settings.drainMs).unref();
  };
  const endBackgroundWork = () => {
    stopped.abort();
    void remote.stop();
    runWatch.stop();
    watch?.stop();
    prober?.close();
    opened.close();
  };
  const stop = (why: string) => {
    if (stopping) killSelf();
    stopping = true;
    log.info({ why }, "draining");
    drainAtMost();
    endBackgroundWork();
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
  const servingAs = (isIt: (model: ServedModel["identity"]) => boolean): Culprit | undefined => {
    const identity = repository.served().find((model) => isIt(model.identity))?.identity;
    if (!identity) return undefined;
    return { model: identity.name, version: identity.version, digest: identity.digest, during: "serving" };
  };
  const loadLater = (model: string) =>
    void repository.loadAgain(model).catch((error: unknown) => {
      log.error({ model, reason: asWarmgateError(error).message }, "model not loaded");
    });
  const startAnew = (reason: string, culprit?: Culprit) => {
    if (stopping) return;
    stopping = true;
    log.error({ reason }, "answering what can be answered, then starting anew");
    tellParent({ kind: "stuck", reason, culprit });
    drainAtMost();
    endBackgroundWork();
    // No leaving slowly: what comes now would wait for a device that does not get free.
    void announcer?.leave(GOODBYE_MS);
    void server.drain().then(killSelf);
  };
  const runWatch = new RunWatch({
    completions,
    limitMs: settings.runLimitMs,
    onHung: (reason, model) => {
      const warmingUp = loading.warmingUp(model);
      startAnew(
        reason,
        warmingUp
          ? { ...warmingUp, during: "warm_up" }
          : servingAs(({ name, version }) => runsOf({ model: name, version }) === model),
      );
    },
  });
  const known = Promise.withResolvers<Known>();
  if (!process.connected) known.resolve({ leftOut: [], passed: [] });
  process.on("message", (message) => {
    const word = supervisorWord.safeParse(message).data;
    if (word?.kind === "ping") tellParent({ kind: "alive" });
    else if (word) known.resolve(word);
  });
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => {
    // Ctrl-C reaches every process of a terminal; below a supervisor the signal to follow is the supervisor's.
    if (!process.connected) stop("SIGINT");
  });
  process.on("disconnect", () => stop("the supervisor has gone"));

  const { drainMs, aliveLimitMs } = settings;
  tellParent({ kind: "started", provider, drainMs, aliveLimitMs });

  const { leftOut, passed } = await known.promise;
  prober?.know(passed);
  // The first process of a supervisor has everything to try.
  if (passed.length === 0) prober?.prepare();

  // Ports first: a taken one must be known before minutes are spent on loading.
  await server.listen(settings.port, settings.host);
  await listenOperations(operations, settings);
  try {
    await remote.bring(stopped.signal);
  } catch (error) {
    if (stopping) return;
    throw error;
  }
  if (settings.pollMs > 0) {
    watch = await RepositoryWatch.begin({
      folders: settings.modelFolders,
      everyMs: settings.pollMs,
      load: (name) => repository.load(name),
      remove: (name) => repository.remove(name),
      log,
    });
  }
  repository.leaveOut(leftOut);
  await repository.loadAll();
  const descriptors = descriptorLimit();
  if (descriptors !== undefined) server.limitConnections(await mostConnections(descriptors));
  if (stopping) return;
  watch?.start();
  if (settings.modelsPollMs > 0) remote.poll(reloadIn(repository));
  // From here on, as loading blocks the loop and takes memory that no refusal would give back.
  readings = new ProcessReadings({
    onSample: (sample) => overload.observe(sample),
    memoryLimitBytes: memoryBytes,
    descriptorLimit: descriptors,
  });
  announcer = announcerOf(settings, server.port, description, metrics, log);
  announcer?.start();
  log.info({ port: server.port, models: repository.index().length }, "ready");
  const address = operations.address();
  const opsPort = typeof address === "object" && address ? address.port : 0;
  tellParent({ kind: "ready", port: server.port, opsPort });
  for (const { model, forMs } of leftOut) {
    if (forMs !== undefined) setTimeout(() => !stopping && loadLater(model), forMs).unref();
  }
}

/** Tries an artefact where it can do no harm. */
async function probe(artefact: Artefact, device: Device, prober?: Prober): Promise<ProbeReport | undefined> {
  const { name: model, version, digest } = artefact;
  const [sample] = readSamples(artefact.settings);
  return prober?.probe({ model, version, digest, settings: workerSettingsOf(artefact, device), sample });
}

/** What is known beforehand of what a model will take. */
async function modelLoadOf(artefact: Artefact, device: Device, probed?: ProbeReport): Promise<ModelLoad> {
  const { name: model, version, files, settings } = artefact;
  const instances = await instanceCount(artefact, device);
  return { model, version, files, instances, probedBytes: probed?.memoryBytes, evictable: settings.evictable };
}

/** Ends at once. `process.exit` would wait for the threads, and one that is in the middle of a run may never come back. */
function killSelf(): void {
  process.kill(process.pid, "SIGKILL");
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
  const args = process.argv.slice(2);
  const provenProvider = process.env[PROVEN_PROVIDER];
  const isUsable: typeof checkProvider = (provider, ...where) =>
    provider === provenProvider ? Promise.resolve({ kind: "usable" }) : checkProvider(provider, ...where);
  await serve(await usableSettings((...more) => readSettings([...args, ...more], process.env), isUsable));
} catch (error) {
  process.stderr.write(`${describe(error)}\n`);
  process.exit(EXIT_MISCONFIGURED);
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ("code" in error && error.code === "EADDRINUSE" && "port" in error) {
    return `port ${String(error.port)} is taken by another program`;
  }
  if ("syscall" in error && error.syscall === "scandir" && "code" in error && "path" in error) {
    const isAbsent = error.code === "ENOENT";
    return `the folder ${String(error.path)} ${isAbsent ? "is not there" : `cannot be read (${String(error.code)})`}`;
  }
  return error.message;
}
