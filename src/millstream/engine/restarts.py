"""Decides whether and when a pipeline that failed is started again. Pure: no clock, no chance.

in      what happened, with the time it happened at (:class:`Up`, :class:`Delivered`,
        :class:`Failed`); ``Failed.chance`` in [-1, 1] spreads the wait
out     :class:`RestartAfter` or :class:`GiveUp`, for every ``Failed`` exactly one
state   the wait to come, restarts since the last new epoch, the same failure's repetitions
rules   * what no restart can mend ends the pipeline at once
        * waits grow from failure to failure, and begin anew after ``reset_after_s`` without one
        * so many restarts without a new durable epoch are no progress: the pipeline gives up.
          Where no checkpoints are kept, having run for ``reset_after_s`` counts as progress
        * an error nobody foresaw is tried again ``UNFORESEEN_TRIES_MAX`` times, not more
source  names and growth as in Flink's ``restart-strategy.exponential-delay``
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from millstream.errors import (
    ConnectorError,
    Domain,
    JobError,
    MillstreamError,
    Retry,
)

UNFORESEEN_TRIES_MAX = 2
"""Restarts after an unforeseen error without a new epoch: one as it was, one that isolates."""


class Kind(Enum):
    """What can be done about a failure."""

    TRANSIENT = "transient"
    """The outside may mend itself."""
    UNFORESEEN = "unforeseen"
    """Nobody wrote what it means: a bug, a row that a step cannot bear, no memory left."""
    FATAL = "fatal"
    """It would come again."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure as the decision sees it."""

    kind: Kind
    what: str
    """One line: the fact."""
    domain: Domain | None = None


def fault_of(error: BaseException) -> Fault:
    """Return what a failure means for a restart."""
    cause = error
    while isinstance(cause, JobError) and cause.__cause__ is not None:
        cause = cause.__cause__
    what = cause.fact if isinstance(cause, MillstreamError) else f"{type(cause).__name__}: {cause}"
    line = what.strip().splitlines()[0].rstrip(".") if what.strip() else type(cause).__name__
    if isinstance(cause, ConnectorError):
        able = cause.retry is Retry.LATER and cause.domain is not Domain.FENCED
        return Fault(Kind.TRANSIENT if able else Kind.FATAL, line, cause.domain)
    if isinstance(cause, MillstreamError | KeyboardInterrupt | SystemExit):
        return Fault(Kind.FATAL, line)
    if isinstance(cause, OSError):  # a thread lost its connection, the machine ran out of something
        return Fault(Kind.TRANSIENT, line, Domain.SYSTEM)
    return Fault(Kind.UNFORESEEN, line, Domain.SYSTEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExponentialDelay:
    """Waits that grow; ``attempts_max`` restarts without a new epoch are the end."""

    initial_s: float = 1.0
    max_s: float = 60.0
    multiplier: float = 1.5
    jitter: float = 0.1
    reset_after_s: float = 60.0
    attempts_max: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedDelay:
    """The same wait each time, so often without a new epoch."""

    delay_s: float = 1.0
    attempts_max: int = 1
    reset_after_s: float = 60.0


@dataclass(frozen=True, slots=True)
class NoRestart:
    """The first failure is the end."""


Strategy = ExponentialDelay | FixedDelay | NoRestart


@dataclass(frozen=True, slots=True)
class Up:
    """Everything is open and runs, from ``epoch`` on."""

    now_s: float
    epoch: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """A new epoch is durable."""

    now_s: float
    epoch: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The run, or the attempt to start it, failed; ``epoch`` is the newest durable one."""

    now_s: float
    fault: Fault
    epoch: int
    chance: float = 0.0


Event = Up | Delivered | Failed


@dataclass(frozen=True, slots=True)
class RestartAfter:
    """Close everything, wait, and assemble it again."""

    wait_s: float
    number: int
    """The how many-th restart since the last progress, from 1."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Raise the failure; ``restarts`` tells how many there were without progress."""

    restarts: int
    fault: Fault


Decision = RestartAfter | GiveUp


class Restarts:
    """The decisions over the life of one pipeline in one process."""

    def __init__(self, strategy: Strategy, *, checkpoints: bool) -> None:
        self._strategy = strategy
        self._checkpoints = checkpoints
        self._epoch: int | None = None
        self._up_at_s: float | None = None
        self._wait_s: float | None = None
        self._unforeseen = 0
        self.number = 0
        """Restarts since the last progress."""
        self.total = 0
        """Restarts ever."""

    def on_event(self, event: Event) -> Decision | None:
        """Return what is to be done; None but for a failure."""
        if isinstance(event, Up):
            self._up_at_s = event.now_s
            if self._epoch is None:
                self._epoch = event.epoch
            return None
        if isinstance(event, Delivered):
            self._progress(event.epoch)
            return None
        return self._failed(event)

    def _failed(self, event: Failed) -> Decision:
        self._progress(event.epoch)
        strategy = self._strategy
        if isinstance(strategy, NoRestart):
            return GiveUp(self.number, event.fault)
        ran_s = 0.0 if self._up_at_s is None else event.now_s - self._up_at_s
        self._up_at_s = None
        if ran_s >= strategy.reset_after_s:
            self._wait_s = None
            if not self._checkpoints:
                self.number = self._unforeseen = 0
        if event.fault.kind is Kind.FATAL or self.number >= strategy.attempts_max:
            return GiveUp(self.number, event.fault)
        if event.fault.kind is Kind.UNFORESEEN:
            if self._unforeseen >= UNFORESEEN_TRIES_MAX:
                return GiveUp(self.number, event.fault)
            self._unforeseen += 1
        self.number += 1
        self.total += 1
        return RestartAfter(self._next_wait_s(event.chance), self.number)

    def _next_wait_s(self, chance: float) -> float:
        assert -1.0 <= chance <= 1.0, "chance spreads a wait both ways, by no more than its jitter"
        strategy = self._strategy
        if isinstance(strategy, FixedDelay):
            return strategy.delay_s
        assert isinstance(strategy, ExponentialDelay), "without restarts nothing waits"
        before = self._wait_s
        grown = strategy.initial_s if before is None else before * strategy.multiplier
        self._wait_s = min(grown, strategy.max_s)
        return self._wait_s * (1.0 + strategy.jitter * chance)

    def _progress(self, epoch: int) -> None:
        if self._epoch is not None and epoch > self._epoch:
            self._epoch = epoch
            self.number = self._unforeseen = 0
