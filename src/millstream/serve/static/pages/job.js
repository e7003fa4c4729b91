// #/jobs/NAME: how a job stands, its plan as a living graph, its past.
//
// in    name
// asks  the job, its plan and what is new of its history, once a second while the page is seen

import { PlanPicture } from "../graph/graph.js";
import { Panel } from "../graph/panel.js";
import { PlanTable } from "../graph/table.js";
import { nodeId } from "../graph/words.js";
import { Charts, SERIES } from "../job/charts.js";
import { Figures } from "../job/figures.js";
import { JobHeader, LastFailure } from "../job/header.js";
import { useHistory } from "../job/history.js";
import { html, useState } from "../lib/html.js";
import { usePoll } from "../lib/poll.js";
import { Fault, Waiting } from "../lib/ui.js";

const EVERY_MS = 1_000;

export default function Job({ name }) {
  const path = `/jobs/${encodeURIComponent(name)}`;
  const { data: job, error, again } = usePoll(path, undefined, EVERY_MS);
  const { data: plan } = usePoll(`${path}/plan`, undefined, EVERY_MS);
  const [range, setRange] = useState("10 min");
  const [chosen, setChosen] = useState(null);
  const history = useHistory(name, SERIES, range);
  if (job === null && error !== null) return html`<${Fault} error=${error} again=${again} />`;
  return html`
    <div class="page-job">
      <${JobHeader} name=${name} job=${job} here="" again=${again} />
      ${job === null && html`<${Waiting} lines=${6} />`}
      ${job && html`<${LastFailure} job=${job} />`}
      ${job && html`<${Figures} job=${job} />`}
      ${job && plan && html`
        <${Plan} plan=${plan} job=${job} chosen=${chosen} range=${range} onChoose=${setChosen} />`}
      <${Charts} history=${history} range=${range} onRange=${setRange} />
    </div>`;
}

function Plan({ plan, job, chosen, range, onChoose }) {
  const [asTable, setAsTable] = useState(false);
  const operator = plan.operators.find((one) => one.id === chosen) ?? null;
  const close = () => {
    onChoose(null);
    document.getElementById(nodeId(chosen))?.focus();
  };
  const choose = (id) => onChoose(id === chosen ? null : id);
  return html`
    <section class="plan" aria-labelledby="plan">
      <header class="section-head">
        <h2 id="plan">Plan</h2>
        <button type="button" class="quiet" aria-pressed=${asTable ? "true" : "false"}
          onClick=${() => setAsTable(!asTable)}>As a table</button>
      </header>
      <div class=${`plan-room ${operator ? "has-panel" : ""}`}>
        <div class="plan-main">
          ${asTable
            ? html`<${PlanTable} plan=${plan} chosen=${chosen} onChoose=${choose} />`
            : html`<${PlanPicture} plan=${plan} job=${job} chosen=${chosen} onChoose=${choose} />`}
        </div>
        ${operator && html`<${Panel} key=${chosen} name=${job.name} operator=${operator} range=${range}
          onClose=${close} />`}
      </div>
    </section>`;
}
