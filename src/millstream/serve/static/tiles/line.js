// Lines over time.
//
// in    with x: rows of event time, one line per value of `by` or per y; without x: the values of
//       rows as they are now, sampled once a second, one line per row
// out   a plot; of more lines than eight the largest are drawn, and the rest is counted

import { Plot } from "../lib/chart.js";
import { compact } from "../lib/format.js";
import { pastOf } from "../lib/past.js";
import { finite, instant } from "../lib/rows.js";
import { made, write } from "./parts.js";

const LINES_MAX = 8;
const POINTS = 1_000;

export class Lines {
  static feed(view) {
    const { x, y, order, limit } = view.chart;
    if (x) return { limit: limit ?? POINTS, order: order ?? `-${x}` };
    return { limit: limit ?? LINES_MAX, order: order ?? (y[0] ? `-${y[0]}` : undefined) };
  }

  constructor(element, view) {
    this.view = view;
    const { x, title } = view.chart;
    const type = view.columns.find((column) => column.name === x)?.type ?? "";
    this.past = x ? null : pastOf(view.name);
    element.classList.add("lines");
    const place = made("div", element, "lines-plot");
    this.plot = new Plot(place, {
      label: title,
      format: compact,
      utc: Boolean(x) && !type.startsWith("TIMESTAMP_LTZ"),
    });
    this.more = made("p", element, "more");
    this.point = {};
  }

  update(rows) {
    if (this.past) {
      this.point = pointOf(rows, this.view);
      return;
    }
    const { at, series, more } = pivoted(rows, this.view.chart);
    this.plot.set(at, series);
    write(this.more, more ? `and ${more} more` : "");
  }

  tick(now_ms) {
    if (!this.past || !this.past.add(now_ms, this.point)) return;
    const names = Object.keys(this.point).slice(0, LINES_MAX);
    this.plot.set(
      this.past.at,
      names.map((label) => ({ label, values: this.past.of(label) })),
    );
  }

  destroy() {
    this.plot.destroy();
  }
}

/** The value of each row under its name. */
function pointOf(rows, view) {
  const { y, by } = view.chart;
  const named = (by ? [by] : (view.key ?? [])).map((name) => rows.index(name));
  const found = rows.sorted();
  const point = Object.create(null); // rows may name a line as they like
  for (const [id, row] of found) {
    for (const name of y) {
      const parts = named.map((at) => String(row[at]));
      if (y.length > 1 || !parts.length) parts.push(name);
      if (!named.length && found.length > 1) parts.push(String(id));
      point[parts.join(" ")] = finite(row[rows.index(name)]);
    }
  }
  return point;
}

/**
 * Rows of event time as lines on one axis; a line goes on over times that only others have.
 * @returns {{at: number[], series: {label: string, values: (number|null|undefined)[]}[], more: number}}
 */
export function pivoted(rows, { x, y, by }) {
  const [time, split] = [rows.index(x), by ? rows.index(by) : -1];
  const lines = new Map();
  const times = new Set();
  for (const row of rows.byId.values()) {
    const ms = instant(row[time]);
    if (Number.isNaN(ms)) continue;
    times.add(ms);
    for (const name of y) {
      const label = split < 0 ? name : y.length > 1 ? `${row[split]} ${name}` : String(row[split]);
      let line = lines.get(label);
      if (!line) lines.set(label, (line = { points: new Map(), sum: 0 }));
      const value = finite(row[rows.index(name)]);
      line.points.set(ms, value);
      line.sum += Math.abs(value);
    }
  }
  const at = [...times].sort((a, b) => a - b);
  let kept = [...lines];
  const more = Math.max(0, kept.length - LINES_MAX);
  if (more) kept = kept.sort((a, b) => b[1].sum - a[1].sum).slice(0, LINES_MAX);
  if (split >= 0) kept.sort((a, b) => (a[0] < b[0] ? -1 : 1));
  const series = kept.map(([label, { points }]) => ({
    label,
    values: at.map((ms) => points.get(ms)),
  }));
  return { at, series, more };
}
