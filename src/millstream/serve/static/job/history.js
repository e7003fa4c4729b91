// The past of a job for charts: fetched whole once, then only what is new.
//
// in    a job's name, names of series, a range of RANGES
// out   {at_ms, series}, or null before the first answer; a gap in a series is null
// note  the server's clock alone says what is old: that of the browser may be another

import { get } from "../lib/api.js";
import { useEffect, useState } from "../lib/html.js";
import { poll } from "../lib/poll.js";

export const RANGES = {
  "1 min": { ms: 60_000, every_ms: 1_000, coarse: false },
  "10 min": { ms: 600_000, every_ms: 1_000, coarse: false },
  "6 h": { ms: 21_600_000, every_ms: 10_000, coarse: true },
};

export function useHistory(name, names, range) {
  const [history, show] = useState(null);
  const wanted = names.join(",");
  useEffect(() => {
    const { ms, every_ms, coarse } = RANGES[range];
    let kept = null;
    const ask = (signal) => {
      const since_ms = kept?.at_ms.at(-1);
      const params = { series: wanted, since_ms, coarse: coarse || undefined };
      return get(`/jobs/${encodeURIComponent(name)}/history`, params, { signal });
    };
    const polled = poll(ask, every_ms, (page) => {
      if (page === null) return;
      kept = joined(kept, page, ms);
      show(kept);
    });
    return () => polled.stop();
  }, [name, wanted, range]);
  return history;
}

/** Older points (null: none) and newer ones, without those that have left the range. */
export function joined(kept, page, ms) {
  if (!page.at_ms.length) return kept ?? page;
  kept ??= { at_ms: [], series: {} };
  const at_ms = [...kept.at_ms, ...page.at_ms];
  const from = at_ms.findIndex((at) => at > at_ms.at(-1) - ms);
  const series = {};
  for (const name of Object.keys(page.series)) {
    const before = kept.series[name] ?? kept.at_ms.map(() => null);
    series[name] = [...before, ...page.series[name]].slice(from);
  }
  return { at_ms: at_ms.slice(from), series };
}
