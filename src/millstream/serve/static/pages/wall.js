// The wall: every live view as a tile.
//
// in    the list of views, asked for every few seconds; each tile follows its view's feed
// out   a grid of tiles; with `onWall` nothing else, as large as the screen

import { ago, count } from "../lib/format.js";
import { useFeed } from "../lib/feed.js";
import { html, useLayoutEffect, useRef } from "../lib/html.js";
import { usePoll } from "../lib/poll.js";
import { link } from "../lib/route.js";
import { Empty, Fault, Head, Icon, Waiting } from "../lib/ui.js";
import { tileOf } from "../tiles/index.js";
import { write } from "../tiles/parts.js";

const VIEWS_MS = 5_000;
const TICK_MS = 1_000;
const STALE_MS = 30_000;
const SHAPE = 1.6;
const EXAMPLE = `CREATE MATERIALIZED VIEW clicks_by_page AS
SELECT page, COUNT(*) AS clicks FROM clicks GROUP BY page;`;

export default function Wall({ onWall }) {
  const { data, error, again } = usePoll("/views", {}, VIEWS_MS);
  const views = data?.items ?? [];
  const place = useRef(null);
  const heading = useRef(null);
  useLayoutEffect(() => heading.current?.focus(), [onWall]);
  useLayoutEffect(() => {
    if (!onWall) return undefined;
    const fitted = () => fit(place.current, views.length);
    fitted();
    addEventListener("resize", fitted);
    return () => removeEventListener("resize", fitted);
  }, [onWall, views.length]);
  return html`
    ${onWall
      ? html`<h1 class="unseen" tabindex="-1" ref=${heading}>Wall</h1>`
      : html`<${Head} title="Wall">
          <a class="button" href="#/wall" title="Press w"><${Icon} name="full" />Wall mode</a>
        <//>`}
    ${!data && error && html`<${Fault} error=${error} again=${again} />`}
    ${!data && !error && html`<${Waiting} lines=${6} />`}
    ${data && !views.length && html`<${Empty} title="There are no live views yet">
      A view keeps the result of a query current and shows it here.
      <pre>${EXAMPLE}</pre>
    <//>`}
    <div class="wall" ref=${place}>
      ${views.map((view) => html`<${Tile} key=${view.name + view.chart.kind} view=${view} />`)}
    </div>
  `;
}

/** One view; what changes many times a second is written by the tile itself, past the components. */
function Tile({ view }) {
  const body = useRef(null);
  const tile = useRef(null);
  const fresh = useRef(null);
  const total = useRef(null);
  const seen = useRef(view.changed_at_ms);
  const kind = tileOf(view);
  useLayoutEffect(() => {
    tile.current = new kind(body.current, view);
    const tick = () => {
      if (document.hidden) return;
      tile.current.tick(Date.now());
      const old = seen.current !== null && Date.now() - seen.current > STALE_MS;
      write(fresh.current, ago(seen.current));
      fresh.current.classList.toggle("old", old);
    };
    tick();
    const timer = setInterval(tick, TICK_MS);
    return () => {
      clearInterval(timer);
      tile.current.destroy();
      body.current.replaceChildren();
    };
  }, [view.name, view.chart.kind]);
  useFeed(view.name, kind.feed(view), (rows) => {
    seen.current = rows.at_ms || null;
    write(total.current, `${count(rows.total)} ${rows.total === 1 ? "row" : "rows"}`);
    body.current.classList.toggle("is-empty", rows.total === 0);
    tile.current.update(rows);
  });
  const { kind: name, title } = view.chart;
  return html`<article class="tile tile-${name}" aria-label=${title}>
    <header class="tile-head">
      <h2><a href=${link(["views", view.name])}>${title}</a></h2>
      <span class="tile-fresh" ref=${fresh} title="Last change"></span>
    </header>
    <div class=${`tile-body ${view.rows ? "" : "is-empty"}`} ref=${body}></div>
    <footer class="tile-foot"><span ref=${total}>${count(view.rows)} rows</span><span>${view.job}</span></footer>
  </article>`;
}

/** As many columns as make tiles about 16:10 on this screen; the last one fills its row. */
function fit(place, tiles) {
  const ideal = Math.sqrt((tiles * innerWidth) / innerHeight / SHAPE);
  const columns = Math.min(Math.max(1, Math.round(ideal)), tiles || 1);
  place.style.setProperty("--across", String(columns));
  place.style.setProperty("--rest", String(1 + ((columns - (tiles % columns)) % columns)));
}
