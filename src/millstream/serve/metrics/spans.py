"""Which spans a job's looks tell of: the job, its durable checkpoints, its restarts.

in      looks of all jobs of a hub
state   per job what was told already
out     spans of OpenTelemetry, with the times at which things happened
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from millstream.engine.progress import Progress, State
from millstream.errors import MissingExtra
from millstream.events import masked

try:
    from opentelemetry.trace import Link, Span, Status, StatusCode, Tracer
except ImportError:
    raise MissingExtra("opentelemetry-sdk", "otel", where="OpenTelemetry") from None

if TYPE_CHECKING:
    from millstream.serve.hub import Held, Look

LOG = logging.getLogger("millstream")
NS = 1_000_000
"""Nanoseconds of a millisecond."""


@dataclass
class _Told:
    """What was told of one job."""

    held: Held
    span: Span
    checkpoint: int
    restarts: int
    seen_at_ms: int
    restart: Span | None = None
    is_over: bool = False


class Spans:
    """Makes spans of what looks tell."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._jobs: dict[str, _Told] = {}
        self._is_closed = False

    def look(self, held: Held, look: Look) -> None:
        """Take a look at a job; called by the hub."""
        if self._is_closed:
            return
        told = self._jobs.get(held.name)
        if told is None or told.held is not held:
            if told is not None and not told.is_over:  # another took its name before we looked
                self._end(told, _newest(told.held), look.at_ms)
            told = self._jobs[held.name] = self._begin(held)
        if told.is_over:
            return
        self._checkpoints(told, look.now)
        self._restarts(told, look)
        told.seen_at_ms = look.at_ms
        if held.ended_at_ms is not None:
            self._end(told, look.now, held.ended_at_ms)

    def close(self, at_ms: int) -> None:
        """End what is open: nobody looks any more."""
        self._is_closed = True
        for told in list(self._jobs.values()):  # the hub's thread may be in the middle of a look
            if not told.is_over:
                now = _newest(told.held)
                self._checkpoints(told, now)
                self._end(told, now, at_ms)

    def _begin(self, held: Held) -> _Told:
        span = self._tracer.start_span(
            "millstream.job",
            attributes={"job_name": held.name},
            start_time=held.started_at_ms * NS,
        )
        return _Told(held, span, checkpoint=0, restarts=0, seen_at_ms=held.started_at_ms)

    def _checkpoints(self, told: _Told, now: Progress) -> None:
        for one in now.checkpoints:
            if one.number <= told.checkpoint:
                continue
            told.checkpoint = one.number
            span = self._tracer.start_span(
                "millstream.checkpoint",
                links=[Link(told.span.get_span_context())],
                attributes={
                    "job_name": told.held.name,
                    "checkpoint.number": one.number,
                    "checkpoint.size_bytes": one.bytes,
                },
                start_time=one.at_ms * NS,
            )
            span.end(one.at_ms * NS + int(one.took_ms * NS))

    def _restarts(self, told: _Told, look: Look) -> None:
        now = look.now
        waits = now.state is State.RESTARTING
        if told.restart is None and (waits or now.restarts > told.restarts):
            # One that is over already began after the look before.
            since_ms = look.at_ms if waits else told.seen_at_ms
            told.restart = self._tracer.start_span(
                "millstream.restart",
                links=[Link(told.span.get_span_context())],
                attributes={"job_name": told.held.name, "restart.number": now.restarts},
                start_time=since_ms * NS,
            )
            told.restart.set_status(_failed(now))
        if told.restart is not None and not waits:
            told.restart.end(look.at_ms * NS)
            told.restart = None
        told.restarts = now.restarts

    def _end(self, told: _Told, now: Progress, at_ms: int) -> None:
        told.is_over = True
        if told.restart is not None:
            told.restart.end(at_ms * NS)
        told.span.set_attributes(
            {
                "job.state": now.state.value,
                "job.input_rows": now.rows_in,
                "job.output_rows": now.rows_out,
                "job.restarts": now.restarts,
            }
        )
        if now.state is State.FAILED:
            told.span.set_status(_failed(now))
        told.span.end(at_ms * NS)


def _failed(now: Progress) -> Status:
    """Return why; it leaves this machine, so what looks like a secret does not."""
    why = None if now.last_failure is None else masked(now.last_failure)
    return Status(StatusCode.ERROR, why)


def _newest(held: Held) -> Progress:
    """Return how a job stands at the end; the hub's last look may be a second old."""
    try:
        return held.running.progress()
    except Exception:
        LOG.exception("Job '%s' does not tell how it stands.", held.name)
        return held.last.now
