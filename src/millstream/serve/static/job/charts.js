// How a job did over time: six small charts on one time axis.
//
// in    history ({at_ms, series}, or null), range and onRange
// note  places are those of the palette --series-1 … 8

import { Chart } from "../lib/chart.js";
import { bytes, duration, percent, rate } from "../lib/format.js";
import { html, useMemo } from "../lib/html.js";
import { RANGES } from "./history.js";

const NO_POINTS = [];
const SYNC = "job";
const CHARTS = [
  { title: "Throughput", format: rate, lines: [["rows_in_per_s", "in", 0], ["rows_out_per_s", "out", 1]] },
  { title: "Latency", format: duration, lines: [["latency_p50_ms", "p50", 0], ["latency_p99_ms", "p99", 3]] },
  { title: "Watermark lag", format: duration, lines: [["lag_ms", "behind the clock", 0]] },
  {
    title: "Busy and held back",
    format: percent,
    max: 1,
    lines: [["busy", "busy", 0], ["pressure", "held back", 3]],
  },
  { title: "Memory and state", format: bytes, lines: [["memory_bytes", "memory", 0], ["state_bytes", "state", 1]] },
  {
    title: "Late and rejected",
    format: rate,
    lines: [["rows_late_per_s", "late", 0], ["rows_rejected_per_s", "rejected", 3]],
  },
];

/** The series that the charts show. */
export const SERIES = CHARTS.flatMap((chart) => chart.lines.map(([key]) => key));

export function Charts({ history, range, onRange }) {
  return html`
    <section class="over-time" aria-labelledby="over-time">
      <header class="section-head">
        <h2 id="over-time">Over time</h2>
        <${Ranges} range=${range} onRange=${onRange} />
      </header>
      <div class="charts">
        ${CHARTS.map((chart) => html`
          <div class="chart-card" key=${chart.title}>
            <h3>${chart.title}</h3>
            <${OverTime} ...${chart} history=${history} />
          </div>`)}
      </div>
    </section>`;
}

/** Some series of a job's history as one chart. */
export function OverTime({ title, lines, history, height = 150, ...options }) {
  const at = history?.at_ms ?? NO_POINTS;
  const waits = at.length < 2;
  const series = useMemo(
    () => lines.map(([key, label]) => ({
      label,
      values: history?.series[key] ?? at.map(() => null),
    })),
    [history],
  );
  if (waits) return html`<${Blank} height=${height} />`;
  return html`<${Chart} label=${title} at=${at} series=${series} height=${height} sync=${SYNC}
    colours=${lines.map(([, , place]) => place)} ...${options} />`;
}

// A line needs two points; until there are, its room is kept.
function Blank({ height }) {
  return html`<p class="chart-blank faint" style=${{ height: `${height + 26}px` }}>
    It is measured every second.</p>`;
}

function Ranges({ range, onRange }) {
  return html`
    <div class="choices" role="radiogroup" aria-label="Time range">
      ${Object.keys(RANGES).map((name) => html`
        <label key=${name} class=${`choice ${name === range ? "is-chosen" : ""}`}>
          <input type="radio" name="range" value=${name} checked=${name === range}
            onChange=${() => onRange(name)} />
          <span>${name}</span>
        </label>`)}
    </div>`;
}
