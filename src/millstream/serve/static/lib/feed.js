// Following a view: all of its rows first, then what changes, over a WebSocket.
//
// in    a view's name, {limit, order} ("-n": largest n first), what to call
// out   follow(view, options, heard) -> stop; useFeed(view, options, heard) in components
//       heard(rows, {anew, ids}) comes at most once a frame of the screen, however many frames of
//       the feed have come since; `ids` are the numbers of rows that came, changed or went; a
//       large version comes in several frames and is told of when it is whole
// note  a broken connection is made again after 0.5 s … 10 s and begins with a new snapshot; a
//       page that has been hidden for 20 s lets go of its connection until it is seen again

import { get, token } from "./api.js";
import { nextFrame, notNextFrame } from "./frames.js";
import { useEffect, useRef } from "./html.js";
import { reached } from "./online.js";
import { Rows } from "./rows.js";

const RETRY_MS = 500;
const RETRY_MAX_MS = 10_000;
const HIDDEN_MS = 20_000;

/**
 * @param {string} view
 * @param {{limit?: number, order?: string}} options
 * @param {(rows: Rows, touched: {anew: boolean, ids: Set<number>}) => void} heard
 * @returns {() => void} how to stop it
 */
export function follow(view, options, heard) {
  const rows = new Rows();
  let touched = { anew: false, ids: new Set() };
  let socket = null;
  let timer = 0;
  let failures = 0;
  let over = false;

  const tell = () => {
    const now = touched;
    touched = { anew: false, ids: new Set() };
    heard(rows, now);
  };

  function connect() {
    clearTimeout(timer);
    if (over || socket || document.hidden) return;
    const opened = new WebSocket(address(view, options), protocols());
    socket = opened;
    opened.onmessage = (event) => {
      if (socket !== opened) return;
      failures = 0;
      reached();
      const frame = JSON.parse(event.data);
      if (rows.apply(frame)) touched = { anew: true, ids: new Set(frame.ids) };
      else {
        for (const id of frame.ids) touched.ids.add(id);
        for (const id of frame.gone) touched.ids.add(id);
      }
      if (!frame.more) nextFrame(tell);
    };
    opened.onclose = () => {
      if (socket !== opened) return;
      socket = null;
      if (over) return;
      failures += 1;
      // A socket does not say why it was refused; an ordinary call finds out, tells of a server
      // that is away, and asks for a token. The view may be gone too: the wall sees that itself.
      get(`/views/${encodeURIComponent(view)}`).catch(() => {});
      const pause = Math.min(RETRY_MS * 2 ** failures, RETRY_MAX_MS);
      timer = setTimeout(connect, pause * (0.75 + Math.random() / 2));
    };
  }

  function letGo() {
    const held = socket;
    socket = null;
    // Browsers complain of one that is closed before it is open.
    if (held?.readyState === WebSocket.CONNECTING) held.onopen = () => held.close();
    else held?.close();
  }

  function seen() {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(letGo, HIDDEN_MS);
    else connect();
  }

  document.addEventListener("visibilitychange", seen);
  connect();
  return () => {
    over = true;
    clearTimeout(timer);
    notNextFrame(tell);
    document.removeEventListener("visibilitychange", seen);
    letGo();
  };
}

/** Follow a view while a component is there. */
export function useFeed(view, options, heard) {
  const newest = useRef(heard);
  newest.current = heard;
  const { limit, order } = options;
  useEffect(
    () => follow(view, { limit, order }, (rows, touched) => newest.current(rows, touched)),
    [view, limit, order],
  );
}

function address(view, { limit, order }) {
  const at = new URL(`/v1/views/${encodeURIComponent(view)}/feed`, location.href);
  at.protocol = at.protocol === "https:" ? "wss:" : "ws:";
  at.hash = "";
  if (limit !== undefined) at.searchParams.set("limit", String(limit));
  if (order) at.searchParams.set("order", order);
  return at;
}

/** A browser cannot send a header with a WebSocket, so the token is offered as a protocol. */
function protocols() {
  const held = token();
  if (!held) return ["millstream"];
  const bytes = String.fromCharCode(...new TextEncoder().encode(held));
  const text = btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return ["millstream", `bearer.${text}`];
}
