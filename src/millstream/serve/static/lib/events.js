// Server-sent events over fetch, because an EventSource can send no token and hides every error.
//
// in    an address, told(frame) for each event's JSON, failed(error)
// out   events(address, told, failed) -> stop; a stream that breaks off is opened again after 1 s,
//       one that is refused with a problem, or ends with one, is not
// note  told is called once a frame of the screen with the newest event; older ones are dropped; a
//       page that is hidden lets go (lib/seen.js)

import { ApiError, headers, login, problemOf, token } from "./api.js";
import { nextFrame, notNextFrame } from "./frames.js";
import { reached, unreachable } from "./online.js";
import { whileSeen } from "./seen.js";

const AGAIN_MS = 1_000;

/** @returns {() => void} how to stop it */
export function events(address, told, failed) {
  let isRefused = false;
  const refused = (error) => {
    isRefused = true;
    failed(error);
  };
  return whileSeen(() => (isRefused ? () => {} : opened(address, told, refused)));
}

function opened(address, told, failed) {
  const over = new AbortController();
  let newest = null;
  let timer = 0;
  const tell = () => told(newest);

  async function read() {
    const used = token();
    try {
      const answer = await fetch(address, {
        headers: headers({ Accept: "text/event-stream" }),
        signal: over.signal,
      });
      reached();
      if (answer.status === 401) {
        await login(used);
      } else if (answer.ok) {
        for await (const text of messages(answer.body)) {
          const said = JSON.parse(text);
          if (said.type === "problem") throw new ApiError(said);
          newest = said;
          nextFrame(tell);
        }
      } else {
        throw await problemOf(answer);
      }
    } catch (error) {
      if (over.signal.aborted) return;
      if (error instanceof ApiError) {
        failed(error);
        return;
      }
      unreachable();
    }
    if (!over.signal.aborted) timer = setTimeout(read, AGAIN_MS);
  }

  read();
  return () => {
    over.abort();
    clearTimeout(timer);
    notNextFrame(tell);
  };
}

async function* messages(body) {
  let kept = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const parts = (kept + text).replaceAll("\r\n", "\n").split("\n\n");
    kept = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").filter((line) => line.startsWith("data:"));
      if (data.length) yield data.map((line) => line.slice(5)).join("\n");
    }
  }
}
