// Where things are, without a map: a net of degrees and one bubble per row.
//
// in    x is the longitude, y[0] the latitude, y[1] (if any) the size; `by` names a bubble; rows
//       that are nowhere on earth are counted, not drawn
// out   a canvas; nothing is loaded from anywhere, so there are no coasts and no streets

import { compact, count, exact, NOTHING } from "../lib/format.js";
import { finite, numeric } from "../lib/rows.js";
import { colours } from "../lib/theme.js";
import { faded } from "../lib/chart.js";
import { Canvas, made, write } from "./parts.js";

const POINTS = 1_000;
const NAMED = 12;
const LAT_MAX = 90;
const LON_MAX = 360; // some count to the east only
const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 45];

export class Geo {
  static feed(view) {
    const { y, order, limit } = view.chart;
    return { limit: limit ?? POINTS, order: order ?? (y[1] ? `-${y[1]}` : undefined) };
  }

  constructor(element, view) {
    this.chart = view.chart;
    element.classList.add("geo");
    this.canvas = new Canvas(element, (pen, width, height) => this._draw(pen, width, height));
    this.under = made("p", made("div", element, "scale"));
    this.canvas.element.addEventListener("pointermove", (event) => this._hover(event));
    this.canvas.element.addEventListener("pointerleave", () => write(this.under, this.idle ?? ""));
    this.points = [];
  }

  update(rows) {
    const { x, y, by } = this.chart;
    const [lon, lat, size, name] = [x, y[0], y[1], by].map((one) => (one ? rows.index(one) : -1));
    this.points = [];
    for (const row of rows.byId.values()) {
      const point = { lon: numeric(row[lon]), lat: numeric(row[lat]) };
      if (!(Math.abs(point.lon) <= LON_MAX && Math.abs(point.lat) <= LAT_MAX)) continue;
      point.size = size < 0 ? 1 : Math.max(0, finite(row[size]));
      point.name = name < 0 ? "" : String(row[name] ?? NOTHING);
      this.points.push(point);
    }
    this.points.sort((a, b) => b.size - a.size);
    this.nowhere = rows.byId.size - this.points.length;
    this.canvas.again();
  }

  tick() {
    const top = this.points.slice(0, 3).map((one) => `${one.name || "place"} ${compact(one.size)}`);
    this.canvas.said(`${this.chart.title}, ${this.points.length} places; largest: ${top.join(", ")}`);
    this.idle = [
      `${count(this.points.length)} places`,
      this.chart.y[1] && `size is ${this.chart.y[1]}`,
      this.nowhere > 0 && `${count(this.nowhere)} nowhere on earth`,
    ].filter(Boolean).join(", ");
    if (!this.hovered) write(this.under, this.idle);
  }

  destroy() {
    this.canvas.destroy();
  }

  _draw(pen, width, height) {
    if (!this.points.length) return;
    const { line, faint, text, series, surface } = colours();
    const view = frameOf(this.points, width, height);
    pen.strokeStyle = line;
    pen.fillStyle = faint;
    pen.lineWidth = 1;
    pen.textBaseline = "bottom";
    for (let lon = Math.ceil(view.west / view.step) * view.step; lon <= view.east; lon += view.step) {
      stroke(pen, view.x(lon), 0, view.x(lon), height);
      if (view.x(lon) < width - 36) pen.fillText(degrees(lon, "E", "W"), view.x(lon) + 3, height - 2);
    }
    for (let lat = Math.ceil(view.south / view.step) * view.step; lat <= view.north; lat += view.step) {
      stroke(pen, 0, view.y(lat), width, view.y(lat));
      if (view.y(lat) > 14) pen.fillText(degrees(lat, "N", "S"), 3, view.y(lat) - 1);
    }
    const most = this.points[0].size || 1;
    const largest = Math.min(width, height) / 14;
    for (const point of this.points) {
      point.px = view.x(point.lon);
      point.py = view.y(point.lat);
      point.r = Math.max(2.5, largest * Math.sqrt(point.size / most));
      pen.beginPath();
      pen.arc(point.px, point.py, point.r, 0, 2 * Math.PI);
      pen.fillStyle = faded(series[0], 0.35);
      pen.fill();
      pen.strokeStyle = series[0];
      pen.stroke();
    }
    this._names(pen, text, surface, width);
  }

  /** Names of the largest, where they do not cover each other. */
  _names(pen, colour, behind, width) {
    const taken = [];
    pen.textBaseline = "middle";
    for (const { name, px, py, r } of this.points.slice(0, NAMED)) {
      if (!name) continue;
      const wide = pen.measureText(name).width;
      const left = px + r + 4 + wide > width ? px - r - 4 - wide : px + r + 4;
      const box = [left, py - 7, left + wide, py + 7];
      if (taken.some((b) => box[0] < b[2] && b[0] < box[2] && box[1] < b[3] && b[1] < box[3])) continue;
      taken.push(box);
      pen.strokeStyle = behind;
      pen.lineWidth = 3;
      pen.strokeText(name, left, py);
      pen.fillStyle = colour;
      pen.fillText(name, left, py);
      pen.lineWidth = 1;
    }
  }

  _hover({ offsetX, offsetY }) {
    const near = this.points.findLast(
      ({ px, py, r }) => Math.hypot(px - offsetX, py - offsetY) <= r + 3,
    );
    this.hovered = Boolean(near);
    const place = near && `${degrees(near.lat, "N", "S", 2)} ${degrees(near.lon, "E", "W", 2)}`;
    const size = near && this.chart.y[1] ? `: ${exact(near.size)}` : "";
    write(this.under, near ? `${near.name || place}${size}` : (this.idle ?? ""));
  }
}

/** Degrees to pixels: all points with some air, longitudes shortened as at their latitude. */
function frameOf(points, width, height) {
  const [lons, lats] = [points.map((p) => p.lon), points.map((p) => p.lat)];
  const middle = [(Math.min(...lons) + Math.max(...lons)) / 2, (Math.min(...lats) + Math.max(...lats)) / 2];
  const shorter = Math.max(0.2, Math.cos((middle[1] * Math.PI) / 180));
  const wide = Math.max((Math.max(...lons) - Math.min(...lons)) * shorter, 0.02);
  const high = Math.max(Math.max(...lats) - Math.min(...lats), 0.02);
  const scale = Math.min((width * 0.84) / wide, (height * 0.8) / high);
  const x = (lon) => width / 2 + (lon - middle[0]) * shorter * scale;
  const y = (lat) => height / 2 - (lat - middle[1]) * scale;
  const span = { west: middle[0] - width / 2 / scale / shorter, east: middle[0] + width / 2 / scale / shorter };
  const step = STEPS.find((one) => (span.east - span.west) / one <= 7) ?? 60;
  return { x, y, step, ...span, north: middle[1] + height / 2 / scale, south: middle[1] - height / 2 / scale };
}

function degrees(value, plus, minus, places = 0) {
  const size = Math.abs(value);
  const text = places || !Number.isInteger(Number(size.toFixed(6))) ? size.toFixed(2) : String(Math.round(size));
  return `${text}°${value < 0 ? minus : plus}`;
}

function stroke(pen, ax, ay, bx, by) {
  pen.beginPath();
  pen.moveTo(ax, ay);
  pen.lineTo(bx, by);
  pen.stroke();
}
