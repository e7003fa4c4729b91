// The kinds of tiles.
//
// in    a view (ViewInfo)
// out   tileOf(view): the class that draws it. A tile has
//         static feed(view) -> {limit, order}      what it needs of the view's feed
//         constructor(element, view)               makes its elements once
//         update(rows)                             rows have changed; at most once a frame
//         tick(now_ms)                             a second has passed
//         destroy()

import { Bars } from "./bar.js";
import { Geo } from "./geo.js";
import { Heat } from "./heat.js";
import { Lines } from "./line.js";
import { Figure } from "./number.js";
import { Table } from "./table.js";
import { Top } from "./top.js";

const KINDS = { number: Figure, line: Lines, bar: Bars, heat: Heat, geo: Geo, table: Table, top: Top };

export function tileOf(view) {
  return KINDS[view.chart.kind] ?? Table;
}
