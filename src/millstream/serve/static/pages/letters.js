// #/jobs/NAME/letters: rows that could not be used, grouped by why, with their bytes; and how they
// are put through again.
//
// in    name; query {operator, kind, reason, state}: the filters, so that they can be linked to
// asks  groups and the first letters every two seconds; further letters when they are asked for

import { JobHeader } from "../job/header.js";
import { canGo, LetterList, LetterState } from "../job/letter_list.js";
import { get, post } from "../lib/api.js";
import { ago, count } from "../lib/format.js";
import { html, useEffect, useRef, useState } from "../lib/html.js";
import { usePoll } from "../lib/poll.js";
import { go, link } from "../lib/route.js";
import { confirmed, done, Empty, Fault, tried, useNow, Waiting } from "../lib/ui.js";

const EVERY_MS = 2_000;
const PAGE = 50;
const STATES = ["new", "asked", "replayed", "failed again"];
const KINDS = ["undecodable", "rejected", "late", "refused"];
const NO_COUNTS = Object.fromEntries(STATES.map((state) => [state, 0]));

export default function Letters({ name, query }) {
  const path = `/jobs/${encodeURIComponent(name)}`;
  const { data: job, again } = usePoll(path, undefined, EVERY_MS);
  const { data: groups, error } = usePoll(`${path}/letters/groups`, undefined, EVERY_MS);
  const [asked, setAsked] = useState(null);
  const counts = groups === null ? NO_COUNTS : countsOf(groups.items);
  const replay = async (what, body, number) => {
    const yes = await confirmed({
      title: number === 1 ? "Put this row through again?" : `Put ${count(number)} rows through again?`,
      text: `${what} They go in where they left, with what the pipeline says now; those that fail `
        + "again come back here.",
      act: "Replay",
    });
    if (!yes) return false;
    const answer = await done(post(`${path}/letters/replay`, body), "The request is made");
    if (answer) setAsked({ ...answer, before: counts });
    return Boolean(answer);
  };
  return html`
    <${JobHeader} name=${name} job=${job} here="letters" again=${again} />
    ${error && groups === null && html`<${NotKept} error=${error} />`}
    ${!error && groups === null && html`<${Waiting} lines=${5} />`}
    ${groups !== null && groups.items.length === 0 && html`
      <${Empty} title="Every row could be used">
        Late, rejected, refused and undecodable rows that no stream of the program reads are kept
        here, with their bytes and the reason.<//>`}
    ${groups !== null && groups.items.length > 0 && html`
      <${Counts} counts=${counts} asked=${asked} />
      <${Groups} groups=${groups.items} name=${name} query=${query} onReplay=${replay} />
      <${Filtered} name=${name} query=${query} onReplay=${replay} />`}`;
}

function NotKept({ error }) {
  if (error.status !== 409) return html`<${Fault} error=${error} />`;
  return html`<${Empty} title=${error.message}>${error.hint}<//>`;
}

function countsOf(groups) {
  const counts = { ...NO_COUNTS };
  for (const group of groups) counts[group.state] = (counts[group.state] ?? 0) + group.letters;
  return counts;
}

function Counts({ counts, asked }) {
  return html`
    <div class="letter-counts card">
      <dl class="facts">
        ${STATES.map((state) => html`
          <div class="fact" key=${state}>
            <dt><${LetterState} of=${state} /></dt>
            <dd>${count(counts[state])}
              ${asked && html`<${Change} by=${counts[state] - asked.before[state]} />`}</dd>
          </div>`)}
      </dl>
      ${asked && html`<p class="letter-asked" role="status">
        Request ${asked.request}: ${count(asked.letters)}${asked.letters === 1 ? " row goes" : " rows go"}
        ${" "}through again.</p>`}
    </div>`;
}

function Change({ by }) {
  return by === 0 ? null : html`<small class="faint">${by > 0 ? "+" : "−"}${count(Math.abs(by))}</small>`;
}

