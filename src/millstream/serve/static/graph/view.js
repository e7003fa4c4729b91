// The part of a picture that is seen: moved by mouse, touch, wheel and keys; pure functions of it.
//
// A view is {x, y, k}: a point p of the picture is drawn at (p.x * k + x, p.y * k + y).

export const ZOOM = { least: 0.15, most: 2.5, step: 1.25 };
const MARGIN = 8;
const READABLE = 0.6;
const READABLE_BESIDE = 0.82;

/** The view in which everything is seen; small pictures are not blown up. */
export function fitted(picture, room) {
  const k = Math.min(
    1,
    (room.width - 2 * MARGIN) / picture.width,
    (room.height - 2 * MARGIN) / picture.height,
  );
  const scale = Math.max(ZOOM.least, k);
  return {
    k: scale,
    x: (room.width - picture.width * scale) / 2,
    y: (room.height - picture.height * scale) / 2,
  };
}

/**
 * The view a picture opens with: all of it where its texts can still be read; else its beginning,
 * or what is around a box.
 */
export function opened(picture, room, box) {
  const all = fitted(picture, room);
  const k = box === null ? READABLE : READABLE_BESIDE;
  if (all.k >= k) return all;
  const start = box ?? picture.begin;
  return {
    k,
    x: placed(start.midX * k, picture.width * k, room.width),
    y: placed(start.midY * k, picture.height * k, room.height),
  };
}

// Brings a place to the middle of the room as far as the picture's ends allow.
function placed(at, length, room) {
  if (length <= room - 2 * MARGIN) return (room - length) / 2;
  return Math.min(MARGIN, Math.max(room - MARGIN - length, room / 2 - at));
}

/** The view zoomed by a factor about a point of the screen, which stays where it is. */
export function zoomed(view, factor, at) {
  const k = Math.min(ZOOM.most, Math.max(ZOOM.least, view.k * factor));
  const real = k / view.k;
  return { k, x: at.x - (at.x - view.x) * real, y: at.y - (at.y - view.y) * real };
}

export function moved(view, x, y) {
  return { ...view, x: view.x + x, y: view.y + y };
}

/** The view moved as little as shows a box whole; the same view where it does already. */
export function showing(view, box, size, room) {
  const left = box.x * view.k + view.x;
  const top = box.y * view.k + view.y;
  const x = shift(left, size.width * view.k, room.width);
  const y = shift(top, size.height * view.k, room.height);
  return x || y ? moved(view, x, y) : view;
}

function shift(start, length, room) {
  if (start < MARGIN) return MARGIN - start;
  if (start + length > room - MARGIN) return Math.max(MARGIN, room - MARGIN - length) - start;
  return 0;
}
