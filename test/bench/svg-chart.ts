/** Line charts as standalone SVG, for the curves that the benchmarks and the simulation store beside their figures. */

export interface Series {
  readonly name: string;
  /** x and y; points that are not finite, or not positive on a logarithmic axis, are left out. */
  readonly points: readonly (readonly [number, number])[];
}

export interface LineChart {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Dotted lines across the chart, such as a deadline (on y) or the capacity (on x). */
  readonly marks?: readonly { readonly axis: "x" | "y"; readonly at: number; readonly label: string }[];
}

export interface Axis {
  readonly label: string;
  readonly log?: boolean;
}

const WIDTH = 640;
const HEIGHT = 360;
const LEFT = 64;
const RIGHT = 24;
const TOP = 40;
const LEGEND_LINE = 18;
/** Okabe and Ito's palette, which colour-blind readers can tell apart; dashes say the same without colour. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"];
const DASHES = ["", "7 4", "2 3", "9 3 2 3", "5 2", "1 2"];

interface Scale {
  readonly ticks: readonly number[];
  /** Part of the axis, 0 at its start and 1 at its end. */
  place(value: number): number;
}

/** @returns the whole SVG document */
export function lineChart({ title, x, y, series, marks = [] }: LineChart): string {
  const drawn = series.map(({ name, points }) => ({
    name,
    points: points.filter(([px, py]) => isPlottable(px, x) && isPlottable(py, y)),
  }));
  const all = drawn.flatMap(({ points }) => points);
  const along = (axis: "x" | "y") => marks.filter((mark) => mark.axis === axis).map(({ at }) => at);
  const xScale = scaleOf([...all.map(([px]) => px), ...along("x")], x, false);
  const yScale = scaleOf([...all.map(([, py]) => py), ...along("y")], y, true);
  const legendTop = HEIGHT + 12;
  const height = legendTop + Math.ceil(drawn.length / 2) * LEGEND_LINE + 8;
  const bottom = HEIGHT - 44;
  const toX = (value: number) => LEFT + xScale.place(value) * (WIDTH - LEFT - RIGHT);
  const toY = (value: number) => bottom - yScale.place(value) * (bottom - TOP);

  const parts: string[] = [];
  for (const tick of xScale.ticks) {
    parts.push(line(toX(tick), TOP, toX(tick), bottom, "grid"), label(toX(tick), bottom + 16, "middle", short(tick)));
  }
  for (const tick of yScale.ticks) {
    parts.push(line(LEFT, toY(tick), WIDTH - RIGHT, toY(tick), "grid"));
    parts.push(label(LEFT - 8, toY(tick) + 4, "end", short(tick)));
  }
  for (const { axis, at, label: text } of marks) {
    if (axis === "x") {
      parts.push(line(toX(at), TOP, toX(at), bottom, "mark"), label(toX(at) + 4, TOP + 12, "start", text));
    } else {
      parts.push(line(LEFT, toY(at), WIDTH - RIGHT, toY(at), "mark"), label(LEFT + 6, toY(at) - 5, "start", text));
    }
  }
  for (const [index, { name, points }] of drawn.entries()) {
    const colour = COLOURS[index % COLOURS.length];
    const dash = DASHES[index % DASHES.length];
    const path = points.map(([px, py]) => `${round(toX(px))},${round(toY(py))}`).join(" ");
    const style = `stroke="${colour}"${dash ? ` stroke-dasharray="${dash}"` : ""}`;
    parts.push(`<polyline class="line" ${style} points="${path}"/>`);
    for (const [px, py] of points) {
      parts.push(`<circle cx="${round(toX(px))}" cy="${round(toY(py))}" r="2.5" fill="${colour}"/>`);
    }
    const legendX = LEFT + (index % 2) * ((WIDTH - LEFT) / 2);
    const legendY = legendTop + Math.floor(index / 2) * LEGEND_LINE;
    parts.push(`<line x1="${legendX}" y1="${legendY}" x2="${legendX + 28}" y2="${legendY}" class="line" ${style}/>`);
    parts.push(label(legendX + 36, legendY + 4, "start", name));
  }
  parts.push(label(LEFT, 24, "start", title, "title"));
  parts.push(label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "middle", x.label));
  parts.push(`<g transform="translate(16 ${(TOP + bottom) / 2}) rotate(-90)">${label(0, 0, "middle", y.label)}</g>`);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    "<style>text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:14px}.grid{stroke:#d8dee4}",
    ".mark{stroke:#57606a;stroke-dasharray:3 3}.line{fill:none;stroke-width:2}</style>",
    `<rect width="${WIDTH}" height="${height}" rx="6" fill="#fff"/>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

function scaleOf(values: readonly number[], { log = false }: Axis, fromZero: boolean): Scale {
  let low = Math.min(...values);
  let high = Math.max(...values);
  if (!Number.isFinite(low)) [low, high] = log ? [1, 10] : [0, 1];
  if (log) {
    const first = Math.floor(Math.log10(low) + 1e-9);
    const last = Math.max(first + 1, Math.ceil(Math.log10(high) - 1e-9));
    const ticks = Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
    return { ticks, place: (value) => (Math.log10(value) - first) / (last - first) };
  }
  if (fromZero || low > 0) low = Math.min(0, low);
  const step = roundStep((high - low || 1) / 6);
  const start = Math.floor(low / step + 1e-9) * step;
  const count = Math.max(1, Math.ceil((high - start) / step - 1e-9));
  const ticks = Array.from({ length: count + 1 }, (_, index) => Number((start + index * step).toPrecision(12)));
  return { ticks, place: (value) => (value - start) / (count * step) };
}

/** The next larger of 1, 2, 5 times a power of ten. */
function roundStep(atLeast: number): number {
  const power = 10 ** Math.floor(Math.log10(atLeast));
  return ([1, 2, 5, 10].find((factor) => factor * power >= atLeast * (1 - 1e-9)) ?? 10) * power;
}

function isPlottable(value: number, { log = false }: Axis): boolean {
  return Number.isFinite(value) && (!log || value > 0);
}

function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(Number(value.toPrecision(4)));
}

function line(x1: number, y1: number, x2: number, y2: number, kind: string): string {
  return `<line class="${kind}" x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"/>`;
}

function label(x: number, y: number, anchor: string, content: string, kind?: string): string {
  const style = kind ? ` class="${kind}"` : "";
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"${style}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
