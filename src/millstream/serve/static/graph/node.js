// One step of a plan as a box: its name, live rate, mark and state; a bar for how busy it is.

import { bytes, clock, compact, count } from "../lib/format.js";
import { html } from "../lib/html.js";
import { NODE } from "./layout.js";
import { cut, heat, KINDS, rateOf, spoken, waitingOf } from "./words.js";

const PRESSURE_SHOWN = 0.05;
const QUEUED_SHOWN = 1 << 20;
const LETTERS = 25;
const NOTE_LETTERS = 34;

export function Node({ id, operator, job, box, chosen, onChoose, onArrow, onFocus }) {
  const onKey = (event) => {
    if (event.key === "Enter" || event.key === " ") onChoose(operator.id);
    else if (event.key.startsWith("Arrow")) onArrow(operator.id, event.key);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const { width, height } = NODE;
  const warns = warningOf(operator, job);
  const bar = Math.round((width - 24) * Math.min(1, operator.busy));
  const kind = KINDS[operator.kind];
  const busy = `${Math.round(operator.busy * 100)} % busy`;
  const name = cut(operator.name, LETTERS);
  const rows = compact(rateOf(operator));
  const unit = operator.kind === "sink" ? "rows/s in" : "rows/s";
  const note = cut(warns ? warns.text : noteOf(operator), NOTE_LETTERS);
  const seen = [kind, busy, name, rows, unit, note];
  const classes = ["plan-node", operator.kind, heat(operator.busy), chosen && "is-chosen"];
  // The blanks between the texts keep apart what is read out.
  return html`
    <g id=${id} class=${classes.filter(Boolean).join(" ")} role="button" tabindex="0"
      transform=${`translate(${box.x} ${box.y})`} aria-pressed=${chosen ? "true" : "false"}
      aria-label=${`${seen.filter(Boolean).join(" ")}. ${spoken(operator)}`}
      onClick=${() => onChoose(operator.id)} onKeyDown=${onKey}
      onFocus=${(event) => event.target.matches(":focus-visible") && onFocus(operator.id)}>
      <rect class="plan-box" width=${width} height=${height} rx="9" />
      <text class="plan-kind" x="12" y="19">${kind}</text>${" "}
      <text class="plan-busy" x=${width - 12} y="19">${busy}</text>${" "}
      <text class="plan-name" x="12" y="38">${name}</text>${" "}
      <text class="plan-rate" x="12" y="60">${rows}${" "}<tspan class="plan-unit">${unit}</tspan></text>${" "}
      ${note && html`<text class=${`plan-note ${warns ? warns.tone : ""}`} x="12" y="76">${note}</text>`}
      <rect class="plan-bar-back" x="12" y=${height - 9} width=${width - 24} height="3" rx="1.5" />
      <rect class="plan-bar" x="12" y=${height - 9} width=${bar} height="3" rx="1.5" />
    </g>`;
}

// What hinders a step, before anything that is merely of interest.
function warningOf(operator, job) {
  if (operator.kind === "source") {
    const waiting = waitingOf(operator);
    if (job.pressure >= PRESSURE_SHOWN) {
      const rows = waiting ? `, ${count(waiting)} rows wait` : "";
      return { text: `held back ${Math.round(job.pressure * 100)} %${rows}`, tone: "is-warning" };
    }
    if (waiting) return { text: `${count(waiting)} rows wait`, tone: "" };
  }
  if (operator.kind === "sink" && (operator.bytes_queued ?? 0) >= QUEUED_SHOWN) {
    return { text: `${bytes(operator.bytes_queued)} wait`, tone: "is-warning" };
  }
  if (operator.rows_rejected) {
    return { text: `${count(operator.rows_rejected)} rejected`, tone: "is-bad" };
  }
  if (operator.rows_late) return { text: `${count(operator.rows_late)} late`, tone: "is-warning" };
  return null;
}

function noteOf(operator) {
  const parts = [];
  if (operator.watermark_ms !== null) parts.push(`mark ${clock(operator.watermark_ms)}`);
  if (operator.state_rows) parts.push(`state ${bytes(operator.state_bytes)}`);
  if (!parts.length && operator.kind === "sink") return `${count(operator.rows_in)} rows written`;
  return parts.join(" · ");
}
