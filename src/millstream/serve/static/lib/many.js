// The rows of a large view, as far as somebody looks at them.
//
// in    want(from, to): these places are in sight
// out   row(n) -> {id, values} or null while it is on its way; total; changed() after news
// how   the first rows follow the feed, in the same order; those behind come in pages, one call at
//       a time, each beginning where the one before ended. Pages in sight are asked for again every
//       two seconds while the view changes; pages that nobody has looked at for long are dropped

import { get } from "./api.js";
import { follow } from "./feed.js";

const PAGE = 1_000;
const HEAD = 200;
const PAGES_KEPT = 60;
const AGAIN_MS = 2_000;

export class Many {
  /**
   * @param {any} view ViewInfo
   * @param {string} order "-n", "n" or "" for as they come
   * @param {() => void} changed
   * @param {(error: Error | null) => void} failed null when it is well again
   */
  constructor(view, order, changed, failed) {
    this.path = `/views/${encodeURIComponent(view.name)}/rows`;
    this.order = order || undefined;
    this.key = view.key?.map((name) => view.columns.findIndex((one) => one.name === name));
    this.total = view.rows;
    this.changed = changed;
    this.failed = failed;
    this.head = [];
    /** Where pages begin, as far as that is known. @type {(string | undefined)[]} */
    this.cursors = [undefined];
    /** @type {Map<number, {rows: any[], at_ms: number}>} */
    this.pages = new Map();
    this.sight = [0, 0];
    this.over = new AbortController();
    this.isAsking = false;
    this.version = 0;
    this._stop = follow(view.name, { limit: HEAD, order: this.order }, (rows) => {
      this.head = rows.sorted(order, HEAD);
      this.total = rows.total;
      this.version = rows.version;
      changed();
    });
    this._timer = setInterval(() => this._ask(), AGAIN_MS / 4);
  }

  close() {
    this.over.abort();
    clearInterval(this._timer);
    this._stop();
  }

  row(n) {
    if (n < this.head.length) return { id: this._id(this.head[n][1], n), values: this.head[n][1] };
    const values = this.pages.get(Math.floor(n / PAGE))?.rows[n % PAGE];
    return values ? { id: this._id(values, n), values } : null;
  }

  want(from, to) {
    this.sight = [from, to];
    this._ask();
  }

  /** Rows of pages have no numbers: the key says which row it is, else the place. */
  _id(values, n) {
    return this.key?.length ? JSON.stringify(this.key.map((at) => values[at])) : n;
  }

  async _ask() {
    const page = this._due();
    if (page === null || this.isAsking || document.hidden || this.over.signal.aborted) return;
    this.isAsking = true;
    try {
      const params = { limit: PAGE, order: this.order, cursor: this.cursors[page] };
      const version = this.version;
      const found = await get(this.path, params, { signal: this.over.signal });
      this.pages.set(page, { rows: found.rows, at_ms: Date.now(), version });
      this.total = found.total;
      if (found.next) this.cursors[page + 1] = found.next;
      else this.cursors.length = page + 1;
      this._forget();
      this.failed(null);
      this.changed();
    } catch (error) {
      if (!this.over.signal.aborted && error.status) this.failed(error);
    } finally {
      this.isAsking = false;
    }
    const next = this._due();
    if (next !== null && next !== page) this._ask();
  }

  /** The page to ask for next: in sight and not here, or old; first those that lead to it. */
  _due() {
    const [from, to] = this.sight;
    const pages = [Math.floor(from / PAGE), Math.floor(Math.max(from, to - 1) / PAGE)];
    for (const page of new Set(pages)) {
      const isHead = Math.min(to, this.total) <= this.head.length;
      if (isHead || page * PAGE >= this.total) continue;
      if (page >= this.cursors.length) return this.cursors.length - 1;
      const held = this.pages.get(page);
      if (!held) return page;
      if (held.version !== this.version && Date.now() - held.at_ms > AGAIN_MS) return page;
    }
    return null;
  }

  _forget() {
    const middle = this.sight[0] / PAGE;
    while (this.pages.size > PAGES_KEPT) {
      const far = [...this.pages.keys()].sort((a, b) => Math.abs(b - middle) - Math.abs(a - middle));
      this.pages.delete(far[0]);
    }
  }
}
