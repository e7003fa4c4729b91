// What a figure was: the past of a value that only tells what it is now.
//
// in    points {name: number} at a time, about one a second
// out   at (milliseconds) and per name its values, the newest LENGTH of them; null is a gap
//       of more names than NAMES_MAX those go that have had no value for the longest
// note  kept per view for as long as the tab lives, so a page that is opened again goes on with it

const LENGTH = 600;
const NAMES_MAX = 64;
const EVERY_MS = 950;
const GAP_MS = 5_000;
const pasts = new Map();

export class Past {
  constructor(length = LENGTH) {
    this.length = length;
    /** @type {number[]} */
    this.at = [];
    /** @type {Map<string, (number|null)[]>} */
    this.values = new Map();
  }

  /** Keep a point, if the last one is a second old. @returns {boolean} whether it was kept */
  add(at_ms, point) {
    const before = this.at.at(-1) ?? -Infinity;
    if (at_ms - before < EVERY_MS) return false;
    if (this.at.length && at_ms - before > GAP_MS) this._push(before + 1, {});
    this._push(at_ms, point);
    return true;
  }

  /** The values of a name. @returns {(number|null)[]} */
  of(name) {
    return this.values.get(name) ?? this.at.map(() => null);
  }

  /** The value of a name about so long before the newest; null where that is not known. */
  before(name, ms) {
    const wanted = (this.at.at(-1) ?? 0) - ms;
    const place = this.at.findIndex((at) => at >= wanted);
    if (place < 0 || this.at[place] - wanted > ms / 4) return null;
    return this.of(name)[place];
  }

  _push(at_ms, point) {
    this.at.push(at_ms);
    for (const [name, values] of this.values) values.push(point[name] ?? null);
    for (const name of Object.keys(point)) {
      if (this.values.has(name)) continue;
      if (this.values.size >= NAMES_MAX) this._forget();
      this.values.set(name, [...Array(this.at.length - 1).fill(null), point[name]]);
    }
    if (this.at.length > this.length) {
      this.at.shift();
      for (const values of this.values.values()) values.shift();
    }
  }

  _forget() {
    const seen = ([, values]) => values.findLastIndex((value) => value !== null);
    const [name] = [...this.values].reduce((a, b) => (seen(b) < seen(a) ? b : a));
    this.values.delete(name);
  }
}

/** The past of a view. */
export function pastOf(view) {
  if (!pasts.has(view)) pasts.set(view, new Past());
  return pasts.get(view);
}