function Groups({ groups, name, query, onReplay }) {
  const now = useNow(5_000);
  const filtersOf = (group) => ({
    operator: group.operator, kind: group.kind, reason: group.reason, state: group.state,
  });
  const isShown = (group) => Object.entries(filtersOf(group)).every(([key, value]) => query[key] === value);
  return html`
    <section class="card letter-groups" aria-labelledby="groups">
      <header class="card-head"><h2 id="groups">By reason</h2></header>
      <div class="scroll" tabindex="0" role="region" aria-label="Groups of dead letters">
        <table>
          <thead><tr>
            <th scope="col" class="number">Rows</th><th scope="col">Why</th>
            <th scope="col">Step</th><th scope="col">Kind</th><th scope="col">State</th>
            <th scope="col">First</th><th scope="col">Last</th>
            <th scope="col"><span class="unseen">Replay</span></th>
          </tr></thead>
          <tbody>
            ${groups.map((group) => html`
              <tr key=${JSON.stringify(filtersOf(group))} class=${isShown(group) ? "is-chosen" : ""}>
                <td class="number">${count(group.letters)}</td>
                <td class="why"><a href=${link(["jobs", name, "letters"], filtersOf(group))}>
                  ${group.reason}</a></td>
                <td>${group.table ?? group.operator}</td>
                <td>${group.kind}</td>
                <td><${LetterState} of=${group.state} /></td>
                <td class="faint when">${ago(group.first_at_ms, now)}</td>
                <td class="faint when">${ago(group.last_at_ms, now)}</td>
                <td class="number"><button type="button" disabled=${!canGo(group)}
                  aria-label=${`Replay all of: ${group.reason}`}
                  onClick=${() => onReplay(`All of: ${group.reason}.`, {
                    operator: group.operator, kind: group.kind, reason: group.reason,
                  }, group.letters)}>Replay all</button></td>
              </tr>`)}
          </tbody>
        </table>
      </div>
    </section>`;
}

function Filtered({ name, query, onReplay }) {
  const [selected, select] = useState(new Set());
  const { letters, error, more } = useLetters(name, query);
  useEffect(() => select(new Set()), [JSON.stringify(query)]);
  const replayed = async (chosen) => {
    const ids = chosen.map((one) => one.id);
    if (await onReplay("Chosen by hand.", { ids }, ids.length)) select(new Set());
  };
  const chosen = (letters ?? []).filter((one) => selected.has(one.id));
  return html`
    <section class="letter-section" aria-labelledby="letters">
      <header class="section-head">
        <h2 id="letters">Rows</h2>
        <${Filters} name=${name} query=${query} />
        <button type="button" class="primary" disabled=${chosen.length === 0}
          onClick=${() => replayed(chosen)}>
          Replay ${chosen.length > 0 ? `${count(chosen.length)} selected` : "selected"}</button>
      </header>
      ${error && html`<${Fault} error=${error} />`}
      ${letters === null && !error && html`<${Waiting} />`}
      ${letters?.length === 0 && html`<${Empty} title="No row is like that">
        <a href=${link(["jobs", name, "letters"])}>Show all</a><//>`}
      ${letters?.length > 0 && html`<${LetterList} letters=${letters} selected=${selected}
        onSelect=${select} onReplay=${replayed} more=${more} />`}
    </section>`;
}

function Filters({ name, query }) {
  const to = (change) => go(["jobs", name, "letters"], { ...query, ...change }, { replace: true });
  const choice = (key, label, options) => html`
    <label class="filter"><span class="unseen">${label}</span>
      <select value=${query[key] ?? ""} onChange=${(event) => to({ [key]: event.target.value })}>
        <option value="">${label}: all</option>
        ${options.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}
      </select></label>`;
  const [typed, type] = useState(query.reason ?? "");
  useEffect(() => type(query.reason ?? ""), [query.reason]);
  const narrowed = ["operator", "kind", "reason", "state"].some((key) => query[key]);
  return html`
    <div class="filters" role="search" aria-label="Filters">
      ${choice("state", "State", STATES)}
      ${choice("kind", "Kind", KINDS)}
      <label class="filter"><span class="unseen">Reason holds</span>
        <input type="search" placeholder="Reason holds…" value=${typed}
          onInput=${(event) => type(event.target.value)}
          onChange=${(event) => to({ reason: event.target.value.trim() })} /></label>
      ${query.operator && html`<span class="chip calm">step ${query.operator}</span>`}
      ${narrowed && html`<a class="link" href=${link(["jobs", name, "letters"])}>Clear</a>`}
    </div>`;
}

/** The first letters, asked for again and again, and those behind them that were asked for. */
function useLetters(name, query) {
  const path = `/jobs/${encodeURIComponent(name)}/letters`;
  const filters = { operator: query.operator, kind: query.kind, reason: query.reason, state: query.state };
  const { data, error } = usePoll(path, { ...filters, limit: PAGE }, EVERY_MS);
  const [behind, setBehind] = useState({ letters: [], next: null });
  const key = JSON.stringify(filters);
  const now = useRef(key);
  now.current = key;
  useEffect(() => setBehind({ letters: [], next: null }), [name, key]);
  if (data === null) return { letters: null, error, more: null };
  const cursor = behind.letters.length ? behind.next : data.next;
  const more = cursor === null ? null : async () => {
    const page = await tried(get(path, { ...filters, limit: PAGE, cursor }));
    if (page === null || now.current !== key) return;
    setBehind((old) => ({ letters: [...old.letters, ...page.letters], next: page.next }));
  };
  const known = new Set(data.letters.map((one) => one.id));
  const rest = behind.letters.filter((one) => !known.has(one.id));
  return { letters: [...data.letters, ...rest], error: null, more };
}
