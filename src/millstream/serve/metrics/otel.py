"""Metrics and traces for OpenTelemetry, sent by OTLP over HTTP.

in      a hub; where to, as an address or by the standard variables (OTEL_EXPORTER_OTLP_ENDPOINT,
        OTEL_METRIC_EXPORT_INTERVAL, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, …)
metrics those of the table, by observable instruments; names without ``_total``, as is the custom
        there, units in UCUM. The engine counts latency in buckets itself, for which there is no
        observable instrument: its points are put beside the others when they leave
traces  a span per job, per durable checkpoint and per restart, each a trace of its own that links
        to its job's: a trace that grows for months helps nobody. No span per batch: there are
        thousands a second, and ``explain --analyze`` tells where their time goes. Times of restarts
        are those of the hub's looks, to about a second
threads two of the SDK; the compute thread is never stopped
extra   otel
bad     a collector that does not answer is asked again next time; of what the SDK says of that,
        once every ``TOLD_EVERY_S`` something is logged. The end waits ``END_WAIT_S`` for it at
        most, and ``END_AGAIN_S`` once it is known not to answer: time for one more try
"""

from __future__ import annotations

import logging
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from millstream import __version__
from millstream.engine.progress import Histogram
from millstream.errors import MissingExtra
from millstream.events import about
from millstream.serve.hub import Hub
from millstream.serve.metrics.metric import Kind, Metric
from millstream.serve.metrics.reading import Reader, Reading
from millstream.serve.metrics.spans import Spans
from millstream.serve.metrics.table import BUILD_INFO, JOB_UP, METRICS

try:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.sdk import metrics as sdk
    from opentelemetry.sdk.metrics import export as sdk_export
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
except ImportError:
    raise MissingExtra("opentelemetry-sdk", "otel", where="OpenTelemetry") from None

LOG = logging.getLogger("millstream")
SDK = ("opentelemetry.exporter.", "opentelemetry.sdk.")
"""Loggers of what sends."""
SCOPE = "millstream"
UNITS = {"seconds": "s", "bytes": "By", "rows": "{row}", "ratio": "1", "": "1"}
END_WAIT_S, END_AGAIN_S = 5.0, 1.5
LOOK_EVERY_S = 0.02
TOLD_EVERY_S = 600.0


@contextmanager
def exporting(
    hub: Hub, endpoint: str | None = None, *, every_ms: float | None = None
) -> Iterator[None]:
    """Send what the hub's jobs do for as long as this lasts.

    ``endpoint`` is a collector's address, such as ``http://localhost:4318``; None leaves it, and
    ``every_ms`` None the interval, to the standard variables.
    """
    resource = _resource()
    book = _Book(Reader(hub))
    exporter = _Exporter(OTLPMetricExporter(endpoint=_at(endpoint, "metrics")), book)
    ticks = sdk_export.PeriodicExportingMetricReader(exporter, export_interval_millis=every_ms)
    meters = sdk.MeterProvider([ticks], resource, shutdown_on_exit=False)
    book.make_instruments(meters)
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    tracers.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=_at(endpoint, "traces")))
    )
    spans = Spans(tracers.get_tracer(SCOPE, __version__))
    hub.on_look(spans.look)
    with _seldom() as complaints:
        try:
            yield
        finally:
            spans.close(hub.clock_ms())
            _end(meters, tracers, complaints)


class _Complaints(logging.Filter):
    """Takes what the SDK complains of, which is one line per try, and logs some of it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self._next_s = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the SDK's own record is to be logged."""
        if record.levelno < logging.WARNING:
            return True
        self.count += 1
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + TOLD_EVERY_S
            LOG.warning(
                "OpenTelemetry cannot be sent: %s It is tried again; this is said every %d "
                "minutes at most.",
                record.getMessage(),
                TOLD_EVERY_S // 60,
                extra=about("otel_unreachable"),
            )
        return False


@contextmanager
def _seldom() -> Iterator[_Complaints]:
    """Take over what the SDK logs, for as long as this lasts."""
    complaints = _Complaints()
    names = [name for name in logging.root.manager.loggerDict if name.startswith(SDK)]
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addFilter(complaints)
    try:
        yield complaints
    finally:
        for logger in loggers:
            logger.removeFilter(complaints)


def _end(meters: sdk.MeterProvider, tracers: TracerProvider, complaints: _Complaints) -> None:
    """Send what is left, and close; a collector that is gone must not hold a stop up."""
    ends = (tracers.shutdown, lambda: meters.shutdown(END_WAIT_S * 1000))
    threads = [threading.Thread(target=end, name="millstream-otel", daemon=True) for end in ends]
    for thread in threads:
        thread.start()
    before, until_s = complaints.count, time.monotonic() + END_WAIT_S
    while any(thread.is_alive() for thread in threads) and time.monotonic() < until_s:
        time.sleep(LOOK_EVERY_S)
        if complaints.count > before:
            before, until_s = sys.maxsize, min(until_s, time.monotonic() + END_AGAIN_S)


def _resource() -> Resource:
    """Return who we are, as the variables say; without them, Millstream."""
    found = Resource.create({"service.version": __version__})
    if str(found.attributes.get("service.name", "")).startswith("unknown_service"):
        found = found.merge(Resource({"service.name": SCOPE}))
    return found


