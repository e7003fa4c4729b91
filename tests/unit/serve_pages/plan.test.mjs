// The modules of a job's pages that need no browser: where steps are drawn, what is seen of them,
// the past joined, bytes as hex, labels of silences.

import assert from "node:assert/strict";
import test from "node:test";

const root = new URL("../../../src/millstream/serve/static/", import.meta.url);
const { keyOf, laidOut, NODE, shapeOf } = await import(new URL("graph/layout.js", root));
const { fitted, opened, showing, zoomed } = await import(new URL("graph/view.js", root));
const { neighbour } = await import(new URL("graph/neighbours.js", root));
const { joined } = await import(new URL("job/history.js", root));
const { bytesOf, hex } = await import(new URL("job/raw.js", root));
const { labelsIn } = await import(new URL("alerts/silences.js", root));

const plan = {
  operators: ["a", "b", "c", "d"].map((id) => ({ id, rows_in: 1 })),
  edges: [["a", "b"], ["a", "c"], ["b", "d"], ["c", "d"], ["a", "d"]].map(
    ([source, target]) => ({ source, target, rows: 1 })),
};

for (const direction of ["LR", "TB"]) {
  test(`boxes do not overlap, and rows go one way: ${direction}`, () => {
    const { boxes, paths, width, height } = laidOut(plan, direction);
    const all = [...boxes.values()];
    for (const [i, one] of all.entries()) {
      assert.ok(one.x >= 0 && one.y >= 0, "inside the picture");
      assert.ok(one.x + NODE.width <= width && one.y + NODE.height <= height, "inside the picture");
      for (const other of all.slice(i + 1)) {
        const apart = Math.abs(one.x - other.x) >= NODE.width
          || Math.abs(one.y - other.y) >= NODE.height;
        assert.ok(apart, "two boxes overlap");
      }
    }
    const along = direction === "LR" ? "x" : "y";
    for (const edge of plan.edges) {
      assert.ok(boxes.get(edge.source)[along] < boxes.get(edge.target)[along]);
      assert.ok(paths.get(keyOf(edge)).path.startsWith("M"));
    }
  });
}

test("figures that change move nothing; a step more lays the plan out anew", () => {
  const later = { ...plan, operators: plan.operators.map((one) => ({ ...one, rows_in: 99 })) };
  assert.equal(shapeOf(later), shapeOf(plan));
  const more = { ...plan, operators: [...plan.operators, { id: "e" }] };
  assert.notEqual(shapeOf(more), shapeOf(plan));
});

test("an edge to a step that is not there is left out", () => {
  const torn = { ...plan, edges: [...plan.edges, { source: "a", target: "gone", rows: 1 }] };
  assert.equal(laidOut(torn, "LR").paths.size, plan.edges.length);
});

test("zooming keeps the place under the pointer, and ends somewhere", () => {
  const at = { x: 40, y: 30 };
  const before = { x: 10, y: -5, k: 0.5 };
  const after = zoomed(before, 1.7, at);
  assert.ok(Math.abs((at.x - before.x) / before.k - (at.x - after.x) / after.k) < 1e-9);
  assert.equal(zoomed(before, 1000, at).k, 2.5);
  assert.equal(zoomed(before, 0.0001, at).k, 0.15);
});

test("a small picture is not blown up, a large one opens where it can be read", () => {
  const room = { width: 800, height: 400 };
  assert.equal(fitted({ width: 100, height: 100 }, room).k, 1);
  const large = { width: 8000, height: 3000, begin: { midX: 0, midY: 2900 } };
  assert.ok(fitted(large, room).k < 0.2);
  const view = opened(large, room, null);
  assert.ok(view.k >= 0.6 && view.x >= 0, "it begins at its beginning");
  const first = large.begin.midY * view.k + view.y;
  assert.ok(first > 0 && first < room.height, "the first step is seen");
  const box = { midX: 7900, midY: 150 };
  const beside = opened(large, room, box);
  const x = box.midX * beside.k + beside.x;
  assert.ok(x > 0 && x < room.width, "the chosen step is seen");
});

test("a step that takes the focus is brought into sight, and no further", () => {
  const room = { width: 400, height: 300 };
  const view = { x: 0, y: 0, k: 1 };
  const size = { width: 100, height: 50 };
  assert.equal(showing(view, { x: 50, y: 50 }, size, room), view);
  assert.deepEqual(showing(view, { x: 390, y: 50 }, size, room), { x: -98, y: 0, k: 1 });
});

test("arrow keys follow the rows, and go beside", () => {
  const picture = laidOut(plan, "LR");
  assert.ok(["b", "c"].includes(neighbour(plan, picture, "a", "ArrowRight")));
  assert.equal(neighbour(plan, picture, "a", "ArrowLeft"), null);
  const [up, down] = picture.boxes.get("b").y < picture.boxes.get("c").y ? ["b", "c"] : ["c", "b"];
  assert.equal(neighbour(plan, picture, up, "ArrowDown"), down);
  assert.equal(neighbour(plan, picture, down, "ArrowUp"), up);
});

test("the past grows at its end and leaves at its beginning", () => {
  const first = joined(null, { at_ms: [0, 1000, 2000], series: { a: [0, 1, 2] } }, 2000);
  const then = joined(first, { at_ms: [3000], series: { a: [3], b: [9] } }, 2000);
  assert.deepEqual(then, { at_ms: [2000, 3000], series: { a: [2, 3], b: [null, 9] } });
  assert.equal(joined(then, { at_ms: [], series: {} }, 2000), then);
});

test("bytes are shown as they are, readable or not", () => {
  const bytes = bytesOf({ raw_text: null, raw_base64: "g0FC" });
  assert.equal(hex(bytes), `000000  83 41 42${" ".repeat(40)} ·AB`);
  assert.deepEqual([...bytesOf({ raw_text: "é", raw_base64: null })], [0xc3, 0xa9]);
  assert.equal(bytesOf({ raw_text: null, raw_base64: null }), null);
  assert.equal(hex(new Uint8Array(33)).split("\n").length, 3);
});

test("labels of a silence are lines; what is none is told", () => {
  assert.deepEqual(labelsIn("alert=x\n\n a = b=c \n"), { alert: "x", a: "b=c" });
  assert.equal(labelsIn("alert"), null);
  assert.equal(labelsIn("=x"), null);
  assert.equal(labelsIn("  \n"), null);
});
