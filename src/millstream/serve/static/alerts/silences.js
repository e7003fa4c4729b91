// Silences: who is not told, for how long, and why.
//
// in    silences (SilenceInfo), again() which has the page look at once

import { post, remove } from "../lib/api.js";
import { duration, moment } from "../lib/format.js";
import { html } from "../lib/html.js";
import { confirmed, done, Empty, say, useNow } from "../lib/ui.js";
import { Labels } from "./list.js";

const LENGTHS = [
  ["15 minutes", 900], ["1 hour", 3_600], ["4 hours", 14_400], ["1 day", 86_400], ["1 week", 604_800],
];

export function Silences({ silences, again }) {
  const now = useNow();
  const make = async () => {
    if (await silence({})) again();
  };
  return html`
    <div class="silences">
      <div class="section-head"><p class="faint">Alerts whose labels all match are seen here, but
        nobody is told of them.</p>
        <button type="button" onClick=${make}>New silence</button></div>
      ${silences.length === 0 && html`<${Empty} title="Nothing is silenced">
        Silence an alert while you work on its cause.<//>`}
      ${silences.length > 0 && html`
        <ul class="alerts">
          ${silences.map((one) => html`
            <${Silence} key=${one.id} silence=${one} now=${now} again=${again} />`)}
        </ul>`}
    </div>`;
}

function Silence({ silence: one, now, again }) {
  const over = one.ends_at_ms <= now;
  const end = async () => {
    const yes = await confirmed({
      title: "End this silence?",
      text: "Who is to be told of these alerts is told again.",
      act: "End it",
    });
    if (yes && (await done(remove(`/silences/${encodeURIComponent(one.id)}`), "The silence is over"))) {
      again();
    }
  };
  return html`
    <li class=${`alert card ${over ? "is-quiet" : ""}`}>
      <div class="alert-head">
        <span class=${`chip ${over ? "calm" : "warn"}`}><i></i>${over ? "over" : "in force"}</span>
        <${Labels} labels=${one.labels} />
        <span class="alert-when faint" title=${moment(one.ends_at_ms)}>
          ${over ? `ended ${moment(one.ends_at_ms).slice(0, 19)}` : `${duration(Math.round((one.ends_at_ms - now) / 1000) * 1000)} left`}
        </span>
      </div>
      ${one.comment && html`<p class="alert-summary">${one.comment}</p>`}
      <div class="alert-foot">
        <span class="faint">since ${moment(one.created_at_ms).slice(0, 19)}</span>
        ${!over && html`<button type="button" onClick=${end}>End</button>`}
      </div>
    </li>`;
}

/** Ask for a silence and make it; true if it was made. */
export async function silence(labels) {
  const lines = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  const said = await confirmed({
    title: "Silence alerts",
    text: "All these labels must match; alert and severity count as labels.",
    act: "Silence",
    extra: html`
      <label class="field"><span>Labels, one a line</span>
        <textarea name="labels" rows="4" required spellcheck=${false} class="mono"
          placeholder="alert=orders_stalled">${lines.join("\n")}</textarea></label>
      <label class="field"><span>For</span>
        <select name="seconds">
          ${LENGTHS.map(([text, seconds]) => html`
            <option key=${text} value=${seconds} selected=${seconds === 3_600}>${text}</option>`)}
        </select></label>
      <label class="field"><span>Why</span>
        <input type="text" name="comment" maxlength="1000" autocomplete="off" /></label>`,
  });
  if (!said) return false;
  const wanted = labelsIn(said.get("labels"));
  if (wanted === null) {
    say("Write each label as name=value, one a line.", "bad");
    return false;
  }
  const body = { labels: wanted, seconds: Number(said.get("seconds")), comment: said.get("comment") };
  return Boolean(await done(post("/silences", body), "Silenced"));
}

/** The labels in a text of lines name=value; null where a line is none. */
export function labelsIn(text) {
  const labels = {};
  for (const line of text.split("\n")) {
    if (!line.trim()) continue;
    const [name, ...value] = line.split("=");
    if (!value.length || !name.trim()) return null;
    labels[name.trim()] = value.join("=").trim();
  }
  return Object.keys(labels).length ? labels : null;
}
