"""The end-to-end guarantee of each sink, the weakest link by name; known before anything runs.

in      a finished plan and the settings
out     which sinks are delivered by epoch, and lines for ``explain``
bad     exactly once asked for where it cannot be given: PlanError
rule    a sink's own ``sink.delivery-guarantee`` goes before the pipeline's; without either it is
        exactly once wherever checkpoints are kept and the system can
"""

from __future__ import annotations

from dataclasses import dataclass

from millstream.errors import PlanError
from millstream.plan.nodes import Plan, Scan, Write
from millstream.plan.table import Table
from millstream.ports.connector import Delivery
from millstream.ports.registry import connector, sink_options
from millstream.settings import DeliveryChoice, Settings
from millstream.types.time import duration_text

INTERVAL_LEAST_MS = 50
STAGED_MS_MAX = 60_000
"""With longer epochs rows are not staged: an open transaction hides what others write behind it."""


def exactly_once(table: Table, settings: Settings) -> bool:
    """Tell whether a sink's rows are delivered by epoch; PlanError where this cannot be had."""
    found = connector(table.connector)
    own = sink_options(table).delivery
    wanted = settings.delivery if own is DeliveryChoice.AUTO else own
    can, keeps = found.writes is Delivery.EXACTLY_ONCE, settings.checkpoint_dir is not None
    if wanted is DeliveryChoice.EXACTLY_ONCE and not (can and keeps):
        why = "no checkpoint folder is set" if can else f"it is {found.writes.value}"
        raise PlanError(
            f"The sink '{table.name}' cannot be exactly once: {why}.",
            hint="Give --checkpoint DIR." if can else "Choose another sink, or at-least-once.",
        )
    return can and keeps and wanted is not DeliveryChoice.AT_LEAST_ONCE


def fast_path(plan: Plan, settings: Settings) -> str | None:
    """Return the id of the sink whose own commit decides on epochs; None = the manifest does."""
    once = [sink for sink in plan.sinks if exactly_once(sink.table, settings)]
    short = settings.checkpoint_interval_ms <= STAGED_MS_MAX
    if not (settings.fast_path and short and len(once) == 1):
        return None
    (sink,) = once
    return sink.uid if connector(sink.table.connector).decides else None


def guarantees(plan: Plan, settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return, by sink id, the lines that say how its rows are delivered and how soon."""
    decides = fast_path(plan, settings)
    return {sink.uid: _lines(sink, settings, decides=sink.uid == decides) for sink in plan.sinks}


@dataclass(frozen=True, slots=True)
class _Link:
    """A part of a pipeline that does not give exactly once, and what this means."""

    name: str
    loses: bool = False
    repeats: bool = False


def _lines(sink: Write, settings: Settings, *, decides: bool) -> tuple[str, ...]:
    once = exactly_once(sink.table, settings)
    weak = _weak_links(sink, settings, once=once)
    lines = [f"delivery: {_promise(weak, once=once)}"]
    if weak:
        lines.append(f"weakest link: {weak[0].name}")
    lines.append(f"latency: {_latency(settings, once=once)}")
    if decides:
        lines.append("rows are written once: the sink's own commit decides on the epoch")
    return tuple(lines)


def _weak_links(sink: Write, settings: Settings, *, once: bool) -> list[_Link]:
    """Return what does not give exactly once, what loses rows first."""
    scans = {n.table.name: n.table for n in Plan((sink,)).walk() if isinstance(n, Scan)}
    weak: list[_Link] = []
    for name, table in scans.items():
        found = connector(table.connector)
        if found.reads is not Delivery.EXACTLY_ONCE:
            loses = found.reads is Delivery.AT_MOST_ONCE
            weak.append(_Link(f"source '{name}' ({found.guarantee})", loses, not loses))
    if settings.checkpoint_dir is None:
        weak.append(_Link("no checkpoint folder (--checkpoint DIR)", repeats=True))
    elif not once and not connector(sink.table.connector).restored:
        found = connector(sink.table.connector)
        chosen = found.writes is Delivery.EXACTLY_ONCE
        why = "'sink.delivery-guarantee' = 'at-least-once'" if chosen else found.guarantee
        weak.append(_Link(f"sink '{sink.table.name}' ({why})", repeats=True))
    return sorted(weak, key=lambda link: not link.loses)


def _promise(weak: list[_Link], *, once: bool) -> str:
    loses, repeats = any(w.loses for w in weak), any(w.repeats for w in weak)
    if loses and repeats:
        return "none: a restart may lose rows, and may repeat some"
    if loses:
        return "at most once: a restart may lose rows"
    if repeats:
        return "at least once: a restart may repeat rows"
    if not once:
        return "seen at once, before it is committed; a restart goes back to the checkpoint"
    return "exactly once: rows appear with their epoch"


def _latency(settings: Settings, *, once: bool) -> str:
    if not once:
        return "each batch at once"
    every = duration_text(max(INTERVAL_LEAST_MS, settings.checkpoint_interval_ms))
    return f"up to {every} (the checkpoint interval), then checkpoint and commit"
