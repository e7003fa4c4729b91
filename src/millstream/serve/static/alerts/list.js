// Alerts as cards: what is wrong, where, since when, what has been done about it.
//
// in    alerts (AlertInfo), onSilence(alert) or nothing

import { ago, count, exact, moment } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { link } from "../lib/route.js";
import { State, useNow } from "../lib/ui.js";

const SHOWN = 48;
const ROWS_SHOWN = 50;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;
const WEIGHTS = { critical: 0, warning: 1, info: 2 };

/** The worst first, then the newest. */
export function sorted(alerts) {
  return [...alerts].sort((a, b) => WEIGHTS[a.severity] - WEIGHTS[b.severity] || lastOf(b) - lastOf(a));
}

function lastOf(alert) {
  return alert.resolved_at_ms ?? alert.since_ms;
}

export function AlertList({ alerts, onSilence, label }) {
  const now = useNow();
  const [most, setMost] = useState(SHOWN);
  return html`
    <ul class="alerts" aria-label=${label}>
      ${sorted(alerts).slice(0, most).map((alert) => html`
        <${Alert} key=${alert.id} alert=${alert} now=${now} onSilence=${onSilence} />`)}
    </ul>
    ${alerts.length > most && html`
      <button type="button" class="more" onClick=${() => setMost(most + SHOWN)}>
        ${count(alerts.length - most)} more</button>`}`;
}

function Alert({ alert, now, onSilence }) {
  const quiet = alert.silenced || alert.inhibited;
  return html`
    <li class=${`alert card ${alert.severity} ${alert.state} ${quiet ? "is-quiet" : ""}`}>
      <div class="alert-head">
        <${State} of=${alert.state} />
        <${State} of=${alert.severity} />
        <h3>${alert.alert}</h3>
        ${alert.silenced && html`<span class="chip calm">silenced</span>`}
        ${alert.inhibited && html`<span class="chip calm">inhibited</span>`}
        <span class="alert-when faint" title=${moment(alert.since_ms)}>${whenOf(alert, now)}</span>
      </div>
      ${alert.summary && html`<p class="alert-summary">${alert.summary}</p>`}
      <${Labels} labels=${alert.labels} job=${alert.job} />
      ${Object.keys(alert.values).length > 0 && html`<${Values} values=${alert.values} />`}
      ${alert.failure && html`<p class="alert-failure">
        <strong>Not delivered:</strong> ${alert.failure} It is tried again.</p>`}
      <div class="alert-foot">
        <span class="faint">${noticesOf(alert)}</span>
        ${onSilence && !alert.silenced && alert.state !== "resolved" && html`
          <button type="button" onClick=${() => onSilence(alert)}>Silence</button>`}
      </div>
    </li>`;
}

function whenOf(alert, now) {
  if (alert.state === "resolved") return `resolved ${ago(alert.resolved_at_ms, now)}`;
  return `since ${ago(alert.since_ms, now).replace(" ago", "")}`;
}

function noticesOf(alert) {
  if (!alert.notified) return alert.state === "pending" ? "nobody is told yet" : "nobody was told";
  return alert.notified === 1 ? "told once" : `told ${count(alert.notified)} times`;
}

export function Labels({ labels, job }) {
  const pairs = Object.entries(labels);
  if (!pairs.length && job === null) return null;
  return html`
    <ul class="labels" aria-label="Labels">
      ${job !== null && job !== undefined && html`
        <li><a href=${link(["jobs", job])}><span>job</span>${job}</a></li>`}
      ${pairs.map(([name, value]) => html`<li key=${name}><span>${name}</span>${value || "(empty)"}</li>`)}
    </ul>`;
}

function Values({ values }) {
  return html`
    <dl class="alert-values">
      ${Object.entries(values).map(([name, value]) => html`
        <div key=${name}><dt>${name}</dt><dd>${valueText(value)}</dd></div>`)}
    </dl>`;
}

function valueText(value) {
  if (typeof value === "number") return exact(value);
  if (typeof value !== "string") return JSON.stringify(value);
  return INSTANT.test(value) ? value.replace("T", " ") : value;
}

/** What happened, newest first, as a table. */
export function Past({ alerts }) {
  const [shown, setShown] = useState(ROWS_SHOWN);
  const rows = [...alerts].sort((a, b) => at(b) - at(a));
  return html`
    <div class="card scroll" tabindex="0" role="region" aria-label="History of alerts">
      <table>
        <thead><tr>
          <th scope="col">When</th><th scope="col">Alert</th><th scope="col">State</th>
          <th scope="col">Severity</th><th scope="col">Labels</th><th scope="col">Summary</th>
          <th scope="col" class="number">Told</th>
        </tr></thead>
        <tbody>
          ${rows.slice(0, shown).map((alert) => html`
            <tr key=${`${alert.id} ${at(alert)} ${alert.state}`}>
              <td class="when">${moment(at(alert)).slice(0, 19)}</td>
              <td><strong>${alert.alert}</strong></td>
              <td><${State} of=${alert.state} /></td>
              <td><${State} of=${alert.severity} /></td>
              <td><${Labels} labels=${alert.labels} job=${alert.job} /></td>
              <td class="why">${alert.failure ?? alert.summary}</td>
              <td class="number">${count(alert.notified)}</td>
            </tr>`)}
        </tbody>
      </table>
      ${rows.length > shown && html`
        <button type="button" class="more" onClick=${() => setShown(shown + ROWS_SHOWN)}>Show more</button>`}
    </div>`;
}

function at(alert) {
  return alert.resolved_at_ms ?? alert.fired_at_ms ?? alert.since_ms;
}
