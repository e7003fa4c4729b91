// Asking again and again, as long as somebody looks.
//
// in    a path of the API (or a function that returns a promise) and how often, in milliseconds
// out   poll(ask, every_ms, told) -> {stop, again}; usePoll(path, params, every_ms) ->
//       {data, error, again}: the newest answer stays while a call fails
// note  one call at a time, and one more at once where again() came while it was under way; nothing
//       is asked while the page is hidden, and once as soon as it is seen again; after failures the
//       pauses grow to 10 s, or until the server answers others

import { get } from "./api.js";
import { useEffect, useRef, useState } from "./html.js";
import { onOnline } from "./online.js";

const PAUSE_MAX_MS = 10_000;

/**
 * @param {(signal: AbortSignal) => Promise<any>} ask
 * @param {number} every_ms
 * @param {(answer: any, error: Error | null) => void} told
 */
export function poll(ask, every_ms, told) {
  const over = new AbortController();
  let timer = 0;
  let failures = 0;
  let underWay = false;
  let wanted = false;

  async function once() {
    clearTimeout(timer);
    wanted = underWay; // what is under way may have been asked before what it is to tell happened
    if (underWay || over.signal.aborted || document.hidden) return;
    underWay = true;
    const [answer, error] = await ask(over.signal).then(
      (said) => [said, null],
      (raised) => [null, raised],
    );
    underWay = false;
    if (over.signal.aborted) return;
    failures = error ? failures + 1 : 0;
    const pause = Math.min(every_ms * 2 ** Math.min(failures, 5), PAUSE_MAX_MS);
    timer = setTimeout(once, wanted && !error ? 0 : Math.max(pause, every_ms));
    told(answer, error);
  }

  const seen = () => document.hidden || once();
  const stopListening = onOnline(({ live }) => live && failures && !underWay && once());
  document.addEventListener("visibilitychange", seen);
  once();
  return {
    again: once,
    stop() {
      over.abort();
      clearTimeout(timer);
      stopListening();
      document.removeEventListener("visibilitychange", seen);
    },
  };
}

/** A path of the API, asked every so often. @returns {{data: any, error: any, again: () => void}} */
export function usePoll(path, params, every_ms) {
  const [state, show] = useState({ data: null, error: null });
  const polled = useRef(null);
  const key = JSON.stringify([path, params]);
  useEffect(() => {
    show({ data: null, error: null });
    polled.current = poll(
      (signal) => get(path, params, { signal }),
      every_ms,
      (data, error) => show((before) => (error ? { ...before, error } : { data, error: null })),
    );
    return () => polled.current.stop();
  }, [key, every_ms]);
  return { ...state, again: () => polled.current?.again() };
}
