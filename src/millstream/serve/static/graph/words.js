// What is said of a step, in the graph, its panel and the table alike.

import { compact, count } from "../lib/format.js";

export const KINDS = { source: "Source", step: "Step", sink: "Sink" };

/** The id of a step's element, in the picture or the table: the focus comes back to it. */
export function nodeId(id) {
  return `step-${id}`;
}

/** How busy a step is, in three words that colour stands for. */
export function heat(share) {
  if (share >= 0.8) return "hot";
  return share >= 0.4 ? "warm" : "cool";
}

/** Rows known to wait before a source; null where nobody tells. */
export function waitingOf(operator) {
  const told = operator.splits.map((split) => split.rows_waiting).filter((rows) => rows !== null);
  return told.length ? told.reduce((sum, rows) => sum + rows, 0) : null;
}

/** The rows a step is known for: those it gives, and of a sink those it takes. */
export function rateOf(operator) {
  return operator.kind === "sink" ? operator.rows_in_per_s : operator.rows_out_per_s;
}

/** A text that fits a width, cut in the middle of what matters least: its end. */
export function cut(text, letters) {
  return text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
}

/** What the picture of a step leaves out, in one sentence, for those who do not see it. */
export function spoken(operator) {
  const parts = [`${compact(operator.rows_in_per_s)} rows in a second`];
  if (operator.kind !== "sink") parts.push(`${compact(operator.rows_out_per_s)} out`);
  if (operator.state_rows) parts.push(`${count(operator.state_rows)} entries of state`);
  if (operator.rows_late) parts.push(`${count(operator.rows_late)} late rows`);
  if (operator.rows_rejected) parts.push(`${count(operator.rows_rejected)} rejected rows`);
  return `${parts.join(", ")}.`;
}
