// The plan of a job as a picture that lives: steps coloured by how busy they are, edges as thick
// as their rates.
//
// in    plan {operators, edges}, job (JobInfo), chosen (id of the step shown beside), onChoose(id)
// keys  on the picture: arrows move it, + and - zoom, 0 shows all of it; on a step: Enter opens it,
//       arrows go to the steps before, behind and beside it

import { html, useCallback, useLayoutEffect, useMemo, useRef, useState } from "../lib/html.js";
import { Edge, EdgeRate } from "./edge.js";
import { keyOf, laidOut, NODE, shapeOf } from "./layout.js";
import { Node } from "./node.js";
import { neighbour } from "./neighbours.js";
import { usePointers } from "./pointers.js";
import { nodeId } from "./words.js";
import { fitted, moved, opened, showing, ZOOM, zoomed } from "./view.js";

const NARROW = 720;
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const STEP = 48;
const HEATS = [["cool", "below 40 % busy"], ["warm", "to 80 %"], ["hot", "above"]];

export function PlanPicture({ plan, job, chosen, onChoose }) {
  const frame = useRef(null);
  const [room, setRoom] = useState(null);
  const direction = room !== null && room.width < NARROW ? "TB" : "LR";
  const shape = shapeOf(plan);
  const picture = useMemo(() => laidOut(plan, direction), [shape, direction]);
  const [own, setOwn] = useState(null);
  useLayoutEffect(() => setOwn(null), [picture, chosen === null]);
  useRoom(frame, setRoom);

  const height = room === null ? 320 : heightOf(picture, room.width, chosen !== null);
  const space = room === null ? null : { width: room.width, height };
  const box = picture.boxes.get(chosen) ?? null;
  const view = own ?? (space === null ? { x: 0, y: 0, k: 1 } : opened(picture, space, box));
  const seen = useRef(view);
  seen.current = view;
  const move = useCallback((change) => {
    seen.current = change(seen.current);
    setOwn(seen.current);
  }, []);
  usePointers(frame, move);

  const fit = () => setOwn(fitted(picture, space));
  const zoom = (factor) =>
    move((old) => zoomed(old, factor, { x: space.width / 2, y: space.height / 2 }));
  const onKey = (event) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey) return;
    if (event.key in ARROWS) {
      const [x, y] = ARROWS[event.key];
      move((old) => moved(old, x * STEP, y * STEP));
    } else if (event.key === "+" || event.key === "=") zoom(ZOOM.step);
    else if (event.key === "-") zoom(1 / ZOOM.step);
    else if (event.key === "0") fit();
    else return;
    event.preventDefault();
  };
  const goTo = (id, key) => {
    const next = neighbour(plan, picture, id, key);
    if (next !== null) document.getElementById(nodeId(next))?.focus();
  };
  const onFocus = (id) => {
    if (space === null) return;
    const shown = showing(view, picture.boxes.get(id), { width: NODE.width, height: NODE.height },
      space);
    if (shown !== view) setOwn(shown);
  };
  return html`
    <div class="plan-picture">
      <svg ref=${frame} class="plan-svg" height=${height} tabindex="0" role="group"
        aria-label=${`Plan of ${job.name}: ${plan.operators.length} steps. Arrow keys move it, plus and minus zoom.`}
        onKeyDown=${onKey}>
        <g transform=${`translate(${view.x} ${view.y}) scale(${view.k})`}>
          ${[Edge, EdgeRate].map((part) => plan.edges.map((edge) => html`
            <${part} key=${keyOf(edge)} edge=${edge} drawn=${picture.paths.get(keyOf(edge))}
              flows=${job.state === "running"} />`))}
          ${plan.operators.map((one) => html`
            <${Node} key=${one.id} id=${nodeId(one.id)} operator=${one} job=${job}
              box=${picture.boxes.get(one.id)} chosen=${one.id === chosen}
              onChoose=${onChoose} onArrow=${goTo} onFocus=${onFocus} />`)}
        </g>
      </svg>
      <footer class="plan-foot">
        <ul class="plan-legend" aria-label="Colours">
          ${HEATS.map(([name, text]) => html`<li key=${name} class=${name}><i></i>${text}</li>`)}
        </ul>
        <div class="plan-zoom" role="group" aria-label="Zoom">
          <button type="button" onClick=${() => zoom(ZOOM.step)} aria-label="Larger">+</button>
          <button type="button" onClick=${() => zoom(1 / ZOOM.step)} aria-label="Smaller">−</button>
          <button type="button" onClick=${fit}>Fit</button>
        </div>
      </footer>
    </div>`;
}

// As high as the picture wants to be at this width, within reason; beside a panel as high as that.
function heightOf(picture, width, hasPanel) {
  const k = Math.min(1, width / picture.width);
  const most = picture.direction === "TB" ? 1400 : 560;
  const least = hasPanel && matchMedia("(min-width: 1101px)").matches ? 540 : 180;
  return Math.round(Math.min(most, Math.max(least, picture.height * k + 16)));
}

function useRoom(frame, setRoom) {
  useLayoutEffect(() => {
    const seen = new ResizeObserver(([entry]) => {
      const width = Math.round(entry.contentRect.width);
      setRoom((old) => (old?.width === width ? old : { width }));
    });
    seen.observe(frame.current.parentElement);
    return () => seen.disconnect();
  }, []);
}
