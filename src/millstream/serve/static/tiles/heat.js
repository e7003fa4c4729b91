// A heat map: two categories, one figure.
//
// in    x across, `by` down, y[0] as colour; seven steps from the least to the most
// out   a canvas; what is under the pointer is written below it, else what there was no room for

import { extremes } from "../lib/chart.js";
import { cell, compact, count, exact } from "../lib/format.js";
import { compared, finite } from "../lib/rows.js";
import { colours } from "../lib/theme.js";
import { Canvas, made, write } from "./parts.js";

const SIDE_MAX = 60;
const CELLS = 1_000;
const LABEL_MAX = 14;

export class Heat {
  static feed(view) {
    return { limit: view.chart.limit ?? CELLS, order: view.chart.order ?? `-${view.chart.y[0]}` };
  }

  constructor(element, view) {
    this.chart = view.chart;
    element.classList.add("heat");
    this.canvas = new Canvas(element, (pen, width, height) => this._draw(pen, width, height));
    this.foot = made("p", element, "scale");
    this.low = made("span", this.foot);
    this.steps = Array.from({ length: 7 }, (_, n) => made("i", this.foot, `step-${n}`));
    this.high = made("span", this.foot);
    this.under = made("b", this.foot);
    this.canvas.element.addEventListener("pointermove", (event) => this._hover(event));
    this.canvas.element.addEventListener("pointerleave", () => this._hover(null));
    /** Values by the texts of their column and row. @type {Map<string, number | null>} */
    this.cells = new Map();
    this.across = [];
    this.down = [];
    this.rest = "";
  }

  update(rows) {
    const [x, y, value] = [this.chart.x, this.chart.by, this.chart.y[0]].map((n) => rows.index(n));
    this.cells.clear();
    const [across, down] = [new Set(), new Set()];
    for (const row of rows.byId.values()) {
      across.add(row[x]);
      down.add(row[y]);
      this.cells.set(keyOf(row[x], row[y]), finite(row[value]));
    }
    this.types = [rows.columns[x].type, rows.columns[y].type];
    this.across = side(across, this.types[0]);
    this.down = side(down, this.types[1]);
    const isCut = Math.max(across.size, down.size) > SIDE_MAX || rows.total > rows.byId.size;
    this.rest = isCut ? `a part of ${count(rows.total)}` : "";
    if (!this.isHovered) write(this.under, this.rest);
    [this.least, this.most] = extremes(this.cells.values());
    write(this.low, compact(this.least));
    write(this.high, compact(this.most));
    this.canvas.again();
  }

  tick() {
    const [across, down] = [this.across.length, this.down.length];
    const said = across
      ? `${across} by ${down}, from ${compact(this.least)} to ${compact(this.most)}`
      : "nothing yet";
    this.canvas.said(`${this.chart.title}, heat map: ${said}`);
  }

  destroy() {
    this.canvas.destroy();
  }

  _draw(pen, width, height) {
    if (!this.across.length) return;
    const { heat, faint, surface } = colours();
    const labels = this.down.map((one) => short(one, this.types[1]));
    const left = Math.min(width / 3, 8 + Math.max(...labels.map((text) => pen.measureText(text).width)));
    const [top, bottom] = [4, 18];
    const [wide, high] = [
      (width - left) / this.across.length,
      (height - top - bottom) / this.down.length,
    ];
    this.layout = { left, top, wide, high };
    const gap = Math.min(wide, high) > 6 ? 1 : 0;
    const span = this.most - this.least || 1;
    this.down.forEach((down, row) => {
      this.across.forEach((across, column) => {
        const value = this.cells.get(keyOf(across, down)) ?? null;
        const there = value !== null;
        const step = there ? Math.min(6, Math.floor((7 * (value - this.least)) / span)) : 0;
        pen.fillStyle = there ? heat[step] : surface;
        pen.fillRect(left + column * wide, top + row * high, wide - gap, high - gap);
      });
    });
    pen.fillStyle = faint;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    const everyRow = Math.ceil(13 / high);
    labels.forEach((text, n) => n % everyRow || pen.fillText(text, left - 6, top + (n + 0.5) * high));
    pen.textAlign = "center";
    const names = this.across.map((one) => short(one, this.types[0]));
    const widest = Math.max(...names.map((text) => pen.measureText(text).width)) + 8;
    const everyColumn = Math.ceil(widest / wide);
    names.forEach((text, n) => {
      if (n % everyColumn === 0) pen.fillText(text, left + (n + 0.5) * wide, height - bottom / 2 + 1);
    });
  }

  /** Tell of the cell under the pointer; without one, of what is not shown. */
  _hover(event) {
    if (!this.layout) return;
    const { left, top, wide, high } = this.layout;
    const across = event && this.across[Math.floor((event.offsetX - left) / wide)];
    const down = event && this.down[Math.floor((event.offsetY - top) / high)];
    const value = this.cells.get(keyOf(across, down));
    this.isHovered = Boolean(event) && value !== undefined;
    const [column, row] = this.isHovered ? [cell(across, this.types[0]), cell(down, this.types[1])] : [];
    write(this.under, this.isHovered ? `${row} · ${column}: ${exact(value)}` : this.rest);
  }
}

function keyOf(across, down) {
  return JSON.stringify([across, down]);
}

function side(values, type) {
  return [...values].sort(compared(type)).slice(0, SIDE_MAX);
}

function short(value, type) {
  const text = cell(value, type);
  return text.length > LABEL_MAX ? `${text.slice(0, LABEL_MAX - 1)}…` : text;
}
