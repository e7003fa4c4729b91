"""Runs a pipeline over its failures: closes everything, waits, assembles it again, goes on.

in      what assembles a run (from the newest durable epoch each time), settings, a world
state   the run there is now; what restarts.py knows of the failures
out     a Summary of all runs together; Progress that tells of failures, waits and the state
pause   holds whatever run there is, and the next one too; see ``Driver.is_held``
bad     the first assembly raises at once: a wrong address is told, not waited for. What no restart
        can mend is raised as it is; when restarts lead nowhere, a JobError says how often, why and
        what to do. A wish to end is heard at any time, also while it waits
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from millstream.engine.poison import is_of_a_row
from millstream.engine.progress import Progress, Restarting, State, Summary
from millstream.engine.restarts import (
    ExponentialDelay,
    Failed,
    Fault,
    FixedDelay,
    GiveUp,
    Kind,
    NoRestart,
    RestartAfter,
    Restarts,
    Strategy,
    Up,
    fault_of,
)
from millstream.engine.watchdog import Watchdog
from millstream.engine.world import RealWorld, World
from millstream.errors import Domain, JobError, MillstreamError
from millstream.events import about, masked, of_job
from millstream.settings import RestartStrategy, Settings

if TYPE_CHECKING:
    from millstream.engine.driver import Driver

LOG = logging.getLogger("millstream")
LOOK_S = 0.5
"""So often a wait for a restart is shown."""

_WHAT_TO_DO = {
    Domain.NETWORK: "See whether the system can be reached, then start again",
    Domain.LIMIT: "Free space or raise the limit, then start again",
    Domain.AUTH: "Renew the credentials, then start again",
    Domain.CONFIG: "Mend the table, topic or file it speaks of, then start again",
    Domain.DATA: "Mend the data it speaks of, then start again",
}


class Supervisor:
    """One pipeline in this process, from its start to its end."""

    def __init__(
        self,
        assembled: Callable[[World], Driver],
        settings: Settings,
        world: World | None = None,
    ) -> None:
        self.world = world or RealWorld()
        self._assembled = assembled
        self._settings = settings
        kept = settings.checkpoint_dir is not None
        self._restarts = Restarts(strategy_of(settings), checkpoints=kept)
        self._started_s = self.world.monotonic_s()
        self._driver: Driver | None = None
        self._failed: Driver | None = None
        """The run before, if none has been assembled since."""
        self._failed_at: tuple[str | None, str | None] = (None, None)
        """The step and the split that failed last, where that is known."""
        self._isolates = 0
        self._drains: bool | None = None
        self._is_aborted = False
        self._last_failure: str | None = None
        self._restart_at_s: float | None = None
        self._is_held = False
        self._end: State | None = None

    @property
    def state(self) -> State:
        """Where the pipeline is in its life; may be asked from any thread."""
        driver = self._driver
        if self._end is not None:
            return self._end
        if self._drains is not None or (driver is not None and driver.is_stopping):
            return State.STOPPING
        if driver is None:
            return State.RESTARTING
        return State.PAUSED if self._is_held else State.RUNNING

    @property
    def driver(self) -> Driver:
        """The run there is, or the one that failed last."""
        found = self._driver or self._failed
        assert found is not None, "open comes first"
        return found

    def open(self) -> None:
        """Assemble the first run; raises what a user must mend."""
        with of_job(self._settings.pipeline_name):
            self._driver = self._assembled(self.world)
        self._restarts.on_event(Up(self.world.monotonic_s(), self._driver.parts.last_epoch))

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> Summary:
        """Run to the end of the input, a stop, or a failure that nothing mends."""
        with of_job(self._settings.pipeline_name):
            epoch = self.driver.parts.last_epoch
            LOG.info("started at checkpoint %d", epoch, extra=about("started", checkpoint=epoch))
            try:
                return self._watched(on_progress)
            except BaseException as error:
                self._end = State.FAILED
                operator, split = self._failed_at
                LOG.error(
                    "failed: %s",
                    fault_of(error).what,
                    extra=about("failed", operator=operator, split=split, failure=error),
                )
                raise

    def _watched(self, on_progress: Callable[[Progress], None] | None) -> Summary:
        if not isinstance(self.world, RealWorld):
            return self._run(on_progress)  # a simulated thread cannot hang
        watchdog = Watchdog(
            lambda: self.driver.batches,
            lambda: "" if self._driver is None else self._driver.parts.graph.at_work,
            self._settings.batch_timeout_ms / 1000,
        )
        try:
            return self._run(on_progress)
        finally:
            watchdog.close()

    def stop(self, *, drain: bool = False) -> None:
        """Ask for the end; may be called from any thread or a signal handler."""
        self._drains = drain
        if self._driver is not None:
            self._driver.stop(drain=drain)
        self.world.notify()

    def hold(self, *, on: bool) -> None:
        """Take no more rows, or take them again; may be called from any thread.

        The batch under way is finished. It goes for the runs after a failure too.
        """
        was_held, self._is_held = self._is_held, on
        if self._driver is not None:
            self._driver.is_held = on
        self.world.notify()
        if was_held != on:
            with of_job(self._settings.pipeline_name):
                told = "paused" if on else "resumed"
                LOG.info(told, extra=about(told))

    def abort(self) -> None:
        """Ask for the end at once: what is under way is given up, and read again next time."""
        self._is_aborted = True
        self._drains = False
        if self._driver is not None:
            self._driver.abort()
        self.world.notify()

    def progress(self) -> Progress:
        """Return how things stand; may be called from any thread."""
        return self._seen(self.driver.progress())

    def view(self, sink: str) -> Any:
        """Return what a sink of this process holds now, uncommitted rows included."""
        return self.driver.view(sink)

    def _run(self, on_progress: Callable[[Progress], None] | None) -> Summary:
        def look(progress: Progress) -> None:
            assert on_progress is not None, "nobody looks otherwise"
            on_progress(self._seen(progress))

        while True:
            try:
                driver = self._driver or self._again()
                summary = driver.run(None if on_progress is None else look)
            except BaseException as error:
                self._failed_at = _place_of(self._driver)
                if self._is_aborted:
                    return self._stopped()
                if self._drains is not None and self._driver is not None:
                    raise  # it was to end, and could not do so well
                self._failed, self._driver = self._driver or self._failed, None
                wait_s = self._wait_of(error)
                if not self._waited(wait_s, look if on_progress is not None else None):
                    return self._stopped()
            else:
                return self._ended(summary)

    def _again(self) -> Driver:
        """Assemble the next run, and tell it what came of the one before."""
        driver, failed = self._assembled(self.world), self._failed
        epoch = driver.parts.last_epoch
        self._restarts.on_event(Up(self.world.monotonic_s(), epoch))
        if failed is not None:
            driver.go_on_from(failed)
            if self._isolates:
                everywhere = self._isolates > 1
                driver.care.suspicion = failed.care.tally.suspicion(epoch, everywhere=everywhere)
        self._driver = driver
        driver.is_held = self._is_held
        if self._drains is not None:
            driver.stop(drain=self._drains)
        LOG.info(
            "running again from checkpoint %d", epoch, extra=about("restarted", checkpoint=epoch)
        )
        return driver

    def _wait_of(self, error: BaseException) -> float:
        """Return how long to wait for the next run; raises where there is none."""
        fault, failed = fault_of(error), self._failed
        self._last_failure = masked(fault.what)
        epoch = 0 if failed is None else failed.epoch
        before = self._restarts.number
        now_s, chance = self.world.monotonic_s(), self.world.random.uniform(-1.0, 1.0)
        decision = self._restarts.on_event(Failed(now_s, fault, epoch, chance))
        if isinstance(decision, GiveUp):
            raise self._end_of(error, decision)
        assert isinstance(decision, RestartAfter), "a failure is decided on"
        rows = failed is not None and failed.care.tally.is_pushing and is_of_a_row(cause_of(error))
        if decision.number <= before:
            self._isolates = 0  # it got on since the last failure
        self._isolates = self._isolates + 1 if rows else 0
        LOG.warning(
            "restarting in %.1f s (%s time): %s",
            decision.wait_s,
            ordinal(decision.number),
            fault.what,
            extra=about(
                "restart",
                operator=self._failed_at[0],
                split=self._failed_at[1],
                wait_s=decision.wait_s,
                number=decision.number,
                failure=error,
            ),
        )
        return decision.wait_s

    def _waited(self, wait_s: float, look: Callable[[Progress], None] | None) -> bool:
        """Wait; False if the end was asked for meanwhile."""
        ends_at_s = self._restart_at_s = self.world.monotonic_s() + wait_s
        while (left_s := ends_at_s - self.world.monotonic_s()) > 0 and self._drains is None:
            if look is not None:
                look(self.driver.progress())
            self.world.wait(lambda: self._drains is not None, min(left_s, LOOK_S))
        self._restart_at_s = None
        return self._drains is None

    def _stopped(self) -> Summary:
        """Return how it ended where the end was asked for between two runs."""
        return self._ended(self.driver.summary("stopped"))

    def _ended(self, summary: Summary) -> Summary:
        self._end = State.COMPLETED if summary.ended == "completed" else State.STOPPED
        progress = self._seen(summary.progress)
        LOG.info(
            "%s after %.1f s: %d rows in, %d out, %d late, %d rejected",
            summary.ended,
            progress.elapsed_s,
            progress.rows_in,
            progress.rows_out,
            progress.rows_late,
            progress.rows_rejected,
            extra=about(
                self._end.value,
                elapsed_s=round(progress.elapsed_s, 3),
                rows_in=progress.rows_in,
                rows_out=progress.rows_out,
                rows_late=progress.rows_late,
                rows_rejected=progress.rows_rejected,
                restarts=progress.restarts,
            ),
        )
        return replace(summary, progress=progress)

    def _seen(self, progress: Progress) -> Progress:
        now_s, at_s = self.world.monotonic_s(), self._restart_at_s
        waits = None
        if at_s is not None:
            waits = Restarting(max(0.0, at_s - now_s), self._restarts.number)
        return replace(
            progress,
            elapsed_s=now_s - self._started_s,
            restarts=self._restarts.total,
            last_failure=self._last_failure or progress.last_failure,
            restarting=waits,
            state=self.state,
        )

    def _end_of(self, error: BaseException, decision: GiveUp) -> BaseException:
        """Return what is raised at the end."""
        fault = decision.fault
        if fault.kind is Kind.FATAL or not decision.restarts:
            if fault.kind is Kind.UNFORESEEN and self._settings.checkpoint_dir is None:
                error.add_note(
                    "With a checkpoint folder the pipeline would go on from its last checkpoint, "
                    "and set a row that a step cannot bear aside."
                )
            return error
        times = "once" if decision.restarts == 1 else f"{decision.restarts} times"
        given_up = JobError(
            f"The pipeline was restarted {times} and got no further: {fault.what}.",
            where=_where(error, fault),
            hint=_what_to_do(fault, kept=self._settings.checkpoint_dir is not None),
        )
        given_up.__cause__ = cause_of(error)
        return given_up


def strategy_of(settings: Settings) -> Strategy:
    """Return what the settings say about restarts."""
    chosen = settings.restart_strategy
    if chosen is None:
        kept = settings.checkpoint_dir is not None
        chosen = RestartStrategy.EXPONENTIAL_DELAY if kept else RestartStrategy.NONE
    if chosen is RestartStrategy.NONE:
        return NoRestart()
    reset_after_s = settings.restart_reset_ms / 1000
    if chosen is RestartStrategy.FIXED_DELAY:
        return FixedDelay(
            delay_s=settings.restart_fixed_delay_ms / 1000,
            attempts_max=settings.restart_fixed_attempts,
            reset_after_s=reset_after_s,
        )
    return ExponentialDelay(
        initial_s=settings.restart_backoff_initial_ms / 1000,
        max_s=settings.restart_backoff_max_ms / 1000,
        multiplier=settings.restart_backoff_multiplier,
        jitter=min(1.0, max(0.0, settings.restart_jitter)),
        reset_after_s=reset_after_s,
        attempts_max=settings.restart_attempts_max,
    )


def _place_of(driver: Driver | None) -> tuple[str | None, str | None]:
    """Return the step and the split at which a run failed; one that never ran failed nowhere."""
    if driver is None:
        return None, None
    inbox = driver.parts.inbox
    if inbox.failure is not None:
        return inbox.failed_at
    return driver.parts.graph.at_work or None, None


def cause_of(error: BaseException) -> BaseException:
    """Return what a thread raised, without the error it is told as."""
    if isinstance(error, JobError) and error.__cause__ is not None:
        return error.__cause__
    return error


def ordinal(number: int) -> str:
    """Return a number as people say it in a row: ``1st``, ``2nd``, ``11th``."""
    teens = 10 <= number % 100 <= 20
    ending = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _where(error: BaseException, fault: Fault) -> str | None:
    cause = cause_of(error)
    place = cause.where if isinstance(cause, MillstreamError) else None
    said = None if place is None else str(place)
    if fault.domain is None:
        return said
    kind = f"kind of trouble: {fault.domain.value}"
    return kind if said is None else f"{said} ({kind})"


def _what_to_do(fault: Fault, *, kept: bool) -> str:
    wanted = None if fault.domain is None else _WHAT_TO_DO.get(fault.domain)
    if fault.kind is Kind.UNFORESEEN:
        wanted = "Mend the step that fails, or report it as a bug, then start again"
    wanted = wanted or "Mend the cause, then start again"
    return wanted + (": it goes on from its checkpoint." if kept else ".")
