// Values as people read them.
//
// in    numbers with a known unit, instants in milliseconds, cells with their SQL type
// out   short texts; null, undefined and NaN are always "–"
// note  pure; a "compact" number has at most three digits that count, so columns stay narrow; what
//       is too large or too small for groups of digits is written with its power of ten

export const NOTHING = "–";
const SHORT = ["", "k", "M", "G", "T", "P"];
const BYTES = ["B", "KiB", "MiB", "GiB", "TiB"];
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const some = new Intl.NumberFormat("en", { maximumFractionDigits: 6 });
const GROUPED_MAX = 1e15;
const GROUPED_MIN = 1e-6;

const missing = (value) => value === null || value === undefined || Number.isNaN(value);

/** 1234567 -> "1.23M" */
export function compact(value) {
  if (missing(value)) return NOTHING;
  let [left, step] = [Math.abs(value), 0];
  while (left >= 999.5 && step < SHORT.length - 1) {
    left /= 1000;
    step += 1;
  }
  if (!Number.isFinite(left)) return value > 0 ? "∞" : "-∞";
  if (left >= 999.5) return String(Number(value.toPrecision(3))).replace("+", "");
  return (value < 0 ? "-" : "") + digits(left) + SHORT[step];
}

/** 1234567 -> "1,234,567" */
export function count(value) {
  return missing(value) ? NOTHING : whole.format(value);
}

/** 1234.5678 -> "1,234.5678": what is there, in groups. */
export function exact(value) {
  if (missing(value)) return NOTHING;
  const size = Math.abs(value);
  if (size >= GROUPED_MAX || (size < GROUPED_MIN && size > 0)) return String(value).replace("+", "");
  return some.format(value);
}

/** 15300 -> "15.3k/s" */
export function rate(value) {
  return missing(value) ? NOTHING : `${compact(value)}/s`;
}

/** 0.256 -> "26 %" */
export function percent(share) {
  if (missing(share)) return NOTHING;
  return `${share > 0 && share < 0.095 ? (100 * share).toFixed(1) : Math.round(100 * share)} %`;
}

/** 1572864 -> "1.5 MiB" */
export function bytes(value) {
  if (missing(value)) return NOTHING;
  let [left, step] = [Math.abs(value), 0];
  while (left >= 1023.5 && step < BYTES.length - 1) {
    left /= 1024;
    step += 1;
  }
  return `${value < 0 ? "-" : ""}${step ? digits(left) : Math.round(left)} ${BYTES[step]}`;
}

/** 95000 -> "1 min 35 s"; 12.34 -> "12.3 ms" */
export function duration(ms) {
  if (missing(ms)) return NOTHING;
  const sign = ms < 0 ? "-" : "";
  const left = Math.abs(ms);
  if (left < 1_000) return `${sign}${digits(left)} ms`;
  if (left < 60_000) return `${sign}${digits(left / 1000)} s`;
  const s = Math.round(left / 1000);
  if (s < 3_600) return `${sign}${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${sign}${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${sign}${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** How long ago: "now", "12 s ago", "3 h 5 min ago". */
export function ago(at_ms, now_ms = Date.now()) {
  if (missing(at_ms)) return NOTHING;
  const left = now_ms - at_ms;
  if (left < 1_500) return "now";
  return `${left < 60_000 ? `${Math.round(left / 1000)} s` : duration(left)} ago`;
}

/** 14:03:22, or with the day where it is not today's. */
export function clock(at_ms) {
  if (missing(at_ms)) return NOTHING;
  const at = new Date(at_ms);
  const time = at.toLocaleTimeString("en-GB");
  return at.toDateString() === new Date().toDateString() ? time : `${day(at)} ${time}`;
}

/** 2026-11-22 14:03:22.120, in the zone of the browser. */
export function moment(at_ms) {
  if (missing(at_ms)) return NOTHING;
  const at = new Date(at_ms);
  const ms = String(at.getMilliseconds()).padStart(3, "0");
  return `${day(at)} ${at.toLocaleTimeString("en-GB")}.${ms}`;
}

/** Whether a SQL type is a number. */
export function isNumber(type) {
  return /^(TINYINT|SMALLINT|INT|INTEGER|BIGINT|FLOAT|DOUBLE|DECIMAL|NUMERIC)\b/i.test(type);
}

/** Whether a SQL type is an instant or a day. */
export function isTime(type) {
  return /^(TIMESTAMP|DATE)/i.test(type);
}

/** A cell of a view or an answer as text; `type` is its SQL type. */
export function cell(value, type) {
  if (value === null || value === undefined) return NOTHING;
  if (isNumber(type)) {
    const number = Number(value);
    if (Number.isNaN(number)) return String(value);
    if (typeof value === "string") return grouped(value);
    return exact(number);
  }
  if (/^TIMESTAMP/i.test(type)) return String(value).replace("T", " ").replace("Z", "");
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

/** A name as a title: "clicks_by_page" -> "Clicks by page". */
export function titled(name) {
  const text = name.replaceAll("_", " ").trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A name as SQL has it: in backticks where it needs them. */
export function quoted(name) {
  return /^[A-Za-z_]\w*$/.test(name) ? name : `\`${name.replaceAll("`", "``")}\``;
}

function digits(value) {
  if (value === 0) return "0";
  if (value < 0.01) return value.toPrecision(1);
  const places = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  const text = value.toFixed(places);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function grouped(text) {
  const [, sign, left, right] = /^(-?)(\d+)(\..*)?$/.exec(text) ?? [];
  if (left === undefined) return text;
  return sign + left.replace(/\B(?=(\d{3})+$)/g, ",") + (right ?? "");
}

function day(at) {
  const two = (value) => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}
