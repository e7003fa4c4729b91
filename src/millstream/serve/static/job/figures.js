// The figures at the top of a job's page.
//
// in    job (JobInfo)
// A figure that calls for somebody is marked by a word as well as by colour.

import { bytes, compact, count, duration, percent } from "../lib/format.js";
import { html } from "../lib/html.js";

const NEAR_LIMIT = 0.9;
const LAG_SAID_MS_MAX = 366 * 86_400_000;

export function Figures({ job }) {
  return html`
    <dl class="figures">
      ${figuresOf(job).map(({ name, value, unit, note, tone }) => html`
        <div key=${name} class=${`figure ${tone ?? ""}`}>
          <dt>${name}</dt>
          <dd>
            <span class="figure-value">${value}${unit && html`<small>${unit}</small>`}</span>
            <span class="figure-note">${note}</span>
          </dd>
        </div>`)}
    </dl>`;
}

function figuresOf(job) {
  return [
    { name: "Rows in", value: compact(job.rows_in_per_s), unit: "/s", note: `${count(job.rows_in)} in all` },
    { name: "Rows out", value: compact(job.rows_out_per_s), unit: "/s", note: `${count(job.rows_out)} in all` },
    lagOf(job),
    latencyOf(job),
    busyOf(job),
    memoryOf(job),
    {
      name: "State",
      value: bytes(job.state_bytes),
      note: `${count(job.state_rows)} entries${job.spilled_bytes ? `, ${bytes(job.spilled_bytes)} on disk` : ""}`,
    },
    {
      name: "Rejected",
      value: count(job.rows_rejected),
      note: `${count(job.rows_late)} late`,
      tone: job.rows_rejected ? "is-bad" : "",
    },
    {
      name: "Restarts",
      value: count(job.restarts),
      note: checkpointsOf(job),
      tone: job.restarts || job.checkpoint_failures ? "is-warning" : "",
    },
  ];
}

function lagOf(job) {
  const waiting = job.rows_waiting === null ? "" : `${count(job.rows_waiting)} rows wait`;
  if (job.lag_ms === null) return { name: "Watermark lag", value: "–", note: waiting || "no watermark" };
  if (job.lag_ms > LAG_SAID_MS_MAX || job.lag_ms < 0) {
    return { name: "Watermark lag", value: "–", note: waiting || "event time is not now" };
  }
  return { name: "Watermark lag", value: duration(job.lag_ms), note: waiting || "behind the clock" };
}

function latencyOf(job) {
  if (job.latency_p50_ms === null) return { name: "Latency", value: "–", note: "not measured" };
  const p99 = job.latency_p99_ms === null ? "" : `p99 ${duration(job.latency_p99_ms)}`;
  return { name: "Latency p50", value: duration(job.latency_p50_ms), note: p99 };
}

function busyOf(job) {
  const held = job.pressure >= 0.05;
  return {
    name: "Busy",
    value: percent(job.busy),
    note: held ? `held back ${percent(job.pressure)}` : "nothing is held back",
    tone: held ? "is-warning" : "",
  };
}

function memoryOf(job) {
  if (!job.memory_limit) {
    return { name: "Memory", value: bytes(job.memory_bytes), note: "no limit set" };
  }
  const near = job.memory_bytes >= NEAR_LIMIT * job.memory_limit;
  return {
    name: "Memory",
    value: bytes(job.memory_bytes),
    note: `${near ? "near its limit, " : "of "}${bytes(job.memory_limit)}`,
    tone: near ? "is-bad" : "",
  };
}

function checkpointsOf(job) {
  if (job.checkpoint_failures) return `${count(job.checkpoint_failures)} checkpoints failed`;
  if (job.checkpoint === null) return job.checkpoint_dir ? "no checkpoint yet" : "no checkpoints";
  return `checkpoint ${job.checkpoint.number}`;
}
