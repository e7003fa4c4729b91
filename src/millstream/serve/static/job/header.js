// The head of every page about one job: its name and state, its pages, what can be done with it.
//
// in    name, job (JobInfo, or null while it is fetched), here ("", "letters", "checkpoints"),
//       again() which has the page look at once

import { duration } from "../lib/format.js";
import { html } from "../lib/html.js";
import { link } from "../lib/route.js";
import { Head, State } from "../lib/ui.js";
import { Deeds } from "./deeds.js";

const PAGES = [["", "Overview"], ["letters", "Dead letters"], ["checkpoints", "Checkpoints"]];

export function JobHeader({ name, job, here, again }) {
  return html`
    <${Head} title=${name} trail=${[["Jobs", link(["jobs"])]]}>
      ${job && html`<${Deeds} job=${job} again=${again} />`}
    <//>
    <div class="job-line">
      <nav class="job-pages" aria-label=${`Pages of ${name}`}>
        ${PAGES.map(([page, text]) => html`
          <a key=${page} href=${link(["jobs", name, page].filter(Boolean))}
            aria-current=${page === here ? "page" : undefined}>${text}</a>`)}
      </nav>
      ${job && html`<p class="job-facts"><${State} of=${job.state} /><span>${factsOf(job)}</span></p>`}
    </div>`;
}

function factsOf(job) {
  const facts = [
    `${job.ended_at_ms === null ? "up" : "ran"} ${duration(Math.floor(job.elapsed_s) * 1000)}`,
    job.exactly_once ? "exactly once" : "at least once",
    job.bounded ? "has an end" : "endless",
  ];
  if (job.checkpoint_dir === null) facts.push("no checkpoints");
  return facts.join(" · ");
}

/** The last failure, mended or not, in the words of whoever raised it. */
export function LastFailure({ job }) {
  if (job.last_failure === null) return null;
  const [first, ...rest] = job.last_failure.trim().split("\n");
  const waits = job.restart_in_s !== null;
  const more = rest.length > 0 && html`<pre tabindex="0">${rest.join("\n")}</pre>`;
  if (job.state !== "failed" && !waits) {
    return html`
      <details class="last-failure">
        <summary><strong>Last failure, mended since:</strong> ${first}</summary>
        ${more}
      </details>`;
  }
  const title = waits ? `It failed and starts again in ${duration(job.restart_in_s * 1000)}:`
    : "It failed:";
  return html`
    <section class="last-failure is-now" aria-label="Failure">
      <p><strong>${title}</strong> ${first}</p>
      ${more}
    </section>`;
}
