// Which step an arrow key goes to: along the edges in the direction of the rows, and beside.

/** The id of the step an arrow leads to from another, or null. */
export function neighbour(plan, picture, id, key) {
  const along = picture.direction === "LR"
    ? { ArrowRight: 1, ArrowLeft: -1 } : { ArrowDown: 1, ArrowUp: -1 };
  const here = picture.boxes.get(id);
  if (key in along) {
    const ids = along[key] > 0
      ? plan.edges.filter((edge) => edge.source === id).map((edge) => edge.target)
      : plan.edges.filter((edge) => edge.target === id).map((edge) => edge.source);
    return nearest(picture, here, ids);
  }
  const [main, cross] = picture.direction === "LR" ? ["midX", "midY"] : ["midY", "midX"];
  const sign = key === "ArrowDown" || key === "ArrowRight" ? 1 : -1;
  const beside = plan.operators
    .map((one) => one.id)
    .filter((other) => {
      const box = picture.boxes.get(other);
      return Math.abs(box[main] - here[main]) < 1 && sign * (box[cross] - here[cross]) > 0;
    });
  return nearest(picture, here, beside);
}

function nearest(picture, here, ids) {
  let best = null;
  let least = Infinity;
  for (const id of ids) {
    const box = picture.boxes.get(id);
    const distance = Math.hypot(box.midX - here.midX, box.midY - here.midY);
    if (distance < least) [best, least] = [id, distance];
  }
  return best;
}
