// Everything known of one step, beside the graph.
//
// in    name of the job, operator (OperatorInfo), range of the history, onClose

import { OverTime } from "../job/charts.js";
import { useHistory } from "../job/history.js";
import { ago, bytes, clock, compact, count, moment, percent, rate } from "../lib/format.js";
import { html, useEffect, useRef } from "../lib/html.js";
import { KINDS } from "./words.js";

export function Panel({ name, operator, range, onClose }) {
  const head = useRef(null);
  const [rowsIn, busy] = [`rows_in_per_s:${operator.id}`, `busy:${operator.id}`];
  const history = useHistory(name, [rowsIn, busy], range);
  useEffect(() => head.current.focus(), [operator.id]);
  const onKey = (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    onClose();
  };
  return html`
    <aside class="panel" aria-label=${`Step ${operator.name}`} onKeyDown=${onKey}>
      <header class="panel-head">
        <div>
          <p class="panel-kind">${KINDS[operator.kind]}</p>
          <h2 ref=${head} tabindex="-1">${operator.name}</h2>
        </div>
        <button type="button" class="close" onClick=${onClose} aria-label="Close">×</button>
      </header>
      <p class="panel-label">${operator.label}</p>
      <dl class="pairs">
        ${factsOf(operator).map(([name, value]) => html`
          <div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
      </dl>
      <h3>Rows in</h3>
      <${OverTime} title=${`Rows into ${operator.name}`} history=${history} format=${rate}
        height=${96} lines=${[[rowsIn, "in", 0]]} legend=${false} />
      <h3>Busy</h3>
      <${OverTime} title=${`How busy ${operator.name} is`} history=${history} format=${percent}
        height=${96} max=${1} lines=${[[busy, "busy", 2]]} legend=${false} />
      ${operator.splits.length > 0 && html`<${Splits} splits=${operator.splits} />`}
    </aside>`;
}

function factsOf(one) {
  const facts = [
    ["Rows in", `${count(one.rows_in)} (${compact(one.rows_in_per_s)}/s)`],
    one.kind !== "sink" && ["Rows out", `${count(one.rows_out)} (${compact(one.rows_out_per_s)}/s)`],
    ["Busy", percent(one.busy)],
    one.watermark_ms !== null && ["Watermark", moment(one.watermark_ms)],
    one.state_rows > 0 && ["State", `${count(one.state_rows)} entries, ${bytes(one.state_bytes)}`],
    ["Late", count(one.rows_late)],
    one.rows_dropped > 0 && ["Gone, the view is full", count(one.rows_dropped)],
    ["Rejected", count(one.rows_rejected)],
    one.bytes_in > 0 && ["Bytes in", bytes(one.bytes_in)],
    one.bytes_out > 0 && ["Bytes out", bytes(one.bytes_out)],
    one.bytes_queued > 0 && ["Waits to be written", bytes(one.bytes_queued)],
    ["Id", html`<code>${one.id}</code>`],
  ];
  return facts.filter(Boolean);
}

function Splits({ splits }) {
  return html`
    <h3>Splits <span class="dim">${splits.length}</span></h3>
    <div class="scroll" tabindex="0" role="region" aria-label="Splits">
      <table class="splits">
        <thead>
          <tr>
            <th scope="col">Split</th><th scope="col" class="number">Rows</th>
            <th scope="col" class="number">Waiting</th><th scope="col" class="number">Watermark</th>
            <th scope="col">Last row</th>
          </tr>
        </thead>
        <tbody>
          ${splits.map((split) => html`
            <tr key=${split.split}>
              <th scope="row">${split.split}</th>
              <td class="number">${count(split.rows)}</td>
              <td class="number">${count(split.rows_waiting)}</td>
              <td class="number">${clock(split.watermark_ms)}</td>
              <td>${split.ended ? "ended" : split.idle ? "idle" : ago(split.read_at_ms)}</td>
            </tr>`)}
        </tbody>
      </table>
    </div>`;
}
