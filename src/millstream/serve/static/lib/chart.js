// Lines over time, drawn by uPlot.
//
// in    times in milliseconds, and series {label, values} of the same length (null is a gap,
//       undefined a time at which another series has a point); how a value is written
// out   Plot, for those who draw by hand:  plot = new Plot(element, {label, format}); plot.set(at,
//       series); plot.destroy().  Chart, a component with the same and a table of the points for
//       those who do not see it:  html`<${Chart} label="Rows" at=${at} series=${[{label: "in",
//       values}]} format=${rate} />`
//       Options: height (px; default: that of the element), fill (area below; default: one series
//       only), utc (times have no zone), zero (axis begins at 0; default true), max (top of the
//       axis, for shares), sync (charts with the same key share the cursor), legend (default true),
//       colours (places in the palette --series-1 … 8, one per series)
// note  follows theme and size; the canvas is drawn again only by set(), theme and size

import uPlot from "../vendor/uplot.js";
import { bytes, compact, moment } from "./format.js";
import { nextFrame, notNextFrame } from "./frames.js";
import { html, useLayoutEffect, useRef, useState } from "./html.js";
import { colours, onTheme } from "./theme.js";

const DAY_MS = 86_400_000;
const SAID_EVERY_MS = 5_000;
const TABLE_ROWS = 60;
/** Steps of an axis of bytes, so that its ticks are round in KiB and MiB too. */
const BYTE_STEPS = Array.from({ length: 50 }, (_, n) => 2 ** n);
const FONT = '11px "Inter", system-ui, sans-serif';

/** @typedef {{label: string, values: (number|null)[]}} Series */

export class Plot {
  constructor(element, options = {}) {
    this.element = element;
    this.options = { format: compact, zero: true, legend: true, ...options };
    this.at = [];
    this.series = [];
    this._said_ms = 0;
    this._shape = "";
    element.classList.add("plot");
    this._canvas = element.appendChild(document.createElement("div"));
    this._canvas.className = "plot-canvas";
    this._canvas.setAttribute("role", "img");
    this._canvas.setAttribute("aria-label", options.label ?? "Chart");
    this._legend = element.appendChild(document.createElement("ul"));
    this._legend.className = "plot-legend";
    this._legend.hidden = !this.options.legend;
    this._resize = () => this._fit();
    this._sizes = new ResizeObserver(() => nextFrame(this._resize));
    this._sizes.observe(this._canvas);
    this._offTheme = onTheme(() => this._coloured());
    if (this.options.height) this._canvas.style.height = `${this.options.height}px`;
  }

  /** Show these points instead of what there was. @param {number[]} at @param {Series[]} series */
  set(at, series) {
    this.at = at;
    this.series = series;
    const shape = JSON.stringify(series.map((one) => one.label));
    if (shape !== this._shape) {
      this._shape = shape;
      this._build();
    } else {
      this._chart?.setData([at, ...series.map((one) => one.values)]);
    }
    this._values(null);
    this._describe();
  }

  destroy() {
    this._offTheme();
    this._sizes.disconnect();
    notNextFrame(this._resize);
    this._chart?.destroy();
    this.element.replaceChildren();
  }

  _build() {
    this._chart?.destroy();
    this._chart = null;
    const { legend } = this.options;
    this._legend.replaceChildren(...(legend ? this.series.map((one, n) => this._entry(one, n)) : []));
    if (legend) this._time = this._legend.appendChild(made("li", "plot-time"));
    this._fit();
  }

  _fit() {
    const { clientWidth: width, clientHeight: height } = this._canvas;
    if (!width || !height || !this.series.length) return;
    if (this._chart) {
      if (width !== this._chart.width || height !== this._chart.height)
        this._chart.setSize({ width, height });
      return;
    }
    const data = [this.at, ...this.series.map((one) => one.values)];
    this._chart = new uPlot(this._settings(width, height), data, this._canvas);
  }

