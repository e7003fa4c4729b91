// Mouse, touch and wheel on the picture of a plan: drag to move, pinch or ctrl + wheel to zoom.
//
// in    a ref of the svg, move(change) which gets a function from view to view
// A press that does not move stays a click for the step under it. A wheel without ctrl scrolls the
// page, as everywhere; one finger up or down does too (touch-action in style-job.css).

import { useEffect } from "../lib/html.js";
import { moved, zoomed } from "./view.js";

const DRAG_AFTER = 4;
const WHEEL = 0.002;

export function usePointers(frame, move) {
  useEffect(() => {
    const svg = frame.current;
    const down = new Map();
    let dragged = false;
    const at = (event) => {
      const box = svg.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    const onDown = (event) => {
      if (event.button !== 0) return;
      if (!down.size) dragged = false;
      down.set(event.pointerId, at(event));
    };
    const onMove = (event) => {
      const old = down.get(event.pointerId);
      if (old === undefined) return;
      const now = at(event);
      if (!dragged && Math.hypot(now.x - old.x, now.y - old.y) < DRAG_AFTER) return;
      if (!dragged) {
        dragged = true;
        svg.setPointerCapture(event.pointerId);
        svg.classList.add("is-dragged");
      }
      if (down.size === 2) {
        const other = [...down].find(([id]) => id !== event.pointerId)[1];
        move((view) => pinched(view, old, now, other));
      } else {
        move((view) => moved(view, now.x - old.x, now.y - old.y));
      }
      down.set(event.pointerId, now);
    };
    const onUp = (event) => {
      down.delete(event.pointerId);
      if (!down.size) svg.classList.remove("is-dragged");
    };
    // A drag that ends over a step must not open it.
    const onClick = (event) => {
      if (dragged) event.stopPropagation();
      dragged = false;
    };
    const onWheel = (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const factor = Math.exp(-event.deltaY * WHEEL * (event.deltaMode ? 20 : 1));
      const place = at(event);
      move((view) => zoomed(view, factor, place));
    };
    svg.addEventListener("pointerdown", onDown);
    svg.addEventListener("pointermove", onMove);
    svg.addEventListener("pointerup", onUp);
    svg.addEventListener("pointercancel", onUp);
    svg.addEventListener("click", onClick, true);
    svg.addEventListener("wheel", onWheel, { passive: false });
    return () => {
      svg.removeEventListener("pointerdown", onDown);
      svg.removeEventListener("pointermove", onMove);
      svg.removeEventListener("pointerup", onUp);
      svg.removeEventListener("pointercancel", onUp);
      svg.removeEventListener("click", onClick, true);
      svg.removeEventListener("wheel", onWheel);
    };
  }, [move]);
}

function pinched(view, old, now, other) {
  const before = Math.hypot(old.x - other.x, old.y - other.y);
  const after = Math.hypot(now.x - other.x, now.y - other.y);
  const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
  const along = moved(view, (now.x - old.x) / 2, (now.y - old.y) / 2);
  return before > 0 ? zoomed(along, after / before, middle) : along;
}
