// The SQL box: ask the live views, once or again whenever they change.
//
// in    SQL (also from the address: ?sql=…), Ctrl+Enter; the views and their columns
// out   a table that keeps moving, how long it took, whether it was cut short; what is wrong with
//       the SQL, with its hint and the place in the text
// keeps the last questions in localStorage

import { post, url } from "../lib/api.js";
import { events } from "../lib/events.js";
import { count, duration, quoted } from "../lib/format.js";
import { Grid } from "../lib/grid.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../lib/html.js";
import { usePoll } from "../lib/poll.js";
import { go } from "../lib/route.js";
import { Empty, Head, Icon } from "../lib/ui.js";

const KEY = "millstream.sql";
const KEPT = 30;
const LIMIT = 1_000;
const VIEWS_MS = 5_000;

export default function Sql({ query }) {
  const area = useRef(null);
  const [live, setLive] = useState(true);
  const [asked, ask] = useState(null);
  const [past, keep] = useState(kept);
  const views = usePoll("/views", {}, VIEWS_MS).data?.items ?? [];
  const first = views[0] ? `SELECT * FROM ${quoted(views[0].name)}` : "";

  useEffect(() => {
    area.current.value = query.sql ?? past[0] ?? "";
    if (query.sql) run();
    area.current.focus({ preventScroll: true });
  }, [query.sql]);

  function run(isLive = live) {
    const sql = area.current.value.trim().replace(/;\s*$/, "");
    if (!sql) return;
    const now = [sql, ...past.filter((one) => one !== sql)].slice(0, KEPT);
    keep(now);
    localStorage.setItem(KEY, JSON.stringify(now));
    go(["sql"], { sql }, { replace: true });
    ask({ sql, live: isLive, number: (asked?.number ?? 0) + 1 });
  }

  function pressed(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      run();
    }
  }

  const chosen = (isLive) => {
    setLive(isLive);
    if (asked) run(isLive);
  };
  const stop = () => ask((now) => ({ ...now, stopped: true }));
  const running = asked?.live && !asked.stopped;
  return html`
    <${Head} title="SQL" />
    <div class="sql">
      <section class="sql-main" aria-label="Question and answer">
        <form class="card sql-box" onSubmit=${(event) => (event.preventDefault(), run())}>
          <label class="unseen" for="sql">SQL over the live views</label>
          <textarea id="sql" ref=${area} rows="6" spellcheck=${false} autocapitalize="off" autocomplete="off"
            placeholder=${first || "SELECT …"} aria-describedby="sql-keys" onKeyDown=${pressed}></textarea>
          <div class="sql-acts">
            <button type="submit" class="primary"><${Icon} name="play" />Run</button>
            ${running && html`<button type="button" onClick=${stop}><${Icon} name="stop" />Stop</button>`}
            <div class="tabs" role="group" aria-label="How often">
              <button type="button" aria-pressed=${live} onClick=${() => chosen(true)}>Live</button>
              <button type="button" aria-pressed=${!live} onClick=${() => chosen(false)}>Once</button>
            </div>
            <span id="sql-keys" class="faint sql-keys"><kbd>Ctrl</kbd> <kbd>Enter</kbd> runs it</span>
          </div>
        </form>
        ${asked
          ? html`<${Answer} asked=${asked} area=${area} stop=${stop} />`
          : html`<${Empty} title="Ask the live views">
              The answer moves on as they change. Every view is a table.
            <//>`}
      </section>
      <aside class="sql-side">
        <${Views} views=${views} area=${area} />
        ${past.length > 0 && html`<${Past} past=${past} area=${area} />`}
      </aside>
    </div>
  `;
}

function Answer({ asked, area, stop }) {
  const place = useRef(null);
  const grid = useRef(null);
  const [state, show] = useState({});
  useLayoutEffect(() => {
    grid.current = new Grid(place.current, { label: "Answer" });
    return () => grid.current.destroy();
  }, []);
  useLayoutEffect(() => {
    if (asked.stopped) return undefined;
    show({});
    const answered = (answer) => {
      const { columns, rows } = answer;
      const row = (n) => (rows[n] ? { id: n, values: rows[n] } : null);
      grid.current.show({ columns, total: rows.length, row });
      show({ rows: rows.length, truncated: answer.truncated, took_ms: answer.took_ms });
    };
    const failed = (error) => {
      show({ error });
      stop();
    };
    if (asked.live) return events(url("/query/events", { sql: asked.sql, limit: LIMIT }), answered, failed);
    // Of two questions one after the other, the first may be answered last.
    const over = new AbortController();
    const { signal } = over;
    post("/query", { sql: asked.sql, limit: LIMIT }, { signal }).then(
      (answer) => signal.aborted || answered(answer),
      (error) => signal.aborted || failed(error),
    );
    return () => over.abort();
  }, [asked.number, asked.stopped]);
  const { error, rows, truncated, took_ms } = state;
  return html`
    ${error && html`<${Wrong} error=${error} sql=${asked.sql} area=${area} />`}
    <div class="sql-state" role="status" hidden=${Boolean(error)}>
      ${asked.live && !asked.stopped && html`<span class="chip good"><i></i>live</span>`}
      <span>${rows === undefined ? "Running…" : `${count(rows)} ${rows === 1 ? "row" : "rows"}`}</span>
      ${took_ms !== undefined && html`<span aria-hidden="true">${duration(took_ms)}</span>`}
      ${truncated && html`<span class="chip warn"><i></i>only the first ${count(rows)} rows</span>`}
    </div>
    <div class="card sql-answer" ref=${place} hidden=${Boolean(error) || rows === undefined}></div>
  `;
}

/** What is wrong, and where: the error names a line and a column, the text shows them. */
function Wrong({ error, sql, area }) {
  const at = placeOf(error.message, sql);
  const go = () => {
    area.current.focus();
    area.current.setSelectionRange(at.from, at.to);
  };
  return html`<div class="fault" role="alert">
    <p><strong>${error.message}</strong></p>
    ${error.hint && html`<p>${error.hint}</p>`}
    ${at && html`<button type="button" onClick=${go}>Show line ${at.line}, column ${at.column}</button>`}
  </div>`;
}

function Views({ views, area }) {
  return html`<section class="card" aria-labelledby="sql-views">
    <div class="card-head"><h2 id="sql-views">Views</h2></div>
    <ul class="sql-views">
      ${views.map(
        (view) => html`<li key=${view.name}><details>
          <summary><code>${view.name}</code><span class="faint">${count(view.rows)}</span></summary>
          <ul class="sql-columns">
            ${view.columns.map(
              ({ name, type }) => html`<li key=${name}>
                <button type="button" class="plain" onClick=${() => put(area, quoted(name))}
                  aria-label="Insert ${name}"><code>${name}</code></button>
                <span class="faint">${type}</span>
              </li>`,
            )}
          </ul>
          <button type="button" class="sql-from" onClick=${() => put(area, quoted(view.name))}>
            Insert name
          </button>
        </details></li>`,
      )}
      ${!views.length && html`<li class="faint">There are none yet.</li>`}
    </ul>
  </section>`;
}

function Past({ past, area }) {
  const take = (sql) => {
    area.current.value = sql;
    area.current.focus();
  };
  return html`<section class="card" aria-labelledby="sql-past">
    <div class="card-head"><h2 id="sql-past">Asked before</h2></div>
    <ol class="sql-past">
      ${past.map((sql) => html`<li key=${sql}>
        <button type="button" class="plain" title=${sql} onClick=${() => take(sql)}><code>${sql}</code></button>
      </li>`)}
    </ol>
  </section>`;
}

/** Put a text where the cursor is. */
function put(area, text) {
  const { selectionStart: from, selectionEnd: to } = area.current;
  area.current.setRangeText(text, from, to, "end");
  area.current.focus();
}

/** @returns {{line: number, column: number, from: number, to: number} | null} */
export function placeOf(message, sql) {
  const found = /line (\d+), column (\d+)/i.exec(message);
  if (!found) return null;
  const [line, column] = [Number(found[1]), Number(found[2])];
  const lines = sql.split("\n");
  if (line < 1 || line > lines.length) return null;
  const from = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0) + column - 1;
  const word = /^\w+/.exec(sql.slice(from));
  return { line, column, from, to: from + (word ? word[0].length : 1) };
}

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? [];
  } catch {
    return [];
  }
}
