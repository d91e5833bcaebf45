/** The servers that users know, and what is particular to each. Their apps and versions are in `servers/<name>`. */
import path from "node:path";

export interface FieldServer {
  /** Its folder under `servers/`, and its environment's under `.venv/`. */
  readonly name: string;
  readonly label: string;
}

export const FIELD_SERVERS: readonly FieldServer[] = [
  { name: "litserve", label: "LitServe" },
  { name: "bentoml", label: "BentoML" },
  { name: "mlserver", label: "MLServer" },
  { name: "rayserve", label: "Ray Serve" },
  { name: "triton", label: "Triton (Python backend)" },
];

/** The folder with a server's `requirements.txt` and `start.py`. */
export function serverFolder({ name }: FieldServer): string {
  return path.join(import.meta.dirname, "servers", name);
}
