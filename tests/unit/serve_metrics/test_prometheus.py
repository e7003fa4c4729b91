"""What a scrape gets: both text formats, read back by the client library's own strict parsers."""

from __future__ import annotations

import gc

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from millstream.serve.metrics import prometheus
from millstream.serve.metrics.table import METRICS, NAMES
from tests.unit.serve_metrics.still import Still, hub_of, progress, split

OF_PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


def samples(text: bytes, read) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in read(text.decode())
        for s in family.samples
    }


def ours(found):
    """Leave out what the process says of itself: it moves between two scrapes."""
    return {key: value for key, value in found.items() if key[0].startswith("millstream_")}


def test_both_formats_say_the_same():
    """Prometheus asks for OpenMetrics, people with curl for text; numbers may not differ."""
    hub = hub_of(j=Still())
    text, kind = prometheus.render(hub)
    assert kind == prometheus.TEXT
    strict, kind = prometheus.render(hub, OF_PROMETHEUS)
    assert kind == prometheus.OPENMETRICS
    plain = samples(text, text_string_to_metric_families)
    assert ours(plain) == ours(samples(strict, openmetrics.text_string_to_metric_families))
    assert plain["millstream_job_input_rows_total", (("job_name", "j"),)] == 100
    bucket = (("job_name", "j"), ("le", "0.1"))
    assert plain["millstream_job_latency_seconds_bucket", bucket] == 90
    assert plain["millstream_job_latency_seconds_count", (("job_name", "j"),)] == 100
    assert any(name == "process_cpu_seconds_total" for name, _ in plain)


def test_every_metric_of_the_table_is_announced():
    """A metric without samples still tells what it is: it may have some in a minute."""
    text, _ = prometheus.render(hub_of())
    announced = {line.split()[2] for line in text.decode().splitlines() if "# TYPE" in line}
    assert announced >= NAMES
    assert all(f"# HELP {m.name} " in text.decode() for m in METRICS)


def test_labels_are_escaped():
    """Names come from users; a quotation mark or a new line in one must not break the scrape."""
    strange = 'a"b\\c\nd'
    hub = hub_of(j=Still(progress(splits=(split(strange),))))
    for accept, read in (
        (None, text_string_to_metric_families),
        (OF_PROMETHEUS, openmetrics.text_string_to_metric_families),
    ):
        text, _ = prometheus.render(hub, accept)
        found = {dict(labels).get("split") for _, labels in samples(text, read)}
        assert strange in found


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        ";;,,q=",
        "application/openmetrics-text;version=é;q=x",
        "a" * 9,
    ],
)
def test_any_accept_header_gets_an_answer(accept):
    """What a client says it takes is its own; it never makes an error of ours."""
    text, kind = prometheus.render(hub_of(j=Still()), accept)
    assert kind in (prometheus.TEXT, prometheus.OPENMETRICS)
    assert text


def test_a_hub_is_not_kept_alive_by_its_exporter():
    """Tests and notebooks make many servers in one process."""
    before = len(prometheus._exporters)
    hub = hub_of(j=Still())
    prometheus.render(hub)
    assert len(prometheus._exporters) == before + 1
    del hub
    gc.collect()
    assert len(prometheus._exporters) == before
