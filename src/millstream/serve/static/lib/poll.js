// Asking again and again, as long as somebody looks.
//
// in    a path of the API (or a function that returns a promise) and how often, in milliseconds
// out   poll(ask, every_ms, told) -> {stop, again}; usePoll(path, params, every_ms) ->
//       {data, error, again}: the newest answer stays while a call fails
// note  one call at a time; nothing is asked while the page is hidden, and once as soon as it is
//       seen again; after failures the pauses grow to 10 s

import { get } from "./api.js";
import { useEffect, useRef, useState } from "./html.js";

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

  async function once() {
    clearTimeout(timer);
    if (underWay || over.signal.aborted || document.hidden) return;
    underWay = true;
    try {
      const answer = await ask(over.signal);
      if (over.signal.aborted) return;
      failures = 0;
      told(answer, null);
    } catch (error) {
      if (over.signal.aborted) return;
      failures += 1;
      told(null, error);
    } finally {
      underWay = false;
      const pause = Math.min(every_ms * 2 ** Math.min(failures, 5), PAUSE_MAX_MS);
      if (!over.signal.aborted) timer = setTimeout(once, Math.max(pause, every_ms));
    }
  }

  const seen = () => document.hidden || once();
  document.addEventListener("visibilitychange", seen);
  once();
  return {
    again: once,
    stop() {
      over.abort();
      clearTimeout(timer);
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
