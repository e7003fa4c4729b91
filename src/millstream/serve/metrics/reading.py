"""One look at all jobs for whoever exports their figures.

in      a hub; each reading takes fresh progress of every job that runs
state   per counter what was shown last
out     samples by metric, and which jobs answered
bad     a job that raises is logged and down in this reading; the others are as they are
threads any; progress is read without stopping the compute thread
restarts  a job that is started again counts on from its last checkpoint: its counters fall back,
        and rows read again count once. Whoever takes rates of counters takes one that falls for one
        that began at zero: a false peak of everything ever counted. So no counter of ours falls;
        :class:`~millstream.serve.metrics.metric.Falls` says what is shown instead
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from millstream.engine.progress import Histogram
from millstream.serve.hub import Held, Hub, Look
from millstream.serve.metrics.metric import OTHER, SPLIT, Falls, Kind, Metric, Number, Sample
from millstream.serve.metrics.table import METRICS

LOG = logging.getLogger("millstream")
Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """The samples of all jobs by the name of their metric, and who answered."""

    samples: Mapping[str, list[Sample]]
    up: Mapping[str, bool]


@dataclass
class _Counters:
    """What one job's counters have shown."""

    held: Held
    shown: dict[tuple[str, Labels], Number] = field(default_factory=dict)
    last: dict[tuple[str, Labels], float] = field(default_factory=dict)
    """What the counters that go on really were, last time."""

    def steady(self, metric: Metric, labels: Labels, number: Number) -> Number:
        """Return what is shown for a number."""
        key = (metric.name, labels)
        falls = metric.falls
        if metric.labels == SPLIT and labels[-1] == OTHER:
            falls = Falls.GOES_ON  # splits may leave the sum
        elif self.held.job.settings.checkpoint_dir is None and falls is Falls.CATCHES_UP:
            falls = Falls.ANEW
        if falls is Falls.ANEW or key not in self.shown:
            shown = number
        elif falls is Falls.CATCHES_UP or isinstance(number, Histogram):
            shown = higher(self.shown[key], number)
        else:
            before = self.shown[key]
            assert not isinstance(before, Histogram), "a metric does not change its kind"
            shown = before + max(0.0, number - self.last[key])
        self.shown[key] = shown
        if not isinstance(number, Histogram):
            self.last[key] = number
        return shown


class Reader:
    """Reads the jobs of a hub, again and again."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._counters: dict[str, _Counters] = {}
        self._lock = threading.Lock()

    def read(self) -> Reading:
        """Take a look at all jobs now."""
        samples: dict[str, list[Sample]] = {metric.name: [] for metric in METRICS}
        up: dict[str, bool] = {}
        with self._lock:
            jobs = self._hub.jobs
            self._counters = {n: c for n, c in self._counters.items() if n in jobs}
            for name, held in jobs.items():
                try:
                    found = list(self._of(held))
                except Exception:
                    # One job that cannot tell how it stands must not hide the others.
                    LOG.exception("The figures of job '%s' cannot be read.", name)
                    up[clean(name)] = False
                    continue
                up[clean(name)] = True
                for metric, sample in found:
                    samples[metric.name].append(sample)
        return Reading(samples, up)

    def _of(self, held: Held) -> Iterator[tuple[Metric, Sample]]:
        counters = self._counters.get(held.name)
        if counters is None or counters.held is not held:
            counters = self._counters[held.name] = _Counters(held)
        look = held.last
        if held.ended_at_ms is None:
            look = Look(self._hub.clock_ms(), held.running.progress(), look.now)
        for metric in METRICS:
            for labels, number in metric.values(held, look):
                readable = tuple(map(clean, labels))
                shown = number
                if metric.kind is not Kind.GAUGE:
                    shown = counters.steady(metric, readable, number)
                yield metric, (readable, shown)


def higher(reached: Number, number: Number) -> Number:
    """Return the larger of two counts; of histograms, that of each bucket.

    >>> higher(5, 3)
    5
    >>> higher(Histogram((1.0,), (4, 1), 2.5), Histogram((1.0,), (3, 2), 2.0)).counts
    (4, 2)
    """
    if isinstance(reached, Histogram):
        assert isinstance(number, Histogram), "a metric does not change its kind"
        if reached.bounds_s != number.bounds_s:
            return number
        counts = tuple(map(max, reached.counts, number.counts))
        return replace(number, counts=counts, sum_s=max(reached.sum_s, number.sum_s))
    assert not isinstance(number, Histogram), "a metric does not change its kind"
    return max(reached, number)


def clean(text: str) -> str:
    """Return a text that every exporter can write: names of files may hold bytes that are none."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
