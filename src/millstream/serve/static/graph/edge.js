// One edge of a plan: as thick as its rate (by powers of ten); and the rate, which is drawn above all
// edges, so that none covers it.

import { compact } from "../lib/format.js";
import { html } from "../lib/html.js";

export function Edge({ edge, drawn, flows }) {
  if (drawn === undefined) return null;
  const moves = flows && edge.rows_per_s > 0;
  const { path } = drawn;
  return html`
    <g class=${`plan-edge ${moves ? `flows flows-${pace(edge.rows_per_s)}` : "rests"}`}
      aria-hidden="true">
      <path class="plan-edge-bed" d=${path} stroke-width=${thickness(edge.rows_per_s)} />
      ${moves && html`<path class="plan-edge-run" d=${path} />`}
    </g>`;
}

export function EdgeRate({ edge, drawn, flows }) {
  if (drawn === undefined || !flows || !(edge.rows_per_s > 0)) return null;
  const text = `${compact(edge.rows_per_s)}/s`;
  const { label } = drawn;
  const width = 8 + 6.6 * text.length;
  return html`
    <g aria-hidden="true">
      <rect class="plan-edge-back" x=${label.x - width / 2} y=${label.y - 9} rx="4"
        width=${width} height="18" />
      <text class="plan-edge-rate" x=${label.x} y=${label.y + 4}>${text}</text>
    </g>`;
}

function thickness(perSecond) {
  return (1.5 + 0.95 * Math.log10(1 + Math.max(0, perSecond))).toFixed(1);
}

function pace(perSecond) {
  if (perSecond >= 10_000) return "fast";
  return perSecond >= 100 ? "steady" : "slow";
}
