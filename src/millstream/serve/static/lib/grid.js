// A table of any length: only the rows that are seen stand in the page.
//
// in    columns; rows by their place: row(n) -> {id, values} or null where it is still on its way;
//       how many there are
// out   Grid: new Grid(element, {label, sorted, seen}); show({columns, total, row, order});
//       paint() after rows have changed; destroy()
//       sorted(order) is called when a heading is pressed ("n", "-n", or "" for as they come),
//       seen(from, to) when other rows come into sight
// note  a paint writes only cells whose text is another one and marks them for a moment; rows are
//       placed by transforms, so nothing is laid out again but by a text that needs a wider column

import { cell, isNumber } from "./format.js";
import { nextFrame, notNextFrame } from "./frames.js";

const ROW_PX = 32;
const SPARE_ROWS = 6;
const HOT_MS = 900;
const HEIGHT_MAX_PX = 16_000_000;
const TEXT_MAX = 400;
const LETTERS_MAX = 36;

/** @typedef {{name: string, type: string}} Column */

export class Grid {
  constructor(element, { label, sorted = null, seen = null }) {
    this.element = element;
    this.sorted = sorted;
    this.seen = seen;
    this.columns = [];
    this.total = 0;
    this.order = "";
    this.row = () => null;
    /** @type {{element: HTMLElement, cells: HTMLElement[], texts: string[], place: number}[]} */
    this._pool = [];
    this._texts = new Map();
    this._hot = new Map();
    this._range = "";
    /** How many letters each column has room for. @type {number[]} */
    this._letters = [];
    element.classList.add("grid");
    element.tabIndex = 0;
    element.setAttribute("role", "table");
    element.setAttribute("aria-label", label);
    this._head = made("div", "grid-head", "rowgroup", element);
    this._body = made("div", "grid-body", "rowgroup", element);
    this._paint = () => this.paint();
    this._scrolled = () => nextFrame(this._paint);
    element.addEventListener("scroll", this._scrolled, { passive: true });
    this._sizes = new ResizeObserver(this._scrolled);
    this._sizes.observe(element);
    this._cool = setInterval(() => this._cooled(performance.now()), 300);
  }

  /** @param {{columns: Column[], total: number, row: (n: number) => any, order?: string}} shown */
  show({ columns, total, row, order = "" }) {
    const anew = JSON.stringify([columns, order]) !== JSON.stringify([this.columns, this.order]);
    this.columns = columns;
    this.order = order;
    this.row = row;
    if (anew) this._build();
    if (total !== this.total || anew) {
      this.total = total;
      this._body.style.height = `${Math.min(total * ROW_PX, HEIGHT_MAX_PX)}px`;
      this.element.setAttribute("aria-rowcount", String(total + 1));
    }
    this.paint();
  }

  /** Write what has changed of what is seen. */
  paint() {
    const { clientHeight, scrollTop } = this.element;
    if (!clientHeight) return;
    const height = Math.min(this.total * ROW_PX, HEIGHT_MAX_PX);
    const fits = Math.ceil(clientHeight / ROW_PX);
    // A table higher than browsers can lay out is scrolled in larger steps.
    const share = height > clientHeight ? scrollTop / (height - clientHeight) : 0;
    const top = this.total * ROW_PX > HEIGHT_MAX_PX
      ? Math.floor(share * Math.max(0, this.total - fits + 2))
      : Math.floor(scrollTop / ROW_PX);
    const from = Math.max(0, top - SPARE_ROWS);
    const to = Math.min(this.total, top + fits + SPARE_ROWS);
    const shift = this.total * ROW_PX > HEIGHT_MAX_PX ? scrollTop - top * ROW_PX : 0;
    if (this.seen && `${from}-${to}` !== this._range) {
      this._range = `${from}-${to}`;
      this.seen(from, to);
    }
    this._rows(from, to, shift, performance.now());
  }

  destroy() {
    clearInterval(this._cool);
    notNextFrame(this._paint);
    this._sizes.disconnect();
    this.element.removeEventListener("scroll", this._scrolled);
    this.element.replaceChildren();
  }

