// The rows of a view as this page knows them.
//
// in    frames of the feed: a snapshot, then changes (see docs/dashboard.md)
// out   columns, rows by number, total, version; what an apply has changed
// note  pure: no DOM, no clock; tests run it in Node

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
    /** Changed rows since the page began to follow. */
    this.changes = 0;
  }

  /**
   * Take a frame in.
   * @returns {boolean} whether everything is new (a snapshot)
   */
  apply(frame) {
    const anew = frame.type === "snapshot";
    if (anew) {
      this.columns = frame.columns;
      this.byId.clear();
    } else {
      for (const id of frame.gone) this.byId.delete(id);
      this.changes += frame.ids.length;
    }
    frame.ids.forEach((id, place) => this.byId.set(id, frame.rows[place]));
    this.total = frame.total;
    this.version = frame.version;
    this.at_ms = frame.at_ms;
    return anew;
  }

  /** The place of a column; -1 where there is none. */
  index(name) {
    return this.columns.findIndex((column) => column.name === name);
  }

  /**
   * Ids and rows in an order: "-n" for the largest of n first, "" for the order of numbers.
   * Where nothing is known comes last both ways, as the server has it.
   * @returns {[number, any[]][]}
   */
  sorted(order = "", limit = Infinity) {
    const found = [...this.byId];
    const at = this.index(order.replace(/^-/, ""));
    if (at < 0) found.sort((a, b) => a[0] - b[0]);
    else {
      const way = order.startsWith("-") ? -1 : 1;
      found.sort(([one, a], [two, b]) => {
        const absent = (a[at] === null) - (b[at] === null);
        return absent || way * compared(a[at], b[at]) || one - two;
      });
    }
    return found.length > limit ? found.slice(0, limit) : found;
  }
}

/** Which of two values comes first; texts of numbers as numbers, nothing before everything. */
export function compared(a, b) {
  if (a === null || b === null) return (a !== null) - (b !== null);
  if (typeof a === "number" && typeof b === "number") return a - b;
  const [left, right] = [Number(a), Number(b)];
  if (a !== "" && b !== "" && !Number.isNaN(left) && !Number.isNaN(right)) return left - right;
  const [one, two] = [String(a), String(b)];
  return one < two ? -1 : Number(one > two);
}

/** A value as a number; NaN where it is none. Decimals and large numbers come as texts. */
export function numeric(value) {
  return value === null || value === "" || typeof value === "boolean" ? NaN : Number(value);
}

/** An instant (ISO 8601, or milliseconds) in milliseconds; without a zone it is taken as UTC. */
export function instant(value) {
  if (typeof value === "number") return value;
  if (typeof value !== "string") return NaN;
  const zoned = /(?:Z|[+-]\d\d:?\d\d)$/.test(value) || value.length === 10;
  return Date.parse(zoned ? value : `${value.replace(" ", "T")}Z`);
}
