/** Shows how far something is, over what it showed before; undefined takes it away. */
export type ShowProgress = (text: string | undefined) => void;

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const CLEAR_LINE = "\r\x1b[2K";
const USUAL_COLUMNS = 80;

/** One line that is written again and again; undefined where no terminal would make one line of it. */
export function progressLine(stream: Stream): ShowProgress | undefined {
  if (!stream.isTTY) return undefined;
  let shown = false;
  return (text) => {
    if (text === undefined && !shown) return;
    shown = text !== undefined;
    // A line that wraps could not be taken back. Some terminals do not know their width and say 0.
    const room = (stream.columns || USUAL_COLUMNS) - 1;
    stream.write(`${CLEAR_LINE}${text === undefined ? "" : [...text].slice(0, room).join("")}`);
  };
}
