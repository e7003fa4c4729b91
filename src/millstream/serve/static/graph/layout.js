// Where the steps of a plan are drawn. dagre decides; this is its one door.
//
// in   operators and edges of /v1/jobs/NAME/plan, a direction ("LR" or "TB")
// out  boxes with their corner, paths of edges with the place of their label, the whole size, and
//      where the rows begin
// The picture depends on the shape of the plan only, so figures that change move nothing.

import { Graph, layout } from "../vendor/dagre.js";

export const NODE = { width: 216, height: 92 };
const MARGIN = 12;

/** A text that changes when, and only when, the plan must be laid out anew. */
export function shapeOf(plan) {
  const ids = plan.operators.map((one) => one.id);
  const edges = plan.edges.map((edge) => `${edge.source}>${edge.target}`);
  return JSON.stringify([ids, edges]);
}

/** Boxes and paths of a plan. */
export function laidOut(plan, direction) {
  const graph = new Graph({ multigraph: true });
  const wide = direction === "LR";
  graph.setGraph({
    rankdir: direction,
    nodesep: wide ? 26 : 30,
    ranksep: wide ? 98 : 58,
    edgesep: 18,
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const one of plan.operators) graph.setNode(one.id, { ...NODE });
  const known = new Set(plan.operators.map((one) => one.id));
  const drawn = plan.edges.filter((edge) => known.has(edge.source) && known.has(edge.target));
  for (const edge of drawn) graph.setEdge(edge.source, edge.target, {}, keyOf(edge));
  layout(graph);
  const boxes = new Map();
  for (const one of plan.operators) {
    const { x, y } = graph.node(one.id);
    boxes.set(one.id, { x: x - NODE.width / 2, y: y - NODE.height / 2, midX: x, midY: y });
  }
  const lines = new Map();
  for (const edge of drawn) {
    const { points } = graph.edge(edge.source, edge.target, keyOf(edge));
    const line = lineOf(boxes.get(edge.source), boxes.get(edge.target), points, wide);
    lines.set(keyOf(edge), { points: line, part: partOf(edge, drawn) });
  }
  const placed = moved(boxes, lines, wide);
  return { ...placed, direction, begin: beginOf(placed.boxes, plan.operators, wide) };
}

// Where along an edge its rate is written: away from the end at which edges come together.
function partOf(edge, edges) {
  const spreads = edges.filter((one) => one.source === edge.source).length > 1;
  const gathers = edges.filter((one) => one.target === edge.target).length > 1;
  if (spreads === gathers) return 0.5;
  return spreads ? 0.7 : 0.3;
}

// The first step, at the edge of the picture where rows come in.
function beginOf(boxes, operators, wide) {
  const first = boxes.get(operators[0]?.id);
  if (first === undefined) return { midX: 0, midY: 0 };
  return wide ? { midX: 0, midY: first.midY } : { midX: first.midX, midY: 0 };
}

export function keyOf(edge) {
  return `${edge.source}>${edge.target}`;
}

// From the middle of one side to the middle of another, past the boxes between as dagre found it.
function lineOf(from, to, points, wide) {
  const start = wide ? { x: from.x + NODE.width, y: from.midY }
    : { x: from.midX, y: from.y + NODE.height };
  const end = wide ? { x: to.x, y: to.midY } : { x: to.midX, y: to.y };
  const between = points.length > 3 ? points.slice(1, -1) : [];
  return [start, ...between, end];
}

// Lines may run outside the boxes: everything is moved so that the picture begins at the margin.
function moved(boxes, lines, wide) {
  const xs = [...boxes.values()].flatMap((box) => [box.x, box.x + NODE.width]);
  const ys = [...boxes.values()].flatMap((box) => [box.y, box.y + NODE.height]);
  for (const { points } of lines.values()) {
    for (const point of points) {
      xs.push(point.x);
      ys.push(point.y);
    }
  }
  const x = MARGIN - Math.min(...xs);
  const y = MARGIN - Math.min(...ys);
  for (const [id, box] of boxes) {
    boxes.set(id, { x: box.x + x, y: box.y + y, midX: box.midX + x, midY: box.midY + y });
  }
  const paths = new Map();
  for (const [key, { points, part }] of lines) {
    paths.set(key, drawnOf(points.map((p) => ({ x: p.x + x, y: p.y + y })), wide, part));
  }
  const width = Math.max(...xs) + x + MARGIN;
  const height = Math.max(...ys) + y + MARGIN;
  return { boxes, paths, width, height };
}

// Curves that leave and reach every point along the direction of the rows.
function drawnOf(points, wide, part) {
  let path = `M${at(points[0])}`;
  const curves = points.slice(1).map((b, n) => curveOf(points[n], b, wide));
  for (const [, one, two, end] of curves) path += `C${at(one)} ${at(two)} ${at(end)}`;
  const place = Math.min(curves.length - 1, Math.floor(part * curves.length));
  return { path, label: on(curves[place], part * curves.length - place) };
}

function curveOf(a, b, wide) {
  const [x, y] = [(a.x + b.x) / 2, (a.y + b.y) / 2];
  return wide ? [a, { x, y: a.y }, { x, y: b.y }, b] : [a, { x: a.x, y }, { x: b.x, y }, b];
}

// The point of a cubic curve at a part of its way.
function on(curve, part) {
  const rest = 1 - part;
  const weights = [rest ** 3, 3 * rest ** 2 * part, 3 * rest * part ** 2, part ** 3];
  const sum = (axis) => curve.reduce((all, point, n) => all + weights[n] * point[axis], 0);
  return { x: sum("x"), y: sum("y") };
}

function at(point) {
  return `${round(point.x)},${round(point.y)}`;
}

function round(value) {
  return Math.round(value * 10) / 10;
}
