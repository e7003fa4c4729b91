// Small parts that every page is made of.
//
// in    what they show
// out   Head, State, Fault, Empty, Waiting, Icon, Fact, Meter, Act, confirmed, say, tried, done, useNow
//
//   html`<${Head} title="Jobs" trail=${[["Jobs", "#/jobs"]]}>buttons…<//>`
//   html`<${State} of="running" />`                  a chip: never by colour alone
//   html`<${Fault} error=${error} again=${retry} />` what went wrong, with its hint
//   if (await confirmed({title, text, act: "Stop"})) …
//   say("clicks is paused")                          shown for a moment and read out politely

import { compact } from "./format.js";
import { html, render, useEffect, useRef, useState } from "./html.js";

const SAID_MS = 4_000;
const ICONS = {
  wall: "M3 3h6v7H3zM11 3h6v4h-6zM11 9h6v8h-6zM3 12h6v5H3z",
  jobs: "M4 5h4v4H4zM12 3h4v4h-4zM12 13h4v4h-4zM8 7h2v-2h2M10 7v8h2",
  alerts: "M10 3a4.5 4.5 0 0 1 4.5 4.5c0 4 1.5 5.5 1.5 5.5H4s1.500-1.500 1.500-5.500A4.500 4.500 0 0 1 10 3M8.500 16a1.600 1.600 0 0 0 3 0",
  sql: "M4 6l4 4-4 4M10 15h6",
  light: "M10 6.500a3.500 3.500 0 1 1 0 7 3.500 3.500 0 0 1 0-7M10 2v1.500M10 16.500V18M2 10h1.500M16.500 10H18M4.300 4.300l1.100 1.100M14.600 14.600l1.100 1.100M4.300 15.700l1.100-1.100M14.600 5.400l1.100-1.100",
  dark: "M16 12A6.500 6.500 0 0 1 8 4a6.500 6.500 0 1 0 8 8",
  auto: "M10 3a7 7 0 1 1 0 14 7 7 0 0 1 0-14M10 3v14M10 6h4.500M10 9h6M10 12h5.500M10 15h3",
  full: "M3 8V3h5M12 3h5v5M17 12v5h-5M8 17H3v-5",
  play: "M6 4l10 6-10 6z",
  pause: "M7 4v12M13 4v12",
  stop: "M5 5h10v10H5z",
  open: "M7 4l6 6-6 6",
  up: "M10 16V5M5 9l5-5 5 5",
  down: "M10 4v11M5 11l5 5 5-5",
  close: "M5 5l10 10M15 5L5 15",
};
const MARKS = {
  running: "good", completed: "calm", paused: "warn", restarting: "warn", stopping: "warn",
  stopped: "calm", failed: "bad", pending: "warn", firing: "bad", resolved: "good",
  info: "calm", warning: "warn", critical: "bad",
};

