// The modules of the dashboard that need no browser.

import assert from "node:assert/strict";
import test from "node:test";

const lib = new URL("../../../src/millstream/serve/static/lib/", import.meta.url);
const { Rows, compared, finite, instant, numeric } = await import(new URL("rows.js", lib));
const { Past } = await import(new URL("past.js", lib));
const { ago, bytes, cell, compact, duration, exact, percent } = await import(new URL("format.js", lib));
const { link, parsed } = await import(new URL("route.js", lib));

const columns = [{ name: "k", type: "STRING" }, { name: "n", type: "BIGINT" }];
const snapshot = {
  type: "snapshot", version: 1, at_ms: 5, columns, total: 3,
  ids: [0, 1, 2], rows: [["a", 1], ["b", 3], ["c", null]],
};

test("changes replace rows by number, and what is gone is gone", () => {
  const rows = new Rows();
  rows.apply(snapshot);
  const changes = { type: "changes", version: 2, at_ms: 6, total: 2, ids: [0], rows: [["a", 9]], gone: [1] };
  rows.apply(changes);
  assert.deepEqual(rows.sorted(), [[0, ["a", 9]], [2, ["c", null]]]);
  assert.equal(rows.version, 2);
});

test("a new snapshot forgets what it does not hold", () => {
  const rows = new Rows();
  rows.apply(snapshot);
  rows.apply({ ...snapshot, ids: [7], rows: [["z", 1]], total: 1 });
  assert.deepEqual([...rows.byId.keys()], [7]);
});

test("what is unknown comes last in both orders, as the server has it", () => {
  const rows = new Rows();
  rows.apply(snapshot);
  assert.deepEqual(rows.sorted("n").map(([id]) => id), [0, 1, 2]);
  assert.deepEqual(rows.sorted("-n").map(([id]) => id), [1, 0, 2]);
  assert.deepEqual(rows.sorted("-n", 1).map(([id]) => id), [1]);
});

test("numbers that come as texts are numbers; other texts are not, whatever they look like", () => {
  assert.ok(compared("DECIMAL(9, 2)")("9", "10") < 0);
  assert.ok(compared("BIGINT")("9007199254740993", "9007199254740992") > 0);
  assert.ok(compared("STRING")("9", "10") > 0);
  assert.deepEqual(["2", "10", "1a"].sort(compared("STRING")), ["10", "1a", "2"]);
  assert.ok(compared("TIMESTAMP_LTZ(3)")("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z") < 0);
  assert.equal(numeric("12.50"), 12.5);
  assert.ok(Number.isNaN(numeric(null)) && Number.isNaN(numeric(true)));
  assert.deepEqual(["Infinity", "NaN", null, "3"].map(finite), [null, null, null, 3]);
});

test("NaN comes last both ways, infinities where they belong", () => {
  const rows = new Rows();
  const values = [["NaN"], ["-Infinity"], [3], ["Infinity"], [null]];
  const of = [{ name: "v", type: "DOUBLE" }, { name: "-v", type: "INT" }];
  rows.apply({ ...snapshot, columns: of, ids: [0, 1, 2, 3, 4], rows: values.map((row, n) => [...row, n]) });
  assert.deepEqual(rows.sorted("v").map(([id]) => id), [1, 2, 3, 0, 4]);
  assert.deepEqual(rows.sorted("-v").map(([id]) => id), [0, 1, 2, 3, 4], "a column may be called so");
  assert.deepEqual(rows.sorted("--v").map(([id]) => id), [4, 3, 2, 1, 0]);
});

test("an instant without a zone is not moved by the browser's", () => {
  assert.equal(instant("1970-01-01T00:00:01"), 1000);
  assert.equal(instant("1970-01-01T00:00:01.5Z"), 1500);
  assert.equal(instant("1970-01-02"), 86_400_000);
});

test("a past has a point a second, a bounded length, and gaps", () => {
  const past = new Past(3);
  assert.equal(past.add(0, { a: 1 }), true);
  assert.equal(past.add(100, { a: 2 }), false);
  past.add(1000, { a: 2, b: 5 });
  assert.deepEqual(past.of("b"), [null, 5]);
  past.add(60_000, { a: 3 });
  assert.deepEqual(past.of("a"), [2, null, 3]);
  assert.deepEqual(past.of("b"), [5, null, null]);
});

test("what a value was a while ago is known only if it was seen then", () => {
  const past = new Past();
  for (let s = 0; s <= 60; s += 1) past.add(s * 1000, { a: s });
  assert.equal(past.before("a", 60_000), 0);
  assert.equal(past.before("a", 30_000), 30);
  const short = new Past();
  short.add(0, { a: 1 });
  short.add(1000, { a: 2 });
  assert.equal(short.before("a", 60_000), null);
});

test("of many names those are forgotten that were not seen for long", () => {
  const past = new Past();
  for (let s = 0; s < 100; s += 1) past.add(s * 1000, { [`n${s}`]: s, stays: s });
  assert.equal(past.values.size, 64);
  assert.equal(past.of("n99").at(-1), 99);
  assert.equal(past.of("stays")[0], 0);
});

test("any name can be in an address, and a mistyped address is no error", () => {
  for (const name of ["a/b?c#d", "50 %", "<img src=x>", "ü \u{1f980}"])
    assert.deepEqual(parsed(link(["views", name], { order: "-a?b&c" })),
      { path: ["views", name], query: { order: "-a?b&c" } });
  assert.deepEqual(parsed("#/views/%E0%A4%A"), { path: ["views", "%E0%A4%A"], query: {} });
  assert.deepEqual(parsed("#/sql?sql=SELECT '?'").query, { sql: "SELECT '?'" });
});

test("what is too large or too small for digits is written with its power of ten", () => {
  assert.equal(compact(1e300), "1e300");
  assert.equal(compact(-Infinity), "-∞");
  assert.equal(exact(1e300), "1e300");
  assert.equal(exact(-1e-9), "-1e-9");
  assert.equal(exact(0), "0");
  assert.equal(cell(1e-9, "DOUBLE"), "1e-9");
  assert.equal(cell("Infinity", "DOUBLE"), "Infinity");
});

test("figures are short and never lie about nothing", () => {
  assert.equal(compact(999), "999");
  assert.equal(compact(1_234_567), "1.23M");
  assert.equal(compact(-15_300), "-15.3k");
  assert.equal(compact(999_999), "1M");
  assert.equal(compact(null), "–");
  assert.equal(compact(0), "0");
  assert.equal(bytes(1_572_864), "1.5 MiB");
  assert.equal(duration(95_000), "1 min 35 s");
  assert.equal(duration(12.34), "12.3 ms");
  assert.equal(percent(0.256), "26 %");
  assert.equal(ago(1_000, 13_000), "12 s ago");
  assert.equal(ago(null), "–");
});

test("a cell shows all digits of what came as text, so that none is rounded", () => {
  assert.equal(cell("9007199254740993", "BIGINT"), "9,007,199,254,740,993");
  assert.equal(cell("-1234.50", "DECIMAL(9, 2)"), "-1,234.50");
  assert.equal(cell(1234.5, "DOUBLE"), "1,234.5");
  assert.equal(cell("NaN", "DOUBLE"), "NaN");
  assert.equal(cell(null, "INT"), "–");
  assert.equal(cell("2026-01-01T00:00:00Z", "TIMESTAMP_LTZ(3)"), "2026-01-01 00:00:00");
  assert.equal(cell({ a: 1 }, "ROW<`a` INT>"), '{"a":1}');
});
