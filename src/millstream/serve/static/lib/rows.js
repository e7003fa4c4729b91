// The rows of a view as this page knows them.
//
// in    frames of the feed: a snapshot, then changes (see docs/dashboard.md)
// out   columns, rows by number, total, version
// order that of the server (connect/live_window.py): by the type of the column, not by what its
//       values look like; NULL and NaN come last both ways, equal values by their numbers
// note  pure: no DOM, no clock; tests run it in Node

import { isNumber } from "./format.js";

const WHOLE = /^-?\d{16,}$/;

/** @typedef {{name: string, type: string}} Column */

export class Rows {
  constructor() {
    /** @type {Column[]} */
    this.columns = [];
    /** @type {Map<number, any[]>} */
    this.byId = new Map();
    this.total = 0;
    this.version = 0;
    this.at_ms = 0;
  }

  /** Take a frame in. */
  apply(frame) {
    if (frame.type === "snapshot") {
      this.columns = frame.columns;
      this.byId.clear();
    } else {
      for (const id of frame.gone) this.byId.delete(id);
    }
    frame.ids.forEach((id, place) => this.byId.set(id, frame.rows[place]));
    this.total = frame.total;
    this.version = frame.version;
    this.at_ms = frame.at_ms;
  }

  /** The place of a column; -1 where there is none. */
  index(name) {
    return this.columns.findIndex((column) => column.name === name);
  }

  /**
   * Ids and rows in an order: "-n" for the largest of n first, "" for the order of numbers.
   * @returns {[number, any[]][]}
   */
  sorted(order = "", limit = Infinity) {
    const found = [...this.byId];
    const rises = this.index(order) >= 0;
    const at = this.index(rises ? order : order.replace(/^-/, ""));
    if (at < 0) found.sort((a, b) => a[0] - b[0]);
    else {
      const { type } = this.columns[at];
      const [way, values] = [rises ? 1 : -1, compared(type)];
      const unknown = isNumber(type) ? (value) => Number.isNaN(numeric(value)) : (value) => value === null;
      found.sort(([one, a], [two, b]) => {
        const absent = unknown(a[at]) - unknown(b[at]);
        return absent || way * values(a[at], b[at]) || one - two;
      });
    }
    return found.length > limit ? found.slice(0, limit) : found;
  }
}

/** How two values of a SQL type compare. @returns {(a: any, b: any) => number} */
export function compared(type) {
  if (isNumber(type)) return comparedNumbers;
  // Instants have no more digits than they need, so the zone's letter would come before a dot.
  const text = /^TIMESTAMP/i.test(type) ? (value) => String(value).replace(/Z$/, "") : String;
  return (a, b) => {
    const [one, two] = [text(a), text(b)];
    return one < two ? -1 : Number(one > two);
  };
}

/** Whole numbers beyond 2^53 come as texts and differ where they are the same as floats. */
function comparedNumbers(a, b) {
  const [one, two] = [Number(a), Number(b)];
  if (one !== two) return one < two ? -1 : 1;
  if (!WHOLE.test(a) || !WHOLE.test(b)) return 0;
  const [left, right] = [BigInt(a), BigInt(b)];
  return left < right ? -1 : Number(left > right);
}

/** A value as a number; NaN where it is none. Decimals and large numbers come as texts. */
export function numeric(value) {
  return value === null || value === "" || typeof value === "boolean" ? NaN : Number(value);
}

/** A value as a number that can be drawn; null where it is none, NaN or without end. */
export function finite(value) {
  const number = numeric(value);
  return Number.isFinite(number) ? number : null;
}

/** An instant (ISO 8601, or milliseconds) in milliseconds; without a zone it is taken as UTC. */
export function instant(value) {
  if (typeof value === "number") return value;
  if (typeof value !== "string") return NaN;
  const zoned = /(?:Z|[+-]\d\d:?\d\d)$/.test(value) || value.length === 10;
  return Date.parse(zoned ? value : `${value.replace(" ", "T")}Z`);
}
