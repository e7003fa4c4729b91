// The first of a ranking, with bars behind their names.
//
// in    rows in the order of y[0], largest first (or as the chart says), as many as there is room
//       for; x names them
// out   an ordered list; an item keeps its element while its row is in it, and glides to its rank

import { cell } from "../lib/format.js";
import { finite } from "../lib/rows.js";
import { made, write } from "./parts.js";

const TOP = 10;
const ROW_MIN_PX = 19;

export class Top {
  static feed(view) {
    const { y, order, limit } = view.chart;
    return { limit: limit ?? TOP, order: order ?? `-${y[0]}` };
  }

  constructor(element, view) {
    this.view = view;
    element.classList.add("top");
    this.list = made("ol", element);
    this.list.setAttribute("aria-label", view.chart.title);
    this.items = new Map();
    this.names = view.chart.x ? [view.chart.x] : (view.key ?? [view.columns[0].name]);
  }

  update(rows) {
    const { limit, order } = Top.feed(this.view);
    const value = rows.index(this.view.chart.y[0]);
    const fits = Math.max(3, Math.floor(this.list.clientHeight / ROW_MIN_PX) || limit);
    const found = rows.sorted(order, Math.min(limit, fits));
    const most = Math.max(0, ...found.map(([, row]) => finite(row[value])));
    this.list.style.setProperty("--rows", String(Math.max(found.length, 5)));
    const there = new Set(found.map(([id]) => id));
    for (const [id, held] of this.items) {
      if (there.has(id)) continue;
      held.item.remove();
      this.items.delete(id);
    }
    found.forEach(([id, row], rank) => {
      let held = this.items.get(id);
      if (!held) this.items.set(id, (held = item(this.list)));
      const name = this.names
        .map((one) => rows.index(one))
        .map((at) => cell(row[at], rows.columns[at].type))
        .join(" · ");
      write(held.name, name);
      write(held.value, cell(row[value], rows.columns[value].type));
      const share = most > 0 ? Math.max(0, finite(row[value])) / most : 0;
      if (held.share !== share) {
        held.share = share;
        held.bar.style.transform = `scaleX(${share})`;
      }
      if (held.rank !== rank) {
        held.rank = rank;
        held.item.style.setProperty("--rank", String(rank));
      }
    });
    this._inOrder(found);
  }

  tick() {}

  destroy() {
    this.list.remove();
  }

  /** What is read out goes in the order of ranks too. */
  _inOrder(found) {
    const wanted = found.map(([id]) => this.items.get(id).item);
    const stands = [...this.list.children];
    if (wanted.some((element, n) => stands[n] !== element)) this.list.append(...wanted);
  }
}

function item(list) {
  const element = made("li", list);
  const bar = made("i", element);
  const name = made("span", element);
  const value = made("b", element);
  return { item: element, bar, name, value, share: -1, rank: -1 };
}