  _settings(width, height) {
    const { format, utc, zero, max, sync } = this.options;
    const fill = this.options.fill ?? this.series.length === 1;
    const axis = {
      stroke: () => colours().faint,
      font: FONT,
      ticks: { show: false },
      border: { show: false },
    };
    return {
      width,
      height,
      ms: 1,
      padding: [8, 26, 0, 0],
      legend: { show: false },
      tzDate: utc ? (ms) => uPlot.tzDate(new Date(ms), "Etc/UTC") : undefined,
      cursor: {
        y: false,
        points: { size: 6, width: 2, fill: () => colours().surface },
        drag: { x: false, y: false },
        sync: sync ? { key: sync } : undefined,
      },
      hooks: { setCursor: [(chart) => this._values(chart.cursor.idx)] },
      scales: {
        x: { time: true },
        y: { range: (_, low, high) => rangeOf(low, high, zero, max) },
      },
      axes: [
        {
          ...axis,
          size: 24,
          gap: 4,
          grid: { show: false },
          space: 62,
          values: (_, splits, __, ___, step) => splits.map((ms) => tick(ms, step, utc)),
        },
        {
          ...axis,
          size: (_, texts) => 14 + 6.4 * Math.max(3, ...(texts ?? []).map((text) => text.length)),
          gap: 6,
          space: 34,
          incrs: format === bytes ? BYTE_STEPS : undefined,
          grid: { stroke: () => colours().line, width: 1 },
          values: (_, splits) => splits.map((value) => (value === null ? "" : format(value))),
        },
      ],
      series: [
        {},
        ...this.series.map((one, n) => ({
          label: one.label,
          width: 1.5,
          spanGaps: false,
          points: { show: true, size: 4, filter: (chart, place) => alone(chart.data[place]) },
          stroke: () => this._colour(n),
          fill: fill ? () => faded(this._colour(n)) : undefined,
        })),
      ],
    };
  }

  _colour(n) {
    const { series } = colours();
    return series[(this.options.colours?.[n] ?? n) % series.length];
  }

  _coloured() {
    this._chart?.redraw(false);
    [...this._legend.querySelectorAll("i")].forEach((mark, n) => {
      mark.style.backgroundColor = this._colour(n);
    });
  }

  _entry(one, n) {
    const entry = made("li");
    const mark = entry.appendChild(made("i"));
    mark.style.backgroundColor = this._colour(n);
    entry.appendChild(made("span")).textContent = one.label;
    entry.appendChild(made("b"));
    return entry;
  }

  /** Write the values of a point into the legend; without one, the newest. */
  _values(place) {
    if (!this.options.legend) return;
    const at = place ?? this.at.length - 1;
    [...this._legend.querySelectorAll("b")].forEach((text, n) => {
      const value = place === null || place === undefined
        ? last(this.series[n].values)
        : this.series[n].values[at];
      changed(text, this.options.format(value ?? NaN));
    });
    const hovered = place !== null && place !== undefined;
    if (this._time) changed(this._time, hovered ? tick(this.at[at], 1, this.options.utc, true) : "");
  }

  _describe() {
    const now = performance.now();
    if (now - this._said_ms < SAID_EVERY_MS && this._said_ms) return;
    this._said_ms = now;
    const { format, label = "Chart" } = this.options;
    const parts = this.series.map((one) => {
      const [low, high] = extremes(one.values);
      return `${one.label} now ${format(last(one.values))}, between ${format(low)} and ${format(high)}`;
    });
    this._canvas.setAttribute("aria-label", `${label}, line chart: ${parts.join("; ") || "no data"}`);
  }
}

/** A plot as a component. */
export function Chart({ at, series, ...options }) {
  const place = useRef(null);
  const plot = useRef(null);
  const { label, height = 160, legend, sync, max, utc, fill } = options;
  useLayoutEffect(() => {
    plot.current = new Plot(place.current, { ...options, height });
    return () => plot.current.destroy();
  }, [label, height, legend, sync, max, utc, fill]);
  useLayoutEffect(() => plot.current.set(at, series), [at, series, label, height, legend, sync, max, utc]);
  return html`<figure class="chart" aria-label=${label}>
    <div ref=${place}></div>
    <${AsTable} label=${label} at=${at} series=${series} format=${options.format ?? compact} />
  </figure>`;
}

/** The newest points as a table, made only when it is opened. */
export function AsTable({ label, at, series, format }) {
  const [open, show] = useState(false);
  const from = Math.max(0, at.length - TABLE_ROWS);
  const rows = open ? at.slice(from).map((ms, n) => [ms, from + n]).reverse() : [];
  return html`<details class="as-table" onToggle=${(event) => show(event.currentTarget.open)}>
    <summary>Data<span class="unseen"> of ${label}</span></summary>
    ${open &&
    html`<div class="scroll" tabindex="0" role="region" aria-label="Data of ${label}">
      <table>
        <thead><tr><th scope="col">Time</th>${series.map(
          (one) => html`<th scope="col" class="number">${one.label}</th>`,
        )}</tr></thead>
        <tbody>${rows.map(
          ([ms, n]) => html`<tr key=${ms}><td>${moment(ms)}</td>${series.map(
            (one) => html`<td class="number">${format(one.values[n] ?? NaN)}</td>`,
          )}</tr>`,
        )}</tbody>
      </table>
    </div>`}
  </details>`;
}