  _build() {
    this._pool = [];
    this._texts.clear();
    this._hot.clear();
    this._range = "";
    const focused = [...this._head.querySelectorAll("button")].indexOf(document.activeElement);
    this._body.replaceChildren();
    this._head.replaceChildren();
    this._letters = this.columns.map(({ name }) => name.length + 2);
    this._widths();
    const row = made("div", "grid-row", "row", this._head);
    row.setAttribute("aria-rowindex", "1");
    for (const column of this.columns) {
      const head = made("div", isNumber(column.type) ? "number" : "", "columnheader", row);
      head.title = `${column.name} ${column.type}`;
      if (!this.sorted) {
        head.textContent = column.name;
        continue;
      }
      const [way, next] = this._way(column.name);
      head.setAttribute("aria-sort", { "": "none", up: "ascending", down: "descending" }[way]);
      const button = made("button", `sort ${way}`, null, head);
      button.type = "button";
      made("span", "", null, button).textContent = column.name;
      button.addEventListener("click", () => this.sorted(next));
    }
    this.element.setAttribute("aria-colcount", String(this.columns.length));
    // Who has sorted by a heading stays on it.
    this._head.querySelectorAll("button")[focused]?.focus({ preventScroll: true });
  }

  /** How a column is sorted now, and the order that a press asks for. */
  _way(name) {
    if (this.order === `-${name}`) return ["down", name];
    if (this.order === name) return ["up", ""];
    return ["", `-${name}`];
  }

  /** Columns as wide as what has been seen in them, and what is left in the same proportions. */
  _widths() {
    const letters = this._letters.map((one) => Math.min(one, LETTERS_MAX));
    const least = letters.map((one) => Math.round(one * 7.6 + 28));
    const widths = least.map((width, k) => `minmax(${width}px, ${letters[k]}fr)`);
    this.element.style.setProperty("--columns", widths.join(" "));
    this.element.style.setProperty("--wide", `${least.reduce((sum, width) => sum + width, 0)}px`);
  }

  _rows(from, to, shift, now) {
    const size = to - from;
    while (this._pool.length < size) this._pool.push(this._made());
    const seen = new Map();
    let grows = false;
    this._pool.forEach((held) => (held.used = false));
    for (let n = from; n < to; n += 1) {
      const held = this._pool[n % this._pool.length];
      held.used = true;
      if (held.place !== n || held.shift !== shift) {
        held.place = n;
        held.shift = shift;
        held.element.style.transform = `translateY(${n * ROW_PX + shift}px)`;
        held.element.setAttribute("aria-rowindex", String(n + 2));
      }
      const found = this.row(n);
      held.element.classList.toggle("due", !found);
      const before = found ? this._texts.get(found.id) : undefined;
      const texts = this.columns.map((column, k) => (found ? textOf(found.values[k], column.type) : ""));
      if (found) {
        seen.set(found.id, texts);
        texts.forEach((text, k) => {
          const letters = Math.min(text.length, LETTERS_MAX);
          if (letters > this._letters[k]) [grows, this._letters[k]] = [true, letters];
        });
      }
      this._write(held, texts, before, now);
    }
    for (const held of this._pool) {
      if (held.element.hidden === held.used) held.element.hidden = !held.used;
      if (!held.used) held.place = -1;
    }
    this._texts = seen;
    if (grows) this._widths();
  }

  _write(held, texts, before, now) {
    texts.forEach((text, k) => {
      const place = held.cells[k];
      const isNew = before !== undefined && before[k] !== text;
      if (held.texts[k] !== text) {
        held.texts[k] = text;
        place.textContent = text;
        if (!isNew && this._hot.delete(place)) place.classList.remove("hot");
      }
      if (isNew) {
        if (!this._hot.has(place)) place.classList.add("hot");
        this._hot.set(place, now + HOT_MS);
      }
    });
  }

  _cooled(now) {
    for (const [place, until] of this._hot) {
      if (until > now) continue;
      place.classList.remove("hot");
      this._hot.delete(place);
    }
  }

  _made() {
    const element = made("div", "grid-row", "row", this._body);
    const cells = this.columns.map((column) =>
      made("div", isNumber(column.type) ? "number" : "", "cell", element),
    );
    return { element, cells, texts: cells.map(() => ""), place: -1, shift: 0, used: false };
  }
}

function textOf(value, type) {
  const text = cell(value, type);
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
}

function made(kind, name, role, parent) {
  const element = document.createElement(kind);
  if (name) element.className = name;
  if (role) element.setAttribute("role", role);
  parent.append(element);
  return element;
}
