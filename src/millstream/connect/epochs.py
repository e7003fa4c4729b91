"""Which epoch a sink has last, and whose it is, for sinks that keep this in the process.

in      the pipeline's id, the sink's name and the incarnation, which grows with each start
out     each epoch applied once; an incarnation that was taken over is shut out (ConnectorError)
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from millstream.errors import ConnectorError, Domain

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


def fenced(pipeline: str, sink: str, incarnation: int, newer: int) -> ConnectorError:
    """Return the error of a sink that another start of its pipeline has taken over."""
    return ConnectorError(
        f"The pipeline '{pipeline}' was started again elsewhere (start {newer}, this is start "
        f"{incarnation}).",
        where=f"sink '{sink}'",
        hint="Let only one of them run: this one stops here and has written nothing more.",
        domain=Domain.FENCED,
    )


def skipped(pipeline: str, sink: str, epoch: int, last: int) -> ConnectorError:
    """Return the error of an epoch older than the last one delivered."""
    return ConnectorError(
        f"Epoch {epoch} is older than the last one delivered ({last}).",
        where=f"pipeline '{pipeline}', sink '{sink}'",
        hint="The checkpoint is older than what the sink holds; restore the newest one.",
        domain=Domain.CONFIG,
    )


@dataclass(slots=True)
class _State:
    last: int | None = None
    incarnation: int = -1


@dataclass(slots=True)
class Epochs:
    """The last epoch of every (pipeline, sink) that writes to one place."""

    _lock: threading.RLock = field(default_factory=threading.RLock)
    _states: dict[tuple[str, str], _State] = field(default_factory=dict)

    def take_over(self, pipeline: str, sink: str, incarnation: int) -> Owner:
        """Shut out older incarnations; a newer one that is there already shuts us out."""
        with self._lock:
            state = self._states.setdefault((pipeline, sink), _State())
            if incarnation < state.incarnation:
                raise fenced(pipeline, sink, incarnation, state.incarnation)
            state.incarnation = incarnation
        return Owner(self, pipeline, sink, incarnation, state)


@dataclass(frozen=True, slots=True)
class Owner:
    """One incarnation's hold on one sink."""

    _epochs: Epochs
    pipeline: str
    sink: str
    incarnation: int
    _state: _State

    @property
    def last(self) -> int | None:
        """The last epoch delivered."""
        return self._state.last

    def once(self, epoch: int, apply: Callable[[], Result]) -> Result | None:
        """Apply an epoch unless it is the last one already; None = it was."""
        with self._epochs._lock:
            state = self._state
            if state.incarnation != self.incarnation:
                raise fenced(self.pipeline, self.sink, self.incarnation, state.incarnation)
            if state.last == epoch:
                return None
            if state.last is not None and epoch < state.last:
                raise skipped(self.pipeline, self.sink, epoch, state.last)
            done = apply()
            state.last = epoch
            return done
