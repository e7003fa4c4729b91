// The bytes of a letter, as text or as hex.
//
// in    raw_text (they are UTF-8) or raw_base64
// limit what is shown; the rest is counted

import { bytes as bytesText } from "../lib/format.js";
import { html, useMemo, useState } from "../lib/html.js";

const SHOWN_MAX = 4_096;
const PER_LINE = 16;

export function Raw({ letter }) {
  const [asHex, setAsHex] = useState(letter.raw_text === null);
  const bytes = useMemo(() => bytesOf(letter), [letter.id]);
  if (bytes === null) return null;
  const shown = bytes.subarray(0, SHOWN_MAX);
  const text = asHex ? hex(shown) : new TextDecoder().decode(shown);
  return html`
    <div class="raw">
      <div class="raw-head">
        <h3>Bytes <span class="faint">${bytesText(bytes.length)}</span></h3>
        <button type="button" aria-pressed=${asHex ? "true" : "false"}
          onClick=${() => setAsHex(!asHex)}>Hex</button>
      </div>
      <pre tabindex="0" aria-label="Bytes as read">${text}</pre>
      ${bytes.length > SHOWN_MAX && html`
        <p class="faint">The first ${bytesText(SHOWN_MAX)} are shown.</p>`}
    </div>`;
}

export function bytesOf(letter) {
  if (letter.raw_text !== null) return new TextEncoder().encode(letter.raw_text);
  if (letter.raw_base64 === null) return null;
  return Uint8Array.from(atob(letter.raw_base64), (letter) => letter.charCodeAt(0));
}

/** Lines of an offset, sixteen bytes, and what of them can be read. */
export function hex(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += PER_LINE) {
    const part = [...bytes.subarray(at, at + PER_LINE)];
    const codes = part.map((byte) => byte.toString(16).padStart(2, "0"));
    const seen = part.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·"));
    const offset = at.toString(16).padStart(6, "0");
    lines.push(`${offset}  ${codes.join(" ").padEnd(PER_LINE * 3)} ${seen.join("")}`);
  }
  return lines.join("\n");
}
