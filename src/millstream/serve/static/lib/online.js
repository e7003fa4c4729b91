// Whether the server can be reached.
//
// in    reached() and unreachable() from whoever talks with it
// out   online() -> {live, since_ms}; onOnline(listener) -> stop; useOnline() in components

import { useEffect, useState } from "./html.js";

let state = { live: true, since_ms: Date.now() };
const listeners = new Set();

/** An answer or a frame came. */
export function reached() {
  if (!state.live) change(true);
}

/** A call failed, or a stream broke off. */
export function unreachable() {
  if (state.live) change(false);
}

/** @returns {{live: boolean, since_ms: number}} */
export function online() {
  return state;
}

/** Call a function after each change; returns how to stop it. */
export function onOnline(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The state, as a hook. */
export function useOnline() {
  const [seen, show] = useState(state);
  useEffect(() => onOnline(show), []);
  return seen;
}

function change(live) {
  state = { live, since_ms: Date.now() };
  for (const listener of listeners) listener(state);
}
