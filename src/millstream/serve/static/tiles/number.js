// One figure, large, with what it was: the trend of the last minutes and the change in a minute.
//
// in    the first row of a view, its chart's y; two further y are written small beside it
// out   text and a line; the line is the figure's past as this page has seen it

import { extremes, spark } from "../lib/chart.js";
import { cell, compact, exact, NOTHING, titled } from "../lib/format.js";
import { pastOf } from "../lib/past.js";
import { finite, instant, numeric } from "../lib/rows.js";
import { colours, onTheme } from "../lib/theme.js";
import { made, write } from "./parts.js";

const MINUTE_MS = 60_000;
const OTHERS_MAX = 2;
const LONG = 1e9;

export class Figure {
  static feed(view) {
    const { x, limit } = view.chart;
    return { limit: limit ?? (x ? 500 : 1), order: view.chart.order ?? (x ? `-${x}` : undefined) };
  }

  constructor(element, view) {
    this.view = view;
    this.past = pastOf(view.name);
    const [first] = view.chart.y;
    this.name = first ?? view.columns[0].name;
    element.classList.add("figure");
    const head = made("div", element, "figure-head");
    const line = made("p", head, "figure-line");
    this.text = made("strong", line);
    this.change = made("span", line, "figure-change");
    this.change.title = "Change in the last minute";
    this.others = made("dl", head, "figure-others");
    this.texts = view.chart.y.slice(1, 1 + OTHERS_MAX).map((name) => {
      const pair = made("div", this.others);
      made("dt", pair).textContent = titled(name);
      return [name, made("dd", pair)];
    });
    this.others.hidden = !this.texts.length;
    this.canvas = made("canvas", element, "figure-trend");
    this.canvas.setAttribute("role", "img");
    this.value = NaN;
    this._off = onTheme(() => this._draw());
    this._sizes = new ResizeObserver(() => this._draw());
    this._sizes.observe(this.canvas);
  }

  update(rows) {
    const { x } = this.view.chart;
    const sorted = x ? rows.sorted(x) : rows.sorted(this.view.chart.order ?? "", 1);
    const newest = sorted.at(-1)?.[1];
    const at = rows.index(this.name);
    this.value = newest ? numeric(newest[at]) : NaN;
    const shown = (place) => newest ? written(newest[place], rows.columns[place].type) : NOTHING;
    write(this.text, newest ? shown(at) : ""); // the tile says that there are no rows
    for (const [name, text] of this.texts) write(text, shown(rows.index(name)));
    if (x) {
      const place = rows.index(x);
      this.rows = sorted.map(([, row]) => [instant(row[place]), finite(row[at])]);
      this._draw();
    }
  }

  tick(now_ms) {
    if (Number.isFinite(this.value)) this.past.add(now_ms, { [this.name]: this.value });
    const before = this.past.before(this.name, MINUTE_MS);
    const change = before === null || !Number.isFinite(this.value) ? 0 : this.value - before;
    const sign = change > 0 ? "▲" : "▼";
    write(this.change, change ? `${sign} ${compact(Math.abs(change))}/min` : "");
    this._draw();
  }

  destroy() {
    this._off();
    this._sizes.disconnect();
  }

  _draw() {
    const values = this.rows?.map(([, value]) => value) ?? this.past.of(this.name);
    spark(this.canvas, values, colours().series[0]);
    const [low, high] = extremes(values);
    const label = `Trend of ${titled(this.name)}, between ${compact(low)} and ${compact(high)}`;
    if (label !== this.canvas.ariaLabel) this.canvas.ariaLabel = label;
  }
}

/** A figure in so many digits as are read from afar; what is no number as it is. */
function written(said, type) {
  const value = numeric(said);
  if (!Number.isFinite(value)) return cell(said, type);
  const size = Math.abs(value);
  if (size >= LONG) return compact(value);
  return exact(Number(size >= 1 ? value.toFixed(size < 1e6 ? 2 : 0) : value.toPrecision(3)));
}