def _at(endpoint: str | None, signal: str) -> str | None:
    return None if endpoint is None else f"{endpoint.rstrip('/')}/v1/{signal}"


class _Book:
    """The newest reading, and the instruments that tell it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.reading = Reading({metric.name: [] for metric in METRICS}, {})

    def make_instruments(self, provider: sdk.MeterProvider) -> None:
        """Make one instrument per metric of the table."""
        meter = provider.get_meter(SCOPE, __version__)
        # The SDK asks instruments in the order in which they were made: the first one reads, the
        # others tell what it has read, so that all numbers are of one moment.
        meter.create_observable_gauge(BUILD_INFO.name, [self._read_and_tell], "1", BUILD_INFO.help)
        meter.create_observable_gauge(JOB_UP.name, [self._who_is_up], "1", JOB_UP.help)
        for metric in METRICS:
            told, unit = [self._teller(metric)], UNITS[metric.unit]
            if metric.kind is Kind.COUNTER:
                meter.create_observable_counter(metric.family, told, unit, metric.help)
            elif metric.kind is Kind.GAUGE:
                meter.create_observable_gauge(metric.family, told, unit, metric.help)

    def _read_and_tell(self, _: CallbackOptions) -> Iterable[Observation]:
        self.reading = self._reader.read()
        versions = (__version__, platform.python_version())
        return [Observation(1, dict(zip(BUILD_INFO.labels, versions, strict=True)))]

    def _who_is_up(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(int(up), {JOB_UP.labels[0]: j}) for j, up in self.reading.up.items()]

    def _teller(self, metric: Metric) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def tell(_: CallbackOptions) -> Iterator[Observation]:
            for labels, number in self.reading.samples[metric.name]:
                assert not isinstance(number, Histogram), f"{metric.name} is no histogram"
                yield Observation(number, dict(zip(metric.labels, labels, strict=True)))

        return tell


class _Exporter(sdk_export.MetricExporter):
    """Sends what the instruments told, and the engine's histograms with it."""

    def __init__(self, inner: OTLPMetricExporter, book: _Book) -> None:
        preferred = inner._preferred_temporality
        super().__init__(preferred, inner._preferred_aggregation)
        self._inner = inner
        self._book = book
        cumulative = sdk_export.AggregationTemporality.CUMULATIVE
        self._temporality = (preferred or {}).get(sdk.Histogram, cumulative)
        self._sent: dict[tuple[str, tuple[str, ...]], tuple[Histogram, int]] = {}

    def export(
        self, metrics_data: sdk_export.MetricsData, timeout_millis: float = 10_000, **_: Any
    ) -> sdk_export.MetricExportResult:
        """Send one collection."""
        (of_resource,) = metrics_data.resource_metrics
        first, *rest = of_resource.scope_metrics
        at_ns = max(p.time_unix_nano for m in first.metrics for p in m.data.data_points)
        both = replace(first, metrics=[*first.metrics, *self._histograms(at_ns)])
        whole = replace(of_resource, scope_metrics=[both, *rest])
        return self._inner.export(sdk_export.MetricsData([whole]), timeout_millis)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Tell the exporter below."""
        return self._inner.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """End the exporter below."""
        self._inner.shutdown(timeout_millis)

    def _histograms(self, at_ns: int) -> Iterator[sdk_export.Metric]:
        for metric in METRICS:
            if metric.kind is not Kind.HISTOGRAM:
                continue
            points = [
                self._point(metric, labels, number, at_ns)
                for labels, number in self._book.reading.samples[metric.name]
                if isinstance(number, Histogram)
            ]
            if points:
                data = sdk_export.Histogram(points, self._temporality)
                yield sdk_export.Metric(metric.family, metric.help, UNITS[metric.unit], data)

    def _point(
        self, metric: Metric, labels: tuple[str, ...], number: Histogram, at_ns: int
    ) -> sdk_export.HistogramDataPoint:
        none = Histogram(number.bounds_s, (0,) * len(number.counts), 0.0)
        before, since_ns = self._sent.get((metric.name, labels), (none, at_ns))
        if any(new < old for new, old in zip(number.counts, before.counts, strict=True)):
            before, since_ns = none, at_ns  # the job was started again, and counts anew
        shown = number
        if self._temporality is sdk_export.AggregationTemporality.DELTA:
            counts = tuple(new - old for new, old in zip(number.counts, before.counts, strict=True))
            shown = replace(number, counts=counts, sum_s=number.sum_s - before.sum_s)
            self._sent[metric.name, labels] = (number, at_ns)
        else:
            self._sent[metric.name, labels] = (number, since_ns)
        return sdk_export.HistogramDataPoint(
            attributes=dict(zip(metric.labels, labels, strict=True)),
            start_time_unix_nano=since_ns,
            time_unix_nano=at_ns,
            count=sum(shown.counts),
            sum=shown.sum_s,
            bucket_counts=shown.counts,
            explicit_bounds=shown.bounds_s,
            # Not known, and optional in the protocol, though the SDK's own always have them.
            min=cast("float", None),
            max=cast("float", None),
        )
