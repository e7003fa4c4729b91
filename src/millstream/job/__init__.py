"""A job: a plan and its settings, ready to be explained, run or started.

Everything that can be known to be wrong is raised before anything is opened: names, types,
changelog modes, options, extras. :meth:`Job.run` blocks, :meth:`Job.start` runs in a thread.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from millstream.errors import JobError, MillstreamError, Unsupported
from millstream.plan import derive, explain, ids
from millstream.plan.emitting import emitting
from millstream.plan.joins import LookupJoin
from millstream.plan.nodes import Plan, Scan
from millstream.plan.table import Table
from millstream.ports import registry
from millstream.ports.connector import Changes
from millstream.ports.guarantee import guarantees
from millstream.rewrite import rewrite
from millstream.settings import Settings

if TYPE_CHECKING:
    from types import FrameType

    import polars as pl

    from millstream.connect.alert_book import AlertBook
    from millstream.connect.live_view import At, LiveView
    from millstream.engine.analyzing import Analysis
    from millstream.engine.progress import Progress, State, Summary
    from millstream.engine.supervise import Supervisor

    Handler = Callable[[int, FrameType | None], Any] | int | None

ABORT_S = 3.0
"""So long a second SIGTERM leaves for closing what is open: transactions, files, connections."""
QUERY_TIMEOUT_S = 10.0
"""So long a query over live views may take."""
OF_SIGNAL = 128
"""Exit codes of processes that a signal ended begin here."""

_TAKES = {
    Changes.APPEND: derive.Takes.APPEND,
    Changes.UPSERT: derive.Takes.UPSERT,
    Changes.RETRACT: derive.Takes.CHANGES,
}


def connected_tables() -> derive.Tables:
    """Return what the installed connectors say of tables, without connecting."""

    def bounded(table: Table) -> bool:
        found, config, _ = registry.config_of(table)
        return found.bounded(config)

    def gives(table: Table) -> derive.Mode:
        changes, _ = registry.changes_of(table)
        if changes is Changes.UPSERT:
            return derive.Upsert(table.primary_key)
        return derive.Retract() if changes is Changes.RETRACT else derive.Append()

    def takes(table: Table) -> derive.Takes:
        return _TAKES[registry.changes_of(table)[1]]

    return derive.Tables(bounded=bounded, gives=gives, takes=takes)


class Job:
    """One pipeline."""

    def __init__(self, plan: Plan, settings: Settings | None = None) -> None:
        self.plan = plan
        self.settings = settings or Settings()

    @cached_property
    def derived(self) -> derive.Derived:
        """The finished plan with its properties; raises PlanError for what cannot run."""
        tables = connected_tables()
        for node in self.plan.walk():
            if isinstance(node, Scan):
                found, _, _ = registry.config_of(node.table)
                registry.check_metadata(node.table, found)
            elif isinstance(node, LookupJoin):
                registry.check_lookup(node.table, (column for _, column in node.on))
        for sink in self.plan.sinks:
            registry.config_of(sink.table)
        return derive.derive(rewrite(self.completed), tables)

    @cached_property
    def completed(self) -> Plan:
        """The plan checked and with ids, before anything is rewritten: scans read all columns."""
        named = ids.assign(emitting(self.plan, self.settings))
        return derive.complete(named, connected_tables())

    @property
    def bounded(self) -> bool:
        """Whether the job ends by itself."""
        return all(self.derived.facts(sink.input).bounded for sink in self.derived.plan.sinks)

    def check(self) -> None:
        """Validate everything that can be known without connecting."""
        _ = self.derived

    def explain(self) -> str:
        """Return the plan as text: steps, changes, keys, state bounds and guarantees."""
        notes = guarantees(self.derived.plan, self.settings)
        return explain.explain_all(
            self.plan, self.derived, notes=notes, state_ttl_ms=self.settings.state_ttl_ms
        )

    def analyze(self, *, for_s: float | None = None) -> Analysis:
        """Run for the figures of each step: nothing is written, no checkpoint is touched."""
        from millstream.engine.analyzing import Analyzed

        analyzed = Analyzed(self.derived, self.settings)
        with stopped_by_signals(analyzed.supervisor):
            return analyzed.run(for_s)

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> Summary:
        """Run to the end of the input, or until SIGINT, SIGTERM or a failure."""
        supervisor = self._opened()
        with stopped_by_signals(supervisor):
            return supervisor.run(on_progress)

    def start(self) -> Running:
        """Run in a thread of its own; returns as soon as everything is open."""
        return Running(self._opened(), self.derived.plan, self.settings.time_zone)

    def _opened(self) -> Supervisor:
        from millstream.engine.assemble import assemble
        from millstream.engine.supervise import Supervisor

        derived, settings = self.derived, self.settings
        _settle_alerts(derived.plan, settings)
        supervisor = Supervisor(lambda world: assemble(derived, settings, world), settings)
        supervisor.open()
        return supervisor


class Running:
    """A job in a thread of its own."""

    def __init__(self, supervisor: Supervisor, plan: Plan, zone: str = "UTC") -> None:
        self._supervisor = supervisor
        self._plan = plan
        self._zone = zone
        self._summary: Summary | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="millstream", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return not self._thread.is_alive()

    def wait(self, timeout_s: float | None = None) -> Summary | None:
        """Wait for the end; None if it still runs after ``timeout_s``. Raises what failed."""
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            return None
        if isinstance(self._failure, MillstreamError):
            raise self._failure
        if self._failure is not None:
            raise JobError(f"The pipeline failed: {self._failure}") from self._failure
        return self._summary

    def stop(self, *, drain: bool = False, timeout_s: float | None = None) -> Summary | None:
        """Ask for the end and wait for it; ``drain`` closes open windows first."""
        self.ask_to_stop(drain=drain)
        return self.wait(timeout_s)

    def ask_to_stop(self, *, drain: bool = False) -> None:
        """Ask for the end, without waiting for it."""
        self._supervisor.stop(drain=drain)

    def abort(self) -> Summary | None:
        """End it at once; what is under way is given up, and read again by the next start."""
        self._supervisor.abort()
        return self.wait()

    def pause(self) -> None:
        """Take no more rows until :meth:`resume`; returns at once, the batch under way is finished.

        What was read before goes to the sinks and into checkpoints as ever; a stop, a savepoint and
        a restart after a failure work meanwhile (the next run is paused too). Timers by the clock
        go on: what is due by processing time is given out. Event time stands still, and no source
        counts as silent or idle.
        """
        self._hold(on=True)

    def resume(self) -> None:
        """Go on after :meth:`pause`; without one it changes nothing."""
        self._hold(on=False)

    @property
    def state(self) -> State:
        """Where it is in its life: running, paused, restarting, stopping, or how it ended."""
        return self._supervisor.state

    def savepoint(self, target: str | os.PathLike[str]) -> int:
        """Copy all state, as it is now, to a place of its own; returns its epoch.

        ``ms.run(restore=target)`` begins from it. The pipeline goes on meanwhile.
        """
        from millstream.engine.desk import savepoint_of

        return savepoint_of(self._supervisor.driver, os.fspath(target))

    def progress(self) -> Progress:
        """Return how things stand."""
        return self._supervisor.progress()

    def query(
        self,
        sql: str,
        *,
        limit: int | None = None,
        timeout_s: float = QUERY_TIMEOUT_S,
        at: At = "newest",
    ) -> pl.DataFrame:
        """Answer a SELECT over the live views, or return what the sink of a name holds now.

        Several views of one query are seen as they stand at one moment.

        Args:
            sql: one query, in the dialect of every other; or the name of a sink of this process.
            limit: return no more rows.
            timeout_s: give up after so long.
            at: ``"newest"``: rows that are not yet in a checkpoint are among them, and may be taken
                back by a failure; ``"committed"``: as the last checkpoint has them.

        Raises:
            PlanError: for a text that is no query over these views, with the place.
            DataError: where a row cannot be computed.
            CheckpointError: for committed rows where no checkpoints are kept.
            JobError: if it takes too long.
        """
        if not any(c.isspace() for c in sql.strip()):
            return self._held_by(sql.strip(), at)
        from millstream.job.querying import query

        views = {view.name: view for view in self.views}
        found = query(views, sql, limit=limit, timeout_s=timeout_s, zone=self._zone, at=at)
        return found.frame

    @property
    def views(self) -> list[LiveView]:
        """The live views it keeps."""
        return [s.table.options["target"] for s in self._plan.sinks if s.table.connector == "view"]

    @property
    def alert_books(self) -> list[AlertBook]:
        """What is known of its alerts: one book for all of them, none where it has none."""
        targets = [s.table.options["target"] for s in self._plan.sinks if is_alerts(s.table)]
        return [targets[0].desk.book] if targets else []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.done:
            self.stop()

    def _held_by(self, sink: str, at: At) -> pl.DataFrame:
        """Return what a sink of this process holds."""
        for view in self.views:
            if view.name == sink:
                return view.at(at).frame()
        kept: pl.DataFrame = self._supervisor.view(sink)
        if at == "committed":
            raise Unsupported(
                f"Of '{sink}' the newest rows are known, not those that are committed.",
                hint="Ask a live view: CREATE MATERIALIZED VIEW, or stream.view(…).",
            )
        return kept

    def _hold(self, *, on: bool) -> None:
        if self.done:
            raise JobError(
                f"The pipeline has ended ({self.state.value}): there is nothing to "
                f"{'pause' if on else 'resume'}.",
                hint="Start it again.",
            )
        self._supervisor.hold(on=on)

    def _run(self) -> None:
        try:
            self._summary = self._supervisor.run()
        except BaseException as error:  # noqa: BLE001 (raised again by ``wait``)
            self._failure = error


def is_alerts(table: Table) -> bool:
    """Tell whether a table is where an alert goes."""
    return table.connector == "alerts"


def _settle_alerts(plan: Plan, settings: Settings) -> None:
    """Give the alerts of a plan their desk, which keeps its record in the checkpoint folder."""
    tables = [sink.table for sink in plan.sinks if is_alerts(sink.table)]
    if not tables:
        return
    from millstream.connect.alerts import settled
    from millstream.engine.checkpoint_folder import CheckpointFolder
    from millstream.stores.open import open_store

    def newest_epoch() -> int:
        assert settings.checkpoint_dir is not None, "asked where checkpoints are kept"
        store = open_store(settings.checkpoint_dir, settings)
        try:
            return max(CheckpointFolder(store).epochs(), default=0)
        finally:
            store.close()

    settled(tables, settings, newest_epoch)


@contextmanager
def stopped_by_signals(supervisor: Supervisor) -> Iterator[None]:
    """SIGINT and SIGTERM ask for a graceful stop; a second SIGTERM for one at once.

    A second Ctrl-C is Python's own again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        asked.append(number)
        if asked.count(signal.SIGTERM) > 1:
            end_soon(number)
            supervisor.abort()
            return
        supervisor.stop()
        if number == signal.SIGINT:
            signal.signal(number, once_more(before[signal.Signals(number)]))

    for number in before:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked.count(signal.SIGTERM) > 1:
        raise SystemExit(OF_SIGNAL + signal.SIGTERM)


def once_more(before: Handler) -> Handler:
    """Return what a second Ctrl-C does: what it did before, or Python's own.

    A shell starts what it puts into the background with SIGINT ignored; whoever sends it twice to
    such a process means it.
    """
    return before if callable(before) else signal.default_int_handler


def end_soon(number: int) -> None:
    """End this process in ``ABORT_S``, whatever it is busy with, as a signal would."""
    timer = threading.Timer(ABORT_S, lambda: os._exit(OF_SIGNAL + number))
    timer.daemon = True
    timer.start()


__all__ = ["Job", "Running", "connected_tables", "end_soon", "once_more", "stopped_by_signals"]
