// Hash routes: "#/jobs/clicks/letters?operator=x" <-> {path: ["jobs", "clicks", "letters"], query}.
//
// in    location.hash
// out   route(), link(path, query) -> href, go(path, query), useRoute()
// note  names are encoded, so a job may be called anything; what cannot be decoded stays as it is

import { useEffect, useState } from "./html.js";

/** @returns {{path: string[], query: Record<string, string>}} */
export function parsed(hash) {
  const [, path, query] = /^#?\/?([^?]*)\??(.*)$/s.exec(hash);
  return {
    path: path.split("/").filter(Boolean).map(decoded),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

function decoded(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** The address of a page: link(["jobs", name], {tab: "x"}). */
export function link(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(given).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/** Go to a page; `replace` leaves no step back. */
export function go(path, query, { replace = false } = {}) {
  const target = link(path, query);
  if (replace) location.replace(target);
  else location.hash = target;
}

/** Where we are, as a hook. */
export function useRoute() {
  const [at, move] = useState(() => parsed(location.hash));
  useEffect(() => {
    const moved = () => move(parsed(location.hash));
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return at;
}
