// What can be done with a job: pause, resume, stop, savepoint, start again.
//
// in    job (JobInfo), again() which has the page look at once, inList: beside other jobs, so each
//       button says whose it is, and there is no savepoint
// What can be undone by the next press is done at once, the rest is asked once more. What a job
// cannot be told now says why.

import { post } from "../lib/api.js";
import { html } from "../lib/html.js";
import { Act, confirmed, done, Icon } from "../lib/ui.js";

const ENDED = ["completed", "stopped", "failed"];
const PAUSES = "No more rows are read until it is resumed; state, open windows and positions stay";

export function Deeds({ job, again, inList = false }) {
  const hasEnded = ENDED.includes(job.state);
  const off = job.can_be_told ? "" : hasEnded ? "It has ended" : `It is ${job.state}`;
  const act = (deed) => async () => {
    await deed(job);
    again();
  };
  const button = (text, icon, deed, more) => html`
    <${Act} off=${off} onClick=${act(deed)} ...${more}>
      <${Icon} name=${icon} />${text}${inList && html`<span class="unseen"> ${job.name}</span>`}<//>`;
  return html`
    ${hasEnded
      ? button("Start again", "play", startAgain, { off: whyNotAgain(job) })
      : job.state === "paused"
        ? button("Resume", "play", resume, { class: "primary" })
        : button("Pause", "pause", pause, { title: PAUSES })}
    ${!inList && button("Savepoint", "down", savepoint)}
    ${button("Stop", "stop", stop, { class: "danger" })}`;
}

function whyNotAgain(job) {
  if (job.can_be_started_again) return "";
  return "It cannot be started again from here; under millstream serve it can";
}

async function pause(job) {
  await done(post(pathOf(job, "pause")), `${job.name} is paused`);
}

async function resume(job) {
  await done(post(pathOf(job, "resume")), `${job.name} goes on`);
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
