// The first rows of a view as a table.
//
// in    rows in the chart's order
// out   a grid; cells that have changed are marked for a moment

import { Grid } from "../lib/grid.js";
import { made } from "./parts.js";

const ROWS = 100;

export class Table {
  static feed(view) {
    return { limit: view.chart.limit ?? ROWS, order: view.chart.order ?? undefined };
  }

  constructor(element, view) {
    this.view = view;
    element.classList.add("tabular");
    this.grid = new Grid(made("div", element), { label: view.chart.title });
  }

  update(rows) {
    const { limit, order } = Table.feed(this.view);
    const found = rows.sorted(order ?? "", limit);
    this.grid.show({
      columns: rows.columns,
      total: found.length,
      row: (n) => (found[n] ? { id: found[n][0], values: found[n][1] } : null),
    });
  }

  tick() {}

  destroy() {
    this.grid.destroy();
  }
}
