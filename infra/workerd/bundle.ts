import { readFile } from "node:fs/promises";
import { build, type Plugin } from "esbuild";

/** The files that wrangler.toml's `rules` declare to be text. */
const AS_TEXT = /swagger-ui-dist\/swagger-ui(-bundle\.js|\.css)$/;

const textModules: Plugin = {
  name: "text-modules",
  setup(bundler) {
    bundler.onLoad({ filter: AS_TEXT }, async ({ path }) => ({
      contents: await readFile(path, "utf8"),
      loader: "text",
    }));
  },
};

/** The Worker as one ES module, built as wrangler would. */
export async function bundleWorker(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    plugins: [textModules],
    logLevel: "warning",
  });
  const [file] = outputFiles;
  if (!file) throw new Error("the Worker could not be bundled");
  return file.text;
}
