// The shell: where we are, the ways to elsewhere, whether the server answers, the theme.
//
// in    the hash of the address; the pages' modules, each loaded when it is first opened
// out   one page in <main>; each page's default export is a component that gets {name, query}:
//       the decoded name in the path (of a job or view) and what stands behind the "?"
// keys  w opens the wall for a screen on the wall, Escape leaves it

import { whenAsked } from "./lib/api.js";
import { ago } from "./lib/format.js";
import { html, render, useEffect, useErrorBoundary, useRef, useState } from "./lib/html.js";
import { useOnline } from "./lib/online.js";
import { usePoll } from "./lib/poll.js";
import { go, link, useRoute } from "./lib/route.js";
import { setTheme, theme } from "./lib/theme.js";
import { confirmed, Empty, Fault, Head, Icon, useNow, Waiting } from "./lib/ui.js";

const ALERTS_MS = 3_000;
const THEMES = ["auto", "light", "dark"];
const NAV = [
  ["Wall", [], "wall", (path) => path.length === 0 || path[0] === "views"],
  ["Jobs", ["jobs"], "jobs", (path) => path[0] === "jobs"],
  ["Alerts", ["alerts"], "alerts", (path) => path[0] === "alerts"],
  ["SQL", ["sql"], "sql", (path) => path[0] === "sql"],
];

/** Which page a path opens. @returns {[string, string?]} its module, and the name in the path */
function pageOf(path) {
  const [first, name, part] = path;
  switch (path.length) {
    case 0:
      return ["wall"];
    case 1:
      if (first === "wall") return ["wall"];
      if (["jobs", "alerts", "sql"].includes(first)) return [first];
      break;
    case 2:
      if (first === "jobs") return ["job", name];
      if (first === "views") return ["view", name];
      break;
    case 3:
      if (first === "jobs" && ["letters", "checkpoints"].includes(part)) return [part, name];
  }
  return ["none"];
}

function App() {
  const { path, query } = useRoute();
  const onWall = path[0] === "wall";
  useEffect(() => {
    document.documentElement.classList.toggle("on-wall", onWall);
  }, [onWall]);
  useEffect(() => listen(), []);
  const [page, name] = pageOf(path);
  return html`
    ${!onWall && html`<${Bar} path=${path} />`}
    <main id="main" tabindex="-1">
      <${Page} key=${path.join("/")} page=${page} name=${name} query=${query} onWall=${onWall} />
    </main>
    ${onWall && html`<${Connection} />`}
  `;
}

function Bar({ path }) {
  const toMain = (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  };
  const alerts = usePoll("/alerts", { state: "firing" }, ALERTS_MS);
  const firing = alerts.data?.items.length ?? 0;
  return html`<header class="bar">
    <a class="skip" href="#main" onClick=${toMain}>Skip to content</a>
    <a class="brand" href="#/"><img src="icon.svg" alt="" width="24" height="24" /><span>Millstream</span></a>
    <nav class="nav" aria-label="Main">
      ${NAV.map(
        ([text, to, icon, here]) => html`<a key=${text} href=${link(to)}
          aria-current=${here(path) ? "page" : undefined}>
          <${Icon} name=${icon} /><span>${text}</span>
          ${text === "Alerts" && firing > 0 && html`<b class="badge">${firing}<span class="unseen"> firing</span></b>`}
        </a>`,
      )}
    </nav>
    <div class="bar-end"><${Connection} /><${Themes} /></div>
  </header>`;
}

function Connection() {
  const { live, since_ms } = useOnline();
  const now = useNow();
  const text = live ? "Live" : `Reconnecting, lost ${ago(since_ms, now)}`;
  return html`<span class="connection ${live ? "good" : "bad"}">
    <i></i><span aria-hidden=${live ? undefined : "true"}>${text}</span>
    <span class="unseen" role="status">${live ? "" : "Connection lost, reconnecting"}</span>
  </span>`;
}

function Themes() {
  const [now, show] = useState(theme());
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  const change = () => {
    setTheme(next);
    show(next);
  };
  const label = `Theme: ${now}. Change to ${next}.`;
  return html`<button type="button" class="plain" aria-label=${label} title=${label} onClick=${change}>
    <${Icon} name=${now} />
  </button>`;
}

/** Loads a page's module and shows it; what it throws is shown in its place. */
function Page({ page, name, query, onWall }) {
  const [shown, show] = useState(null);
  const [error, forget] = useErrorBoundary((raised) => reportError(raised));
  const [missing, miss] = useState(null);
  const alive = useRef(true);
  useEffect(() => {
    if (page === "none") return;
    import(`./pages/${page}.js`).then(
      (module) => alive.current && show(() => module.default),
      (raised) => alive.current && miss(raised),
    );
    return () => (alive.current = false);
  }, [page]);
  if (page === "none")
    return html`<${Head} title="There is no such page" />
      <${Empty} title="The address may be mistyped">Try the <a href="#/">wall</a>.<//>`;
  if (error || missing) return html`<${Fault} error=${error ?? missing} again=${error ? forget : () => location.reload()} />`;
  if (!shown) return html`<${Waiting} lines=${6} />`;
  return html`<${shown} name=${name} query=${query} onWall=${onWall} />`;
}

/** Keys, and the marks that tell pages how they were reached. */
function listen() {
  const moved = ({ oldURL, newURL }) => {
    document.documentElement.dataset.moved = "yes";
    const [from, to] = [oldURL, newURL].map((url) => url.split("?")[0]);
    if (from !== to) scrollTo(0, 0); // else it is the same page, sorted or filtered otherwise
  };
  const pressed = (event) => {
    const typing = event.target.closest?.("input, textarea, select, dialog, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const onWall = document.documentElement.classList.contains("on-wall");
    if (event.key === "w" && !onWall) {
      document.documentElement.requestFullscreen?.().catch(() => {});
      go(["wall"]);
    } else if ((event.key === "Escape" || event.key === "w") && onWall) {
      if (document.fullscreenElement) document.exitFullscreen();
      go([]);
    }
  };
  addEventListener("hashchange", moved);
  addEventListener("keydown", pressed);
  return () => {
    removeEventListener("hashchange", moved);
    removeEventListener("keydown", pressed);
  };
}

whenAsked(async (wasRefused) => {
  const extra = html`<label class="field">Token
    <input name="token" type="password" required autocomplete="off" spellcheck=${false} />
  </label>`;
  for (;;) {
    const filled = await confirmed({
      title: wasRefused ? "That token is not the one" : "Who are you?",
      text: "This server asks for a token. It stays in this tab only.",
      act: "Sign in",
      must: true,
      extra,
    });
    const given = filled?.get("token").trim();
    if (given) return given;
  }
});

render(html`<${App} />`, document.getElementById("app"));
