import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type LineChart, lineChart } from "./svg-chart.ts";

const chart = (given: Partial<LineChart> = {}): string =>
  lineChart({
    title: "Goodput",
    x: { label: "load" },
    y: { label: "answers a second" },
    series: [{ name: "ours", points: [[0.25, 130] as const, [1, 480] as const, [4, 470] as const] }],
    ...given,
  });
const ticksOf = (svg: string, anchor: string) =>
  [...svg.matchAll(new RegExp(`text-anchor="${anchor}">([\\d.k]+)<`, "g"))].map((match) => match[1]);

describe("the chart writer", () => {
  test("axes begin at zero and have round steps that take in every point", () => {
    assert.deepEqual(ticksOf(chart(), "end"), ["0", "100", "200", "300", "400", "500"]);
    assert.deepEqual(ticksOf(chart(), "middle"), ["0", "1", "2", "3", "4"]);
  });

  test("a logarithmic axis has the powers of ten, evenly spaced", () => {
    const svg = chart({
      y: { label: "ms", log: true },
      series: [{ name: "p99", points: [[0, 3] as const, [1, 900] as const] }],
    });
    assert.deepEqual(ticksOf(svg, "end"), ["1", "10", "100", "1000"]);
    const heights = [...svg.matchAll(/text-anchor="end">/g)].map(
      ({ index }) => /y="([\d.]+)"[^y]*$/.exec(svg.slice(0, index))?.[1],
    );
    const gaps = heights.slice(1).map((height, index) => Number(heights[index]) - Number(height));
    assert.ok(Math.max(...gaps) - Math.min(...gaps) < 0.3, String(gaps));
  });

  test("what cannot be drawn is left out", () => {
    const points = [[0, Number.NaN] as const, [1, 5] as const, [Number.POSITIVE_INFINITY, 1] as const];
    const svg = chart({ series: [{ name: "holes", points }] });
    assert.doesNotMatch(svg, /NaN|Infinity/);
    assert.equal(svg.match(/<circle/g)?.length, 1);
  });

  test("a chart without points is still a chart", () => {
    assert.doesNotMatch(chart({ series: [] }), /NaN|Infinity/);
  });

  test("every series has a line and a name in the legend, each in its own style", () => {
    const names = ["a", "b", "c"];
    const svg = chart({ series: names.map((name) => ({ name, points: [[0, 1] as const, [1, 2] as const] })) });
    for (const name of names) assert.match(svg, new RegExp(`>${name}</text>`));
    const styles = [...svg.matchAll(/<polyline class="line" (.*?) points/g)].map((match) => match[1]);
    assert.equal(new Set(styles).size, 3);
  });

  test("names cannot break out of the document", () => {
    assert.match(chart({ title: '<script>"&' }), /&lt;script&gt;&quot;&amp;/);
  });
});
