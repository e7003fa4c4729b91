// What can be done with a job: pause, resume, stop, savepoint. Each is asked once more.
//
// in    job (JobInfo), again() which has the page look at once
// A job that cannot be told anything now has its buttons switched off; one that has ended can be
// started again where its server offers that, and says so where it does not.

import { post } from "../lib/api.js";
import { html } from "../lib/html.js";
import { confirmed, done, Icon } from "../lib/ui.js";

const ENDED = ["stopped", "failed"];

export function Deeds({ job, again }) {
  const off = !job.can_be_told;
  const act = (deed) => async () => {
    await deed(job);
    again();
  };
  return html`
    ${job.state === "paused"
      ? html`<button type="button" class="primary" disabled=${off} onClick=${act(resume)}>
          <${Icon} name="play" />Resume</button>`
      : ENDED.includes(job.state)
        ? html`<button type="button" onClick=${act(startAgain)}><${Icon} name="play" />Start again</button>`
        : html`<button type="button" disabled=${off} onClick=${act(pause)}>
            <${Icon} name="pause" />Pause</button>`}
    <${SavepointButton} job=${job} />
    <button type="button" disabled=${off} onClick=${act(stop)}><${Icon} name="stop" />Stop</button>`;
}

export function SavepointButton({ job }) {
  return html`<button type="button" disabled=${!job.can_be_told} onClick=${() => savepoint(job)}>
    <${Icon} name="down" />Savepoint</button>`;
}

async function pause(job) {
  const yes = await confirmed({
    title: `Pause ${job.name}?`,
    text: "No more rows are read until it is resumed. State, open windows and positions stay.",
    act: "Pause",
  });
  if (yes) await done(post(pathOf(job, "pause")), `${job.name} is paused`);
}

async function resume(job) {
  const yes = await confirmed({
    title: `Resume ${job.name}?`,
    text: "It goes on reading where it stood.",
    act: "Resume",
  });
  if (yes) await done(post(pathOf(job, "resume")), `${job.name} goes on`);
}

async function startAgain(job) {
  const yes = await confirmed({
    title: `Start ${job.name} again?`,
    text: job.checkpoint_dir
      ? "It goes on from its newest checkpoint."
      : "It keeps no checkpoints, so it begins at the beginning.",
    act: "Start again",
  });
  if (yes) await done(post(pathOf(job, "resume")), `${job.name} starts again`);
}

async function stop(job) {
  const kept = job.checkpoint_dir
    ? "What it knows goes into its checkpoint folder; started again, it goes on from there."
    : "It keeps no checkpoints: what it knows is lost.";
  const said = await confirmed({
    title: `Stop ${job.name}?`,
    text: kept,
    act: "Stop",
    danger: true,
    extra: html`<label class="check"><input type="checkbox" name="drain" />
      <span>Close open windows first: no more rows will come</span></label>`,
  });
  if (!said) return;
  const drain = said.get("drain") !== null;
  await done(post(pathOf(job, "stop"), { drain }), `${job.name} is stopping`);
}

async function savepoint(job) {
  const said = await confirmed({
    title: `Savepoint of ${job.name}`,
    text: "A copy of all state as it is now. The job goes on meanwhile.",
    act: "Make it",
    extra: html`<label class="field"><span>Where to</span>
      <input type="text" name="target" required maxlength="4096" spellcheck=${false}
        autocomplete="off" value=${`savepoints/${job.name}-${stamp()}`} />
      <small>A folder the server can write to, or s3://BUCKET/PATH.</small></label>`,
  });
  if (!said) return;
  const target = said.get("target").trim();
  await done(post(pathOf(job, "savepoint"), { target }), `The savepoint is in ${target}`);
}

function pathOf(job, deed) {
  return `/jobs/${encodeURIComponent(job.name)}/${deed}`;
}

function stamp() {
  return new Date().toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "");
}
