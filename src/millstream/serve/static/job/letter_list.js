// Some dead letters, each opened where it stands: its columns, its bytes, why it could not be used.
//
// in    letters, selected (a Set of ids), onSelect(ids), onReplay(letters), more (null = no more)

import { cell, moment } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { Icon } from "../lib/ui.js";
import { Raw } from "./raw.js";

const CAN_GO = ["new", "failed again"];
const MARKS = { new: "bad", asked: "warn", replayed: "good", "failed again": "bad" };

export function canGo(letter) {
  return CAN_GO.includes(letter.state);
}

export function LetterState({ of }) {
  return html`<span class=${`chip ${MARKS[of] ?? "calm"}`}><i></i>${of}</span>`;
}

export function LetterList({ letters, selected, onSelect, onReplay, more }) {
  const free = letters.filter(canGo);
  const all = free.length > 0 && free.every((one) => selected.has(one.id));
  const toggle = (id) => {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    onSelect(next);
  };
  return html`
    <div class="letters-head">
      <label class="check">
        <input type="checkbox" checked=${all} disabled=${free.length === 0}
          onChange=${() => onSelect(all ? new Set() : new Set(free.map((one) => one.id)))} />
        <span>Select all shown</span>
      </label>
    </div>
    <ul class="letters card">
      ${letters.map((letter) => html`
        <${Letter} key=${letter.id} letter=${letter} chosen=${selected.has(letter.id)}
          onToggle=${() => toggle(letter.id)} onReplay=${() => onReplay([letter])} />`)}
    </ul>
    ${more && html`<button type="button" class="more" onClick=${more}>Show more</button>`}`;
}

function Letter({ letter, chosen, onToggle, onReplay }) {
  const [open, setOpen] = useState(false);
  const free = canGo(letter);
  const place = letter.split === null ? "" : `${letter.split}${letter.offset === null ? "" : ` @ ${letter.offset}`}`;
  return html`
    <li class=${`letter ${open ? "is-open" : ""}`}>
      <div class="letter-line">
        <input type="checkbox" checked=${chosen} disabled=${!free} onChange=${onToggle}
          aria-label=${`Select letter ${letter.id}`} />
        <button type="button" class="letter-open plain" aria-expanded=${open ? "true" : "false"}
          onClick=${() => setOpen(!open)}>
          <${Icon} name="open" />
          <span class="letter-reason">${letter.reason}</span>
        </button>
        <span class="letter-place faint mono">${place}</span>
        <time class="letter-time faint">${moment(letter.at_ms)}</time>
        <${LetterState} of=${letter.state} />
      </div>
      ${open && html`
        <div class="letter-inside">
          <dl class="pairs">
            <div><dt>Id</dt><dd><code>${letter.id}</code></dd></div>
            <div><dt>Kind</dt><dd>${letter.kind}</dd></div>
            <div><dt>Step</dt><dd>${letter.operator}</dd></div>
            ${letter.table !== null && html`<div><dt>Table</dt><dd>${letter.table}</dd></div>`}
            ${place && html`<div><dt>Place</dt><dd>${place}</dd></div>`}
            <div><dt>Attempt</dt><dd>${letter.attempt}</dd></div>
          </dl>
          ${letter.row !== null && html`<${Columns} row=${letter.row} />`}
          <${Raw} letter=${letter} />
          <div class="letter-acts">
            <button type="button" disabled=${!free} onClick=${onReplay}>Replay this one</button>
            ${!free && html`<span class="faint">${letter.state === "asked"
              ? "It is on its way." : "It was put through again."}</span>`}
          </div>
        </div>`}
    </li>`;
}

function Columns({ row }) {
  return html`
    <div class="raw">
      <h3>Columns</h3>
      <dl class="pairs columns">
        ${Object.entries(row).map(([name, value]) => html`
          <div key=${name}><dt class="mono">${name}</dt>
            <dd class=${value === null ? "faint" : "mono"}>
              ${value === null ? "NULL" : cell(value, "STRING")}</dd></div>`)}
      </dl>
    </div>`;
}
