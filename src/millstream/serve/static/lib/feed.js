// Following a view: all of its rows first, then what changes, over a WebSocket.
//
// in    a view's name, {limit, order} ("-n": largest n first), what to call
// out   follow(view, options, heard) -> stop; useFeed(view, options, heard) in components
//       heard(rows) comes at most once a frame of the screen, however many frames of the feed have
//       come since; a large version comes in several frames and is told of when it is whole
// note  a broken connection is made again after 0.5 s … 10 s, or as soon as the server answers
//       others, and begins with a new snapshot; a page that is hidden lets go (lib/seen.js)

import { get, token } from "./api.js";
import { nextFrame, notNextFrame } from "./frames.js";
import { useLayoutEffect, useRef } from "./html.js";
import { onOnline, reached } from "./online.js";
import { Rows } from "./rows.js";
import { whileSeen } from "./seen.js";

const RETRY_MS = 500;
const RETRY_MAX_MS = 10_000;

/**
 * @param {string} view
 * @param {{limit?: number, order?: string}} options
 * @param {(rows: Rows) => void} heard
 * @returns {() => void} how to stop it
 */
export function follow(view, options, heard) {
  const rows = new Rows();
  const tell = () => heard(rows);
  const stop = whileSeen(() => connected(view, options, (frame) => {
    rows.apply(frame);
    if (!frame.more) nextFrame(tell);
  }));
  return () => {
    stop();
    notNextFrame(tell);
  };
}

/** Keep a connection, whatever happens to it. @returns {() => void} how to end it */
function connected(view, options, told) {
  const over = new AbortController();
  let socket = null;
  let timer = 0;
  let failures = 0;
  let isFresh = false; // whether a frame came since the server was away

  function connect() {
    clearTimeout(timer);
    if (over.signal.aborted) return;
    const opened = new WebSocket(address(view, options), protocols());
    socket = opened;
    opened.onmessage = (event) => {
      if (socket !== opened) return;
      failures = 0;
      isFresh = true;
      reached();
      told(JSON.parse(event.data));
    };
    opened.onclose = async () => {
      if (socket !== opened) return;
      socket = null;
      failures += 1;
      // A socket does not say why it was refused; an ordinary call finds out, tells of a server
      // that is away, and asks for a token. The view may be gone too: the wall sees that itself.
      const { signal } = over;
      await get(`/views/${encodeURIComponent(view)}`, undefined, { signal }).catch(() => {});
      if (socket !== null || signal.aborted) return;
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

  // A connection that was there before the server was away may be dead without knowing.
  const stopListening = onOnline(({ live }) => {
    if (!live) isFresh = false;
    else if (!isFresh) {
      letGo();
      connect();
    }
  });
  connect();
  return () => {
    over.abort();
    stopListening();
    clearTimeout(timer);
    letGo();
  };
}

/** Follow a view while a component is there. */
export function useFeed(view, options, heard) {
  const newest = useRef(heard);
  newest.current = heard;
  const { limit, order } = options;
  useLayoutEffect(
    () => follow(view, { limit, order }, (rows) => newest.current(rows)),
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
