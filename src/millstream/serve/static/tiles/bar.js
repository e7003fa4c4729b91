// Bars beside each other, in the order of x.
//
// in    one bar per row: x says which, y[0] how high; what is below zero hangs from it
// out   a list whose bars grow by transforms; its items say their name and value as text

import { cell, compact } from "../lib/format.js";
import { finite } from "../lib/rows.js";
import { made, write } from "./parts.js";

const BARS_MAX = 48;
const VALUES_MAX = 8; // of more bars the values would stand in each other's way
const NAMES_MAX = 16; // and every second name

export class Bars {
  static feed(view) {
    const { x, order, limit } = view.chart;
    return { limit: Math.min(limit ?? BARS_MAX, BARS_MAX), order: order ?? x ?? undefined };
  }

  constructor(element, view) {
    this.view = view;
    element.classList.add("bars");
    this.list = made("ul", element);
    this.list.setAttribute("aria-label", view.chart.title);
    this.bars = [];
  }

  update(rows) {
    const { chart, columns } = this.view;
    const [name, high] = [rows.index(chart.x), rows.index(chart.y[0])];
    const found = rows.sorted(chart.order ?? chart.x, BARS_MAX);
    while (this.bars.length < found.length) this.bars.push(bar(this.list));
    while (this.bars.length > found.length) this.bars.pop().item.remove();
    const values = found.map(([, row]) => finite(row[high]));
    const [least, most] = [Math.min(0, ...values), Math.max(0, ...values)];
    const span = most - least || 1;
    found.forEach(([, row], n) => {
      const held = this.bars[n];
      write(held.name, cell(row[name], columns[name].type));
      write(held.value, compact(values[n] ?? NaN));
      const scale = `translateY(${(100 * least) / span}%) scaleY(${(values[n] ?? 0) / span})`;
      if (held.scale === scale) return;
      held.bar.style.transform = held.scale = scale;
      held.item.title = `${held.name.textContent}: ${cell(row[high], columns[high].type)}`;
    });
    this.list.classList.toggle("close", found.length > VALUES_MAX);
    this.list.classList.toggle("narrow", found.length > NAMES_MAX);
  }

  tick() {}

  destroy() {
    this.list.remove();
  }
}

function bar(list) {
  const item = made("li", list);
  const value = made("b", item);
  const place = made("i", item);
  const grown = made("i", place);
  const name = made("span", item);
  return { item, value, bar: grown, name, scale: "" };
}
