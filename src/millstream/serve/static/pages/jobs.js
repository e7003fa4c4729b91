// All jobs: how each stands, and what can be told to it.
//
// in    the list of jobs, once a second
// out   a card per job: state, rate with its last minutes, lag, work, rejected rows, the newest
//       checkpoint; pause, resume, stop, start again (job/deeds.js)

import { Deeds } from "../job/deeds.js";
import { Spark } from "../lib/chart.js";
import { ago, compact, count, duration, percent, rate } from "../lib/format.js";
import { html } from "../lib/html.js";
import { pastOf } from "../lib/past.js";
import { usePoll } from "../lib/poll.js";
import { link } from "../lib/route.js";
import { Empty, Fact, Fault, Head, Meter, State, useNow, Waiting } from "../lib/ui.js";

const JOBS_MS = 1_000;
const TREND = 120;

export default function Jobs() {
  const { data, error, again } = usePoll("/jobs", {}, JOBS_MS);
  const now = useNow();
  const jobs = data?.items ?? [];
  for (const job of jobs) pastOf(`job ${job.name}`).add(Date.now(), { in: job.rows_in_per_s });
  return html`
    <${Head} title="Jobs" />
    ${!data && error && html`<${Fault} error=${error} again=${again} />`}
    ${!data && !error && html`<${Waiting} />`}
    ${data && !jobs.length && html`<${Empty} title="No job runs here">
      Start one with <code>millstream run FILE --ui</code>.
    <//>`}
    <ul class="jobs">
      ${jobs.map((job) => html`<li key=${job.name}><${Row} job=${job} now=${now} again=${again} /></li>`)}
    </ul>
  `;
}

function Row({ job, now, again }) {
  const trend = pastOf(`job ${job.name}`).of("in").slice(-TREND);
  const lost = job.rows_rejected + job.rows_late;
  const { checkpoint } = job;
  const failing = job.checkpoint_failures > 0;
  return html`<article class="card job-row" aria-label=${job.name}>
    <div class="job-name"><a href=${link(["jobs", job.name])}>${job.name}</a><${State} of=${job.state} /></div>
    <div class="job-rate"><b title="Rows read a second">${rate(job.rows_in_per_s)}</b>
      <${Spark} values=${trend} label="Rows a second" width=${140} height=${22} /></div>
    <dl class="facts">
      <${Fact} name="Lag" title="Clock minus watermark">${duration(job.lag_ms)}<//>
      <${Fact} name="Busy" title="Part of the last second in which the compute thread worked">
        ${percent(job.busy)} <${Meter} value=${job.busy} label="Busy" mark=${job.busy > 0.95 ? "warn" : ""} />
      <//>
      <${Fact} name="Late and rejected" mark=${job.rows_rejected ? "warn" : ""}
        title="${count(job.rows_late)} late, ${count(job.rows_rejected)} rejected">
        ${job.checkpoint_dir && lost
          ? html`<a class="link" href=${link(["jobs", job.name, "letters"])}>${compact(lost)}</a>`
          : compact(lost)}
      <//>
      <${Fact} name="Checkpoint" mark=${failing ? "bad" : ""}
        title=${failing ? `${job.checkpoint_failures} failed` : "The newest durable one"}>
        ${checkpoint ? ago(checkpoint.at_ms, now) : job.checkpoint_dir ? "none yet" : "off"}
      <//>
    </dl>
    <div class="job-acts"><${Deeds} job=${job} again=${again} inList /></div>
    ${job.last_failure && html`<p class="job-failure">${job.last_failure}</p>`}
  </article>`;
}