/** A line without axes, for a cell or a tile. */
export function Spark({ values, label, place = 0, width = 96, height = 24 }) {
  const canvas = useRef(null);
  useLayoutEffect(() => {
    const draw = () => spark(canvas.current, values, colours().series[place]);
    draw();
    return onTheme(draw);
  }, [values, place]);
  return html`<canvas ref=${canvas} class="spark" width=${width} height=${height} role="img"
    style=${{ width: `${width}px`, height: `${height}px` }}
    aria-label="${label}, between ${compact(extremes(values)[0])} and ${compact(extremes(values)[1])}"
  ></canvas>`;
}

/** Draw values as a line with a soft area below into a canvas of its own CSS size. */
export function spark(canvas, values, colour) {
  const scale = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width || !height) return;
  if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
  if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const there = values.map((value, n) => [n, value]).filter(([, value]) => Number.isFinite(value));
  if (there.length < 2) return;
  const [low, high] = extremes(values);
  const span = high - low || 1;
  const x = (n) => (n / (values.length - 1)) * (width - 2) + 1;
  const y = (value) => height - 2 - ((value - low) / span) * (height - 4);
  pen.beginPath();
  there.forEach(([n, value], k) => (k ? pen.lineTo(x(n), y(value)) : pen.moveTo(x(n), y(value))));
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.lineJoin = "round";
  pen.stroke();
  pen.lineTo(x(there.at(-1)[0]), height);
  pen.lineTo(x(there[0][0]), height);
  pen.fillStyle = faded(colour);
  pen.fill();
}

/** Smallest and largest; NaN where there is nothing. */
export function extremes(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low > high ? [NaN, NaN] : [low, high];
}

/** The newest value that is one. */
export function last(values) {
  for (let n = values.length - 1; n >= 0; n -= 1)
    if (Number.isFinite(values[n])) return values[n];
  return NaN;
}

/** Places of points that no line reaches, because there are gaps on both sides. */
export function alone(values) {
  const found = [];
  let before = null;
  let isAfterGap = true;
  for (let n = 0; n <= values.length; n += 1) {
    const value = n < values.length ? values[n] : null;
    if (value === undefined) continue;
    if (value === null) {
      if (before !== null && isAfterGap) found.push(before);
      before = null;
      isAfterGap = true;
      continue;
    }
    if (before !== null) isAfterGap = false;
    before = n;
  }
  return found;
}

/** The same colour, nearly transparent; tokens are written #rrggbb. */
export function faded(colour, alpha = 0.12) {
  return `${colour}${Math.round(255 * alpha).toString(16).padStart(2, "0")}`;
}

function rangeOf(low, high, zero, max) {
  if (low === null || high === null) return [0, max ?? 1];
  const bottom = zero ? Math.min(0, low) : low;
  const top = max ?? (high === bottom ? bottom + 1 : high);
  const air = (top - bottom) * 0.08;
  return [zero && low >= 0 ? 0 : bottom - air, max ?? top + air];
}

/** A time as far as a step of the axis needs it; `dated` with the day where it matters. */
function tick(ms, step, utc, dated = false) {
  // The zone's offset is taken off, so that the parts of a day are read from one text.
  const offset_ms = utc ? 0 : new Date(ms).getTimezoneOffset() * 60_000;
  const [date, time] = new Date(ms - offset_ms).toISOString().split("T");
  if (step >= DAY_MS) return date.slice(-5);
  if (step >= 60_000) return time.slice(0, 5);
  if (step >= 1_000) return time.slice(0, 8);
  if (!dated) return time.slice(0, 12);
  const isToday = new Date(ms).toDateString() === new Date().toDateString();
  return isToday && !utc ? time.slice(0, 8) : `${date} ${time.slice(0, 8)}`;
}

function made(kind, name = "") {
  const element = document.createElement(kind);
  if (name) element.className = name;
  return element;
}

function changed(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
