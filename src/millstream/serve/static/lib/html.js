// The one door to Preact and htm.
//
// in    tagged templates: html`<p class="x">${value}</p>`
// out   html, render, Fragment and the hooks; nothing else of the libraries is used anywhere
// note  an effect that holds elements is a useLayoutEffect: that of a useEffect ends only after the
//       elements have left the page, and what it does meanwhile meets refs that are null.
//       style={{…}} sets properties through CSSOM, which the page's policy allows; write no
//       style attributes as text

import { Fragment, h, render } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export const html = htm.bind(h);
export { Fragment, render };
export {
  useCallback,
  useEffect,
  useErrorBoundary,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "../vendor/preact-hooks.js";
