"""Runs what was declared: sinks to a plan, a plan to a job.

in      sinks (or, with none given, those declared since the last run in this context), settings
out     a Summary when it ends, or a Running to wait for, stop and ask
bad     PlanError before anything starts; JobError and ConnectorError of the job itself
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millstream.errors import PlanError
from millstream.frame import context
from millstream.frame.facts import facts_of
from millstream.frame.where import here
from millstream.plan.nodes import Node, Plan, Write
from millstream.ports.options import with_options
from millstream.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import polars as pl

    from millstream.engine.progress import Progress, Summary
    from millstream.frame.sink import Sink
    from millstream.job import Job, Running

__all__ = ["Running", "collect", "explain", "explain_node", "run", "start"]


def run(
    *sinks: Sink,
    checkpoint: str | Path | None = None,
    restore: str | Path | None = None,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Run sinks to their end, or until Ctrl-C.

    Args:
        sinks: what to run together, in one job; without any, those declared since the last run.
        checkpoint: folder or ``s3://…`` of the checkpoints: after a restart it goes on where it
            stopped.
        restore: a savepoint or checkpoint folder to begin from, in a fresh ``checkpoint`` folder.
        name: name of the pipeline in messages and checkpoints.
        settings: further settings under their SQL names: ``{"table.local-time-zone": "UTC"}``.
        on_progress: called about once a second.

    Returns:
        the Summary: rows read, written, late and rejected, and how it ended.

    Raises:
        PlanError: before anything runs, if something in the program is wrong.
        JobError: if the pipeline stopped before its end.

    >>> import millstream as ms
    >>> out = ms.read_memory([{"x": 1}, {"x": 5}]).filter(ms.col("x") > 2).write_memory()
    >>> ms.run(out).progress.rows_out
    1
    """
    chosen = _chosen(sinks)
    job = _job(chosen, _settings(checkpoint, name, settings, restore))
    surroundings = context.around()
    if surroundings.purpose is context.Purpose.LOOK:
        surroundings.plans.append(job.plan)
        surroundings.settings.append(job.settings)
        return _nothing_ran()
    if surroundings.runner is not None:
        summary: Summary = surroundings.runner(job, chosen)
        return summary
    if any(s.shown for s in chosen):
        from millstream.frame.display import run_shown

        return run_shown(job, chosen, on_progress)
    return job.run(on_progress=on_progress)


def start(
    *sinks: Sink,
    checkpoint: str | Path | None = None,
    restore: str | Path | None = None,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Running:
    """Start sinks in the background, for notebooks and services.

    Args:
        sinks: as in :func:`run`.
        checkpoint: as in :func:`run`.
        restore: as in :func:`run`.
        name: as in :func:`run`.
        settings: as in :func:`run`.

    Returns:
        a Running: ``wait(timeout)``, ``stop(drain=False)``, ``progress()``, ``query(name)``.

    >>> import millstream as ms
    >>> out = ms.read_memory([{"x": 1}]).write_memory("numbers")
    >>> job = ms.start(out)
    >>> job.wait(30).ended
    'completed'
    """
    chosen = _chosen(sinks)
    job = _job(chosen, _settings(checkpoint, name, settings, restore))
    _end_if_looking(job)
    return job.start()


def explain(*sinks: Sink, analyze: bool = False, for_s: float | None = None) -> str:
    """Return the plan of sinks as text; without any, of those declared since the last run.

    Args:
        sinks: what is explained.
        analyze: run them for the figures of each step: time, rows, state. Nothing is written, no
            checkpoint is touched.
        for_s: with ``analyze``, so long at most; endless ones run 10 s without.

    >>> import millstream as ms
    >>> print(ms.explain(ms.read_memory([{"x": 1}]).write_blackhole()).splitlines()[1])
    Write blackhole [blackhole]
    """
    if not sinks:
        sinks = context.take_declared()
        for sink in sinks:
            context.declare(sink)  # looking does not run them
    if not sinks:
        raise _nothing_to_run()
    return _explained(_job(sinks, _settings(None, None, None)), analyze=analyze, for_s=for_s)


def explain_node(node: Write, *, analyze: bool = False, for_s: float | None = None) -> str:
    """Return the plan of one sink that was never declared."""
    return _explained(_job_of(Plan((node,)), Settings()), analyze=analyze, for_s=for_s)


def collect(node: Node, given: Mapping[str, Any]) -> pl.DataFrame:
    """Run one bounded stream and return its rows."""
    from millstream.columns.physical import empty_frame
    from millstream.frame.results import kept, view_of

    if not facts_of(node).bounded:
        raise PlanError(
            "This stream never ends, so it cannot be collected.",
            where=here(),
            hint="Use .limit(n), .show(), or ms.start(stream.write_memory()).",
        )
    view = view_of(node, rows_max=None)
    settings = _settings(**{"checkpoint": None, "name": None, "settings": None, **given})
    job = _job_of(Plan((kept(node, view, "collect"),)), settings)
    _end_if_looking(job)
    job.run()
    frame = view.frame()
    return frame if frame.height else empty_frame(node.schema)


def _chosen(sinks: tuple[Sink, ...]) -> tuple[Sink, ...]:
    if sinks:
        context.forget(sinks)
        return sinks
    declared = context.take_declared()
    if not declared:
        raise _nothing_to_run()
    return declared


def _nothing_to_run() -> PlanError:
    return PlanError(
        "There is nothing to run: no sink was declared since the last run.",
        where=here(),
        hint="End a stream with .write_…(…) or .show(), then call ms.run().",
    )


def _settings(
    checkpoint: str | Path | None,
    name: str | None,
    settings: Mapping[str, Any] | None,
    restore: str | Path | None = None,
) -> Settings:
    given: dict[str, Any] = dict(settings or {})
    if checkpoint is not None:
        given["execution.checkpointing.dir"] = str(checkpoint)
    if restore is not None:
        given["execution.state-recovery.path"] = str(restore)
    if name is not None:
        given["pipeline.name"] = name
    given |= context.around().options
    return with_options(Settings(), given, owner="settings") if given else Settings()


def _job(sinks: tuple[Sink, ...], settings: Settings) -> Job:
    return _job_of(Plan(tuple(s.node for s in sinks)), settings)


def _job_of(plan: Plan, settings: Settings) -> Job:
    from millstream.job import Job

    return Job(plan, settings)


def _explained(job: Job, *, analyze: bool, for_s: float | None) -> str:
    if not analyze:
        return job.explain()
    from millstream.frame.analysis import analyzed

    _end_if_looking(job)
    return analyzed(job, for_s)


def _end_if_looking(job: Job) -> None:
    surroundings = context.around()
    if surroundings.purpose is context.Purpose.LOOK:
        surroundings.plans.append(job.plan)
        surroundings.settings.append(job.settings)
        raise context.ProgramEnd


def _nothing_ran() -> Summary:
    from millstream.engine.progress import Progress, Summary

    nothing = Progress(0.0, 0, 0, 0, 0, 0.0, None, None, None, 0, 0, 0, 0, (), ())
    return Summary("looked at", nothing, 0, None)


def __getattr__(name: str) -> Any:
    if name == "Running":
        from millstream.job import Running

        return Running
    raise AttributeError(name)
