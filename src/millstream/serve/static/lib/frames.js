// One requestAnimationFrame for everybody.
//
// in    nextFrame(work): work is done in the next frame, once, however often it was asked for
// out   nothing; a work that throws does not keep the others from being done
// note  a hidden page has no frames: work waits, and nothing piles up because works are a set

const works = new Set();
let asked = false;

/** Do this in the next frame. @param {() => void} work always the same function for the same work */
export function nextFrame(work) {
  works.add(work);
  if (!asked) {
    asked = true;
    requestAnimationFrame(run);
  }
}

/** Do it never mind. */
export function notNextFrame(work) {
  works.delete(work);
}

function run() {
  asked = false;
  const now = [...works];
  works.clear();
  for (const work of now) {
    try {
      work();
    } catch (error) {
      reportError(error);
    }
  }
}
