// #/alerts: what fires and what is about to; rules, silences, history.
//
// in    query {show}: "", "resolved", "rules", "silences" or "history"
// asks  alerts every two seconds, the rest every five

import { AlertList, Past } from "../alerts/list.js";
import { silence, Silences } from "../alerts/silences.js";
import { count, duration } from "../lib/format.js";
import { html } from "../lib/html.js";
import { usePoll } from "../lib/poll.js";
import { link } from "../lib/route.js";
import { Empty, Fault, Head, State, Waiting } from "../lib/ui.js";

const EVERY_MS = 2_000;
const SELDOM_MS = 5_000;
const HISTORY = 200;
const EXAMPLE = `orders.alert("stalled", when=ms.col("age_s") > 30, for_="1m",
             severity="critical", by="shop", to=["log"])`;
const EXAMPLE_SQL = `CREATE ALERT stalled ON orders
  WHEN age_s > 30 FOR INTERVAL '1' MINUTE
  BY (shop) SEVERITY 'critical' TO 'log';`;

export default function Alerts({ query }) {
  const alerts = usePoll("/alerts", undefined, EVERY_MS);
  const rules = usePoll("/alerts/rules", undefined, SELDOM_MS);
  const silences = usePoll("/silences", undefined, SELDOM_MS);
  const history = usePoll("/alerts/history", { limit: HISTORY }, SELDOM_MS);
  const items = alerts.data?.items ?? [];
  const of = (state) => items.filter((alert) => alert.state === state);
  const resolved = resolvedOf(items, history.data?.items ?? []);
  const show = query.show ?? "";
  const again = () => {
    alerts.again();
    silences.again();
  };
  const onSilence = async (alert) => {
    if (await silence({ alert: alert.alert, ...alert.labels })) again();
  };
  const tabs = [
    ["", "Active", of("firing").length + of("pending").length],
    ["resolved", "Resolved", resolved.length],
    ["rules", "Rules", rules.data?.items.length],
    ["silences", "Silences", silences.data?.items.length],
    ["history", "History"],
  ];
  return html`
    <${Head} title="Alerts" />
    <nav class="tabs alert-tabs" aria-label="Parts of this page">
      ${tabs.map(([part, text, number]) => html`
        <a key=${part} href=${link(["alerts"], { show: part })}
          aria-current=${part === show ? "page" : undefined}>${text}
          ${number > 0 && html`<span class="tab-count">${count(number)}</span>`}</a>`)}
    </nav>
    ${alerts.error && alerts.data === null && html`<${Fault} error=${alerts.error} again=${again} />`}
    ${show === "" && html`<${Active} asked=${alerts} firing=${of("firing")} pending=${of("pending")}
      rules=${rules.data?.items ?? null} onSilence=${onSilence} />`}
    ${show === "resolved" && html`<${Resolved} asked=${history} resolved=${resolved} />`}
    ${show === "rules" && html`<${Rules} asked=${rules} />`}
    ${show === "silences" && html`<${Shown} asked=${silences}>
      <${Silences} silences=${silences.data?.items ?? []} again=${again} /><//>`}
    ${show === "history" && html`<${History} asked=${history} />`}`;
}

/** Of each alert that is over, its newest end. */
export function resolvedOf(items, past) {
  const active = new Set(items.filter((one) => one.state !== "resolved").map((one) => one.id));
  const newest = new Map();
  for (const one of [...past, ...items]) {
    if (one.state !== "resolved" || active.has(one.id)) continue;
    const known = newest.get(one.id);
    if (known === undefined || known.resolved_at_ms <= one.resolved_at_ms) newest.set(one.id, one);
  }
  return [...newest.values()].sort((a, b) => b.resolved_at_ms - a.resolved_at_ms);
}

function Shown({ asked, children }) {
  if (asked.data !== null) return children;
  return asked.error ? html`<${Fault} error=${asked.error} />` : html`<${Waiting} />`;
}

function Active({ asked, firing, pending, rules, onSilence }) {
  return html`<${Shown} asked=${asked}>
    ${firing.length > 0 && html`<section class="alert-part" aria-labelledby="firing">
      <h2 id="firing">Firing</h2>
      <${AlertList} alerts=${firing} onSilence=${onSilence} label="Firing alerts" /></section>`}
    ${pending.length > 0 && html`<section class="alert-part" aria-labelledby="pending">
      <h2 id="pending">Pending <small class="faint">true, but not for long enough yet</small></h2>
      <${AlertList} alerts=${pending} onSilence=${onSilence} label="Pending alerts" /></section>`}
    ${firing.length + pending.length === 0 && html`<${AllQuiet} rules=${rules} />`}
  <//>`;
}

function AllQuiet({ rules }) {
  if (rules?.length > 0) {
    return html`<${Empty} title="All is well">
      ${rules.length === 1 ? "One rule watches" : `${count(rules.length)} rules watch`}, and no
      condition is true. <a href=${link(["alerts"], { show: "rules" })}>See the rules</a><//>`;
  }
  return html`<${Teaching} title="Nothing is watched yet" />`;
}

function Teaching({ title }) {
  return html`
    <div class="empty">
      <p class="empty-title">${title}</p>
      <p>An alert is a condition on a stream. In Python:</p>
      <pre tabindex="0"><code>${EXAMPLE}</code></pre>
      <p>In SQL:</p>
      <pre tabindex="0"><code>${EXAMPLE_SQL}</code></pre>
    </div>`;
}

function Resolved({ asked, resolved }) {
  return html`<${Shown} asked=${asked}>
    ${resolved.length === 0
      ? html`<${Empty} title="Nothing was resolved lately">
          Alerts whose condition is no longer true are listed here, the newest first.<//>`
      : html`<h2 class="unseen">Resolved</h2><${AlertList} alerts=${resolved} label="Resolved alerts" />`}
  <//>`;
}

function Rules({ asked }) {
  const rules = asked.data?.items ?? [];
  return html`<${Shown} asked=${asked}>
    ${rules.length === 0 ? html`<${Teaching} title="There is no rule" />` : html`
      <div class="card scroll" tabindex="0" role="region" aria-label="Rules">
        <table>
          <thead><tr>
            <th scope="col">Alert</th><th scope="col">Severity</th><th scope="col">When</th>
            <th scope="col" class="number">For</th><th scope="col">By</th>
            <th scope="col">Tells</th><th scope="col">Job</th><th scope="col" class="number">Active</th>
          </tr></thead>
          <tbody>
            ${rules.map((rule) => html`
              <tr key=${`${rule.job}.${rule.name}`}>
                <td><strong>${rule.name}</strong></td>
                <td><${State} of=${rule.severity} /></td>
                <td class="why"><code>${rule.condition}</code></td>
                <td class="number">${rule.for_ms ? duration(rule.for_ms) : "at once"}</td>
                <td>${rule.by.join(", ") || "–"}</td>
                <td>${rule.channels.join(", ") || "–"}</td>
                <td>${rule.job === null ? "every job" : html`<a href=${link(["jobs", rule.job])}>${rule.job}</a>`}</td>
                <td class="number">${count(rule.active)}</td>
              </tr>`)}
          </tbody>
        </table>
      </div>`}
  <//>`;
}

function History({ asked }) {
  const past = asked.data?.items ?? [];
  return html`<${Shown} asked=${asked}>
    ${past.length === 0
      ? html`<${Empty} title="Nothing has happened yet">
          Every change of an alert is kept here.<//>`
      : html`<${Past} alerts=${past} />`}
  <//>`;
}
