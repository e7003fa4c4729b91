// Light, dark, or as the system says.
//
// in    theme() / setTheme("light" | "dark" | "auto"), kept in localStorage; what the system wishes
// out   data-theme on <html>, always "light" or "dark", so that style.css has each palette once
//       (early.js sets it before the first paint); colours() for canvases; onTheme(listener) ->
//       stop, called when the colours have changed

const KEY = "millstream.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();
let known = null;

dark.addEventListener("change", dress);

/** @returns {"light" | "dark" | "auto"} */
export function theme() {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "auto";
}

/** @param {"light" | "dark" | "auto"} wanted */
export function setTheme(wanted) {
  if (wanted === "auto") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, wanted);
  dress();
}

/** Call a function when colours change; returns how to stop it. */
export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The tokens of style.css that canvases draw with, as they are now. */
export function colours() {
  if (known === null) {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    known = {
      text: read("--text"),
      faint: read("--text-3"),
      line: read("--line"),
      surface: read("--surface"),
      accent: read("--accent"),
      good: read("--good"),
      warn: read("--warn"),
      bad: read("--bad"),
      series: Array.from({ length: 8 }, (_, place) => read(`--series-${place + 1}`)),
      heat: Array.from({ length: 7 }, (_, place) => read(`--heat-${place}`)),
    };
  }
  return known;
}

/** Whether the reader wants things to stand still. */
export function still() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function dress() {
  const chosen = theme();
  const wished = dark.matches ? "dark" : "light";
  document.documentElement.dataset.theme = chosen === "auto" ? wished : chosen;
  known = null;
  for (const listener of listeners) listener();
}
