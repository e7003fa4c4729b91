// #/jobs/NAME/checkpoints: how old the newest is, how long they take, how large they are.
//
// in    name
// asks  the job and its checkpoints every two seconds

import { JobHeader } from "../job/header.js";
import { Chart } from "../lib/chart.js";
import { ago, bytes, clock, count, duration, moment } from "../lib/format.js";
import { html, useMemo } from "../lib/html.js";
import { usePoll } from "../lib/poll.js";
import { Empty, Fact, Fault, useNow, Waiting } from "../lib/ui.js";

const EVERY_MS = 2_000;

export default function Checkpoints({ name }) {
  const path = `/jobs/${encodeURIComponent(name)}`;
  const { data: job, again } = usePoll(path, undefined, EVERY_MS);
  const { data, error } = usePoll(`${path}/checkpoints`, undefined, EVERY_MS);
  const items = data?.items ?? [];
  return html`
    <${JobHeader} name=${name} job=${job} here="checkpoints" again=${again} />
    ${error && data === null && html`<${Fault} error=${error} />`}
    ${data === null && !error && html`<${Waiting} lines=${5} />`}
    ${job && data !== null && items.length === 0 && html`<${None} job=${job} />`}
    ${job && items.length > 0 && html`
      <${Newest} job=${job} newest=${items.at(-1)} />
      <${Past} items=${items} />
      <${Table} items=${items} />`}`;
}

function None({ job }) {
  if (job.checkpoint_dir !== null) {
    return html`<${Empty} title="No checkpoint yet">
      The first one comes within the checkpoint interval.<//>`;
  }
  return html`
    <div class="empty">
      <p class="empty-title">${job.name} keeps no checkpoints</p>
      <p>After a restart it begins anew. Give it a folder, and it goes on where it stopped:</p>
      <pre><code>millstream run FILE --ui --checkpoint state/${job.name}</code></pre>
    </div>`;
}

function Newest({ job, newest }) {
  const now = useNow();
  const failures = job.checkpoint_failures;
  return html`
    <div class="card card-body checkpoint-facts">
      <dl class="facts">
        <${Fact} name="Newest">${count(newest.number)}<//>
        <${Fact} name="Age">${ago(newest.at_ms, now)}<//>
        <${Fact} name="Took">${duration(newest.took_ms)}<//>
        <${Fact} name="Size">${bytes(newest.bytes)}<//>
        <${Fact} name="Failures" mark=${failures ? "bad" : ""}>${count(failures)}<//>
        <${Fact} name="Guarantee">${job.exactly_once ? "exactly once" : "at least once"}<//>
      </dl>
      <p class="faint">Folder <code>${job.checkpoint_dir}</code></p>
    </div>`;
}

function Past({ items }) {
  const timed = items.filter((one) => one.took_ms !== null);
  const at = useMemo(() => timed.map((one) => one.at_ms), [items]);
  const took = useMemo(
    () => [{ label: "took", values: timed.map((one) => one.took_ms) }], [items]);
  const sizes = useMemo(
    () => [{ label: "size", values: timed.map((one) => one.bytes) }], [items]);
  if (timed.length < 2) return null;
  return html`
    <div class="charts">
      <div class="chart-card"><h2>Duration</h2>
        <${Chart} label="Duration of checkpoints" at=${at} series=${took} format=${duration}
          height=${160} sync="checkpoints" legend=${false} /></div>
      <div class="chart-card"><h2>Size</h2>
        <${Chart} label="Size of checkpoints" at=${at} series=${sizes} format=${bytes}
          height=${160} sync="checkpoints" legend=${false} colours=${[1]} /></div>
    </div>`;
}

function Table({ items }) {
  const now = useNow();
  return html`
    <section class="card checkpoint-table" aria-label="Checkpoints">
      <div class="scroll" tabindex="0" role="region" aria-label="Checkpoints, newest first">
        <table>
          <thead><tr>
            <th scope="col" class="number">Number</th><th scope="col">When</th>
            <th scope="col">Age</th><th scope="col" class="number">Took</th>
            <th scope="col" class="number">Size</th>
          </tr></thead>
          <tbody>
            ${[...items].reverse().map((one) => html`
              <tr key=${one.number}>
                <td class="number">${count(one.number)}</td>
                <td title=${moment(one.at_ms)}>${clock(one.at_ms)}</td>
                <td class="faint">${ago(one.at_ms, now)}</td>
                <td class="number">${duration(one.took_ms)}</td>
                <td class="number">${bytes(one.bytes)}</td>
              </tr>`)}
          </tbody>
        </table>
      </div>
    </section>`;
}
