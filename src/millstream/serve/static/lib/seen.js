// Something that is open only while somebody looks: a connection, a stream.
//
// in    open(), which opens it and returns how to close it
// out   whileSeen(open) -> stop; a page that has been hidden for 20 s lets go of it until it is seen
//       again, so that a glance at another tab costs nothing

const HIDDEN_MS = 20_000;

/** @param {() => () => void} open @returns {() => void} */
export function whileSeen(open) {
  let close = null;
  let timer = 0;
  const letGo = () => {
    close?.();
    close = null;
  };
  const seen = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(letGo, HIDDEN_MS);
    else close ??= open();
  };
  document.addEventListener("visibilitychange", seen);
  if (!document.hidden) close = open();
  return () => {
    document.removeEventListener("visibilitychange", seen);
    clearTimeout(timer);
    letGo();
  };
}
