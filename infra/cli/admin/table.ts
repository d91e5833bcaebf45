/** Text in columns for people; programs are given `--json`. The same on a terminal and in a pipe. */

export interface Column<Row> {
  readonly title: string;
  /** Numbers stand at the right. */
  readonly numeric?: true;
  readonly cell: (row: Row) => string;
}

const GAP = "  ";

/** Lines without spaces at their end. Columns are as wide as their widest cell, counted in characters. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ cell }) => plain(cell(row)) || "-")),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => widthOf(line[index] ?? ""))));
  return cells
    .map((line) =>
      line
        .map((text, index) => {
          const space = " ".repeat((widths[index] ?? 0) - widthOf(text));
          return columns[index]?.numeric ? space + text : text + space;
        })
        .join(GAP)
        .trimEnd(),
    )
    .join("\n");
}

/** One thing's properties, a line each. */
export function properties(pairs: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}${GAP}${plain(value) || "-"}`).join("\n");
}

/**
 * What a server sent, fit for a terminal: names are given by tenants, and control characters in them, or ones that turn the direction
 * of text, could rewrite what an operator reads.
 */
export function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, "\ufffd");
}

/** ISO 8601 in UTC, to the second. @param at milliseconds since 1970 */
export function timeText(at: number): string {
  return `${new Date(at).toISOString().slice(0, -5)}Z`;
}

function widthOf(text: string): number {
  return [...text].length;
}
