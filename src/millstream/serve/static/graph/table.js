// The steps of a plan as a table: the same figures as the picture, for those who compare them.

import { bytes, clock, compact, count, percent } from "../lib/format.js";
import { html } from "../lib/html.js";
import { KINDS, nodeId } from "./words.js";

export function PlanTable({ plan, chosen, onChoose }) {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label="Steps">
      <table class="steps">
        <thead>
          <tr>
            <th scope="col">Step</th><th scope="col">Kind</th>
            <th scope="col" class="number">In/s</th><th scope="col" class="number">Out/s</th>
            <th scope="col" class="number">Busy</th><th scope="col" class="number">Watermark</th>
            <th scope="col" class="number">State</th><th scope="col" class="number">Late</th>
            <th scope="col" class="number">Rejected</th>
          </tr>
        </thead>
        <tbody>
          ${plan.operators.map((one) => html`
            <tr key=${one.id} class=${one.id === chosen ? "is-chosen" : ""}>
              <th scope="row">
                <button type="button" class="as-link" id=${nodeId(one.id)} onClick=${() => onChoose(one.id)}>
                  ${one.name}
                </button>
              </th>
              <td>${KINDS[one.kind]}</td>
              <td class="number">${compact(one.rows_in_per_s)}</td>
              <td class="number">${one.kind === "sink" ? "" : compact(one.rows_out_per_s)}</td>
              <td class="number">${percent(one.busy)}</td>
              <td class="number">${clock(one.watermark_ms)}</td>
              <td class="number">${one.state_rows ? bytes(one.state_bytes) : ""}</td>
              <td class="number">${count(one.rows_late)}</td>
              <td class="number">${count(one.rows_rejected)}</td>
            </tr>`)}
        </tbody>
      </table>
    </div>`;
}
