"""``/metrics`` for Prometheus: the table's metrics of all jobs, and those of the process.

in      a hub and the Accept header of the one who asks
out     bytes and their content type: OpenMetrics where it is asked for, else Prometheus' text
state   a registry per hub, of its own: nothing is registered in prometheus_client's global one
door    the only module that imports prometheus_client
"""

from __future__ import annotations

import platform
import weakref
from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from millstream import __version__
from millstream.engine.progress import Histogram
from millstream.serve.hub import Hub
from millstream.serve.metrics.metric import Kind, Metric, Sample
from millstream.serve.metrics.reading import Reader
from millstream.serve.metrics.table import BUILD_INFO, JOB_UP, METRICS

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
INFO = "_info"

_exporters: weakref.WeakKeyDictionary[Hub, Exporter] = weakref.WeakKeyDictionary()


def render(hub: Hub, accept_header: str | None = None) -> tuple[bytes, str]:
    """Return what a scrape of this hub gets, and its content type."""
    exporter = _exporters.get(hub)
    if exporter is None:
        # Its reader does not hold the hub, or no hub that was ever scraped would end.
        exporter = _exporters.setdefault(hub, Exporter(Reader(weakref.proxy(hub))))
    return exporter.render(accept_header)


class Exporter(Collector):
    """Gives the figures of a hub's jobs to prometheus_client."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def render(self, accept_header: str | None) -> tuple[bytes, str]:
        """Return all figures as they are now."""
        if wants_openmetrics(accept_header or ""):
            encode: Callable[[Collector], bytes] = openmetrics.generate_latest
            return encode(self._registry), OPENMETRICS
        return generate_latest(self._registry), TEXT

    def collect(self) -> Iterator[Family]:
        """Give out one family of samples per metric; called by the registry."""
        reading = self._reader.read()
        answers = GaugeMetricFamily(JOB_UP.name, JOB_UP.help, labels=JOB_UP.labels)
        for job, is_up in reading.up.items():
            answers.add_metric((job,), float(is_up))
        yield answers
        versions = (__version__, platform.python_version())
        yield _info(BUILD_INFO.name, BUILD_INFO.help, BUILD_INFO.labels, [(versions, 1.0)])
        for metric in METRICS:
            yield _family(metric, reading.samples[metric.name])


def wants_openmetrics(accept: str) -> bool:
    """Tell whether OpenMetrics is asked for at least as much as plain text.

    >>> wants_openmetrics("application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1")
    True
    >>> wants_openmetrics("application/openmetrics-text;q=0.3,text/plain")
    False
    >>> wants_openmetrics("*/*")
    False
    """
    asked: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (word.strip().lower() for word in part.split(";"))
        weights = [_weight(p.removeprefix("q=")) for p in parameters if p.startswith("q=")]
        asked[kind] = max(asked.get(kind, 0.0), weights[0] if weights else 1.0)
    wish = asked.get("application/openmetrics-text", 0.0)
    return wish > 0 and wish >= asked.get("text/plain", 0.0)


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _family(metric: Metric, samples: list[Sample]) -> Family:
    if metric.name.endswith(INFO):
        return _info(metric.name, metric.help, metric.labels, samples)
    if metric.kind is Kind.HISTOGRAM:
        return _histogram(metric, samples)
    make = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = make(metric.family, metric.help, labels=metric.labels, unit=metric.unit)
    for labels, number in samples:
        assert not isinstance(number, Histogram), f"{metric.name} is no histogram"
        family.add_metric(labels, number)
    return family


def _info(name: str, help_: str, labels: tuple[str, ...], samples: list[Sample]) -> Family:
    family = InfoMetricFamily(name.removesuffix(INFO), help_)
    for values, _ in samples:
        family.add_metric((), dict(zip(labels, values, strict=True)))
    return family


def _histogram(metric: Metric, samples: list[Sample]) -> Family:
    family = HistogramMetricFamily(
        metric.family, metric.help, labels=metric.labels, unit=metric.unit
    )
    for labels, number in samples:
        assert isinstance(number, Histogram), f"{metric.name} is a histogram"
        bounds = [*map(floatToGoString, number.bounds_s), "+Inf"]
        counts = map(float, accumulate(number.counts))
        family.add_metric(labels, list(zip(bounds, counts, strict=True)), number.sum_s)
    return family
