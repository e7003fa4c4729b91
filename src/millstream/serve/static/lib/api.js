// Calls of the REST interface.
//
// in    paths below /v1 ("/jobs"), query parameters as an object (undefined and null are left
//       out), bodies as plain values
// out   the parsed answer; an ApiError with title, detail, hint and status where the server says
//       problem+json, and with status 0 where it cannot be reached
// 401   the call waits until a token has been given (see whenAsked), then it is made again; the
//       token lives in sessionStorage, so it goes with the tab
//
//   const { items } = await get("/jobs");
//   await post("/jobs/clicks/pause");

import { reached, unreachable } from "./online.js";

const KEY = "millstream.token";
const MAX_WAIT_MS = 20_000;

/** What the server (or the way to it) has against a call. */
export class ApiError extends Error {
  /** @param {{title: string, detail?: string, hint?: string|null, status: number}} problem */
  constructor(problem) {
    super(problem.detail || problem.title);
    this.name = "ApiError";
    this.title = problem.title;
    this.status = problem.status;
    this.hint = problem.hint || null;
  }
}

let asking = null;
let asker = null;

/** Register who asks for a token: a function of whether one was refused; it promises one. */
export function whenAsked(ask) {
  asker = ask;
}

/** The token of this tab, or null. */
export function token() {
  return sessionStorage.getItem(KEY);
}

/** Headers that every call carries. */
export function headers(more = {}) {
  const held = token();
  return held ? { ...more, Authorization: `Bearer ${held}` } : more;
}

/**
 * Ask for a token once, however many calls wait for it. Calls are under way together, so one may be
 * refused after another's refusal has brought a new token: that one has only to be made again.
 * @param {string | null} refused the token it was refused with
 */
export function login(refused) {
  if (token() !== refused) return Promise.resolve();
  asking ??= Promise.resolve(asker(refused !== null))
    .then((given) => sessionStorage.setItem(KEY, given))
    .finally(() => (asking = null));
  return asking;
}

/** The address of a path below /v1. */
export function url(path, params = {}) {
  const given = Object.entries(params).filter(([, value]) => value !== undefined && value !== null);
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return `/v1${path}${given.length ? `?${query}` : ""}`;
}

/** @returns {Promise<any>} */
export function get(path, params, { signal } = {}) {
  return call("GET", url(path, params), undefined, signal);
}

/** @returns {Promise<any>} */
export function post(path, body, { signal } = {}) {
  return call("POST", url(path), body, signal);
}

/** @returns {Promise<any>} */
export function remove(path) {
  return call("DELETE", url(path));
}

/** The error in an answer that is not ok. */
export async function problemOf(answer) {
  const said = await answer.json().catch(() => null);
  return new ApiError({
    title: said?.title ?? answer.statusText ?? "Error",
    detail: said?.detail,
    hint: said?.hint,
    status: answer.status,
  });
}

async function call(method, address, body, signal) {
  const limit = AbortSignal.timeout(MAX_WAIT_MS);
  const used = token();
  let answer;
  try {
    answer = await fetch(address, {
      method,
      headers: headers(body === undefined ? {} : { "Content-Type": "application/json" }),
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    unreachable();
    throw new ApiError({
      title: "The server does not answer",
      detail: "The server does not answer.",
      hint: "It may have ended with its job, or be starting again.",
      status: 0,
    });
  }
  reached();
  if (answer.status === 401) {
    await login(used);
    return call(method, address, body, signal);
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer.status === 204 ? null : answer.json();
}