/** A line drawing of 20 × 20; it says nothing to those who do not see it. */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d=${ICONS[name]} /></svg>`;
}

/** The head of a page: where we are, what can be done. It takes the focus when a page opens. */
export function Head({ title, trail = [], children }) {
  const heading = useRef(null);
  useEffect(() => {
    document.title = `${title} · Millstream`;
    if (document.documentElement.dataset.moved) heading.current.focus({ preventScroll: true });
  }, [title]);
  return html`<header class="page-head">
    <div class="page-name">
      ${trail.length > 0 &&
      html`<nav aria-label="Breadcrumb"><ol class="trail">${trail.map(
        ([text, href]) => html`<li key=${href}><a href=${href}>${text}</a></li>`,
      )}</ol></nav>`}
      <h1 tabindex="-1" ref=${heading}>${title}</h1>
    </div>
    <div class="page-acts">${children}</div>
  </header>`;
}

/** A state or severity as a chip. */
export function State({ of, title }) {
  return html`<span class="chip ${MARKS[of] ?? "calm"}" title=${title}><i></i>${of}</span>`;
}

/** What went wrong and what to do next. */
export function Fault({ error, again }) {
  if (!error) return null;
  return html`<div class="fault" role="alert">
    <p><strong>${error.message}</strong></p>
    ${error.hint && html`<p>${error.hint}</p>`}
    ${again && html`<button type="button" onClick=${again}>Try again</button>`}
  </div>`;
}

/** Nothing is there, and why that may be. */
export function Empty({ title, children }) {
  return html`<div class="empty"><p class="empty-title">${title}</p><p>${children}</p></div>`;
}

/** Something will be there in a moment. */
export function Waiting({ lines = 3 }) {
  return html`<div class="waiting" role="status" aria-label="Loading">${Array.from(
    { length: lines },
    (_, n) => html`<i key=${n}></i>`,
  )}</div>`;
}

/** A name and a figure, for lists of facts: use inside <dl class="facts">. */
export function Fact({ name, title, mark, children }) {
  return html`<div class="fact ${mark ?? ""}" title=${title}><dt>${name}</dt><dd>${children}</dd></div>`;
}

/** A part of one as a bar with its figure beside it. */
export function Meter({ value, label, mark = "accent" }) {
  const share = Math.min(1, Math.max(0, value ?? 0));
  return html`<span class="meter" role="img" aria-label="${label}: ${compact(100 * share)} percent">
    <i class=${mark} style=${{ transform: `scaleX(${share})` }}></i>
  </span>`;
}

/**
 * A button for something that may be impossible now. It is never disabled, because a button that
 * is takes the focus away from who has just pressed it; it says why it does nothing instead.
 */
export function Act({ off = "", title, onClick, children, ...rest }) {
  return html`<button type="button" ...${rest} aria-disabled=${off ? "true" : undefined}
    title=${off || title} onClick=${off ? undefined : onClick}>${children}</button>`;
}

/**
 * Ask before something that cannot be undone, or for what is needed to go on (`must`).
 * @param {{title: string, text: string, act: string, danger?: boolean, must?: boolean, extra?: any}} asked
 * @returns {Promise<FormData | null>} what was filled in (see extra); null where it was not wanted
 */
export function confirmed({ title, text, act, danger = false, must = false, extra = null }) {
  return new Promise((answer) => {
    const place = document.body.appendChild(document.createElement("div"));
    const before = document.activeElement;
    const end = (said) => {
      render(null, place);
      place.remove();
      const isThere = before?.isConnected && before !== document.body;
      (isThere ? before : document.getElementById("main")).focus();
      answer(said);
    };
    const asked = (event) => {
      event.preventDefault();
      end(new FormData(event.currentTarget));
    };
    const shown = (dialog) => dialog && !dialog.open && dialog.showModal();
    render(
      html`<dialog class="ask" ref=${shown} aria-labelledby="ask-title" onCancel=${(event) => {
        event.preventDefault();
        if (!must) end(null);
      }}>
        <form onSubmit=${asked}>
          <h2 id="ask-title">${title}</h2>
          <p>${text}</p>
          ${extra}
          <div class="ask-acts">
            ${!must && html`<button type="button" onClick=${() => end(null)}>Cancel</button>`}
            <button type="submit" class=${danger ? "danger" : "primary"}
              autofocus=${extra === null}>${act}</button>
          </div>
        </form>
      </dialog>`,
      place,
    );
  });
}

/** Show a sentence for a moment; screen readers say it when they have time. */
export function say(text, mark = "calm") {
  const note = document.createElement("p");
  note.className = `note ${mark}`;
  note.textContent = text;
  document.getElementById("notes").append(note);
  setTimeout(() => note.remove(), SAID_MS);
}

/** What a call answers; after a failure, which is told, null. @returns {Promise<any>} */
export async function tried(promise) {
  try {
    return (await promise) ?? true;
  } catch (error) {
    say(error.hint ? `${error.message} ${error.hint}` : error.message, "bad");
    return null;
  }
}

/** Do a call and tell how it went. @returns {Promise<any>} its answer, or null after a failure */
export async function done(promise, text) {
  const answer = await tried(promise);
  if (answer !== null) say(text, "good");
  return answer;
}

/** The clock, as a hook: it moves every so often. */
export function useNow(every_ms = 1_000) {
  const [now, move] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => document.hidden || move(Date.now()), every_ms);
    return () => clearInterval(timer);
  }, [every_ms]);
  return now;
}
