"""The end-to-end guarantee of a plan, the weakest link by name; known before anything runs."""

from __future__ import annotations

from millstream.plan.nodes import Plan, Scan, Write
from millstream.ports.registry import config_of, connector
from millstream.settings import DeliveryChoice, Settings
from millstream.types.time import duration_text


def guarantees(plan: Plan, settings: Settings) -> dict[str, tuple[str, ...]]:
    """Return, by sink id, the lines that say how its rows are delivered and how soon."""
    return {sink.uid: _lines(sink, settings) for sink in plan.sinks}


def _lines(sink: Write, settings: Settings) -> tuple[str, ...]:
    found, config, _ = config_of(sink.table)
    own = getattr(config, "delivery", None)
    at_least = DeliveryChoice.AT_LEAST_ONCE in (settings.delivery, own)
    can = found.guarantee.startswith("exactly once")
    if settings.checkpoint_dir is None:
        return (
            "delivery: at least once, each batch at once; no checkpoints, so a restart begins anew",
            "weakest link: no checkpoint folder (--checkpoint DIR)",
        )
    every = duration_text(max(50, settings.checkpoint_interval_ms))
    weak = [] if can and not at_least else [f"sink '{sink.table.name}' ({found.guarantee})"]
    for scan in _scans(sink):
        source = connector(scan.table.connector)
        if not source.guarantee.startswith("exactly once"):
            weak.append(f"source '{scan.table.name}' ({source.guarantee})")
    if weak:
        return (
            "delivery: at least once, each batch at once; a restart may repeat rows",
            f"weakest link: {weak[0]}",
        )
    return (f"delivery: exactly once, visible with its epoch (every {every}, and the commit)",)


def _scans(sink: Write) -> list[Scan]:
    return [node for node in Plan((sink,)).walk() if isinstance(node, Scan)]
