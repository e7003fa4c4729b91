// One view: its chart, and all of its rows.
//
// in    ViewInfo, asked for every few seconds; rows from the feed, and from pages of the REST
//       interface where there are more than a page should hold (see lib/many.js)
// out   a chart as on the wall, a table of any length that can be sorted and moves on

import { ago, count, duration, quoted } from "../lib/format.js";
import { follow, useFeed } from "../lib/feed.js";
import { Grid } from "../lib/grid.js";
import { html, useLayoutEffect, useRef, useState } from "../lib/html.js";
import { Many } from "../lib/many.js";
import { usePoll } from "../lib/poll.js";
import { go, link } from "../lib/route.js";
import { Fact, Fault, Head, useNow, Waiting } from "../lib/ui.js";
import { tileOf } from "../tiles/index.js";

const VIEW_MS = 3_000;
const WHOLE_MAX = 5_000;

export default function View({ name, query }) {
  const { data: view, error, again } = usePoll(`/views/${encodeURIComponent(name)}`, {}, VIEW_MS);
  const isLarge = useRef(null);
  if (!view) {
    return html`<${Head} title=${name} trail=${[["Wall", "#/"]]} />
      ${error ? html`<${Fault} error=${error} again=${again} />` : html`<${Waiting} />`}`;
  }
  isLarge.current = (isLarge.current ?? false) || view.rows > WHOLE_MAX;
  const order = query.order ?? view.chart.order ?? "";
  const sorted = (wanted) => go(["views", name], { order: wanted }, { replace: true });
  const isChart = view.chart.kind !== "table";
  return html`
    <${Head} title=${view.chart.title} trail=${[["Wall", "#/"]]}>
      <a class="button" href=${link(["sql"], { sql: `SELECT * FROM ${quoted(name)}` })}>Query with SQL</a>
    <//>
    <${Facts} view=${view} />
    ${isChart && html`<section class="card view-chart" aria-label="Chart">
      <${Drawn} key=${view.chart.kind} view=${view} />
    </section>`}
    <section aria-label="Rows">
      <${Table} view=${view} order=${order} isLarge=${isLarge.current} sorted=${sorted} />
    </section>
  `;
}

function Facts({ view }) {
  const now = useNow();
  return html`<dl class="facts view-facts">
    <${Fact} name="Rows">${count(view.rows)}<//>
    <${Fact} name="Changed">${ago(view.changed_at_ms, now)}<//>
    <${Fact} name="Key">${view.key === null ? "none" : view.key.join(", ") || "one row"}<//>
    ${view.ttl_ms > 0 && html`<${Fact} name="Forgotten after">${duration(view.ttl_ms)}<//>`}
    <${Fact} name="Job"><a class="link" href=${link(["jobs", view.job])}>${view.job}</a><//>
  </dl>`;
}

/** The view's tile, without the wall around it. */
function Drawn({ view }) {
  const body = useRef(null);
  const tile = useRef(null);
  const kind = tileOf(view);
  useLayoutEffect(() => {
    tile.current = new kind(body.current, view);
    const timer = setInterval(() => document.hidden || tile.current.tick(Date.now()), 1_000);
    return () => {
      clearInterval(timer);
      tile.current.destroy();
    };
  }, []);
  useFeed(view.name, kind.feed(view), (rows) => {
    body.current.classList.toggle("is-empty", rows.total === 0);
    tile.current.update(rows);
  });
  return html`<div class="tile-body tile-${view.chart.kind}" ref=${body}></div>`;
}

/** All rows. Few of them come with the feed; of many, those that are looked at are asked for. */
function Table({ view, order, isLarge, sorted }) {
  const place = useRef(null);
  const grid = useRef(null);
  const rows = useRef(null);
  const [error, fail] = useState(null);
  useLayoutEffect(() => {
    const label = `Rows of ${view.chart.title}`;
    const seen = (from, to) => rows.current.want(from, to);
    grid.current = new Grid(place.current, { label, sorted, seen });
    return () => grid.current.destroy();
  }, []);
  useLayoutEffect(() => {
    const { name, columns } = view;
    const show = (total, row) => grid.current.show({ columns, total, row, order });
    fail(null);
    if (isLarge) {
      const many = new Many(view, order, () => show(many.total, (n) => many.row(n)), fail);
      rows.current = many;
      show(many.total, (n) => many.row(n));
      return () => many.close();
    }
    rows.current = { want() {} };
    show(0, () => null);
    return follow(name, {}, (all) => {
      const found = all.sorted(order);
      show(found.length, (n) => found[n] && { id: found[n][0], values: found[n][1] });
    });
  }, [isLarge, order]);
  return html`
    ${error && html`<${Fault} error=${error} />`}
    <div class="card view-rows" ref=${place}></div>
  `;
}
