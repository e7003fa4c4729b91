"""Whether OpenTelemetry is asked for by its standard variables; nothing is sent unless it is.

in      OTEL_EXPORTER_OTLP_ENDPOINT, or that of metrics or traces; OTEL_SDK_DISABLED
out     :func:`millstream.serve.metrics.otel.exporting`, or nothing
bad     asked for without the extra ``otel``: a warning says how to get it, and the jobs run. The
        variables are often set for all programs of a machine
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from millstream.errors import MissingExtra

if TYPE_CHECKING:
    from millstream.serve.hub import Hub

LOG = logging.getLogger("millstream")
ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)


def asks_for_otel(variables: Mapping[str, str]) -> bool:
    """Tell whether the variables name a collector.

    >>> asks_for_otel({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"})
    True
    >>> asks_for_otel({"OTEL_SERVICE_NAME": "shop"})
    False
    """
    if variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    return any(variables.get(name) for name in ENDPOINTS)


@contextmanager
def exporting_if_asked(hub: Hub) -> Iterator[None]:
    """Send what the hub's jobs do to the collector that the environment names, if any."""
    if not asks_for_otel(os.environ):
        yield
        return
    try:
        from millstream.serve.metrics.otel import exporting
    except MissingExtra as error:
        LOG.warning("OpenTelemetry is asked for by OTEL_… variables. %s", error)
        yield
        return
    with exporting(hub):
        yield
