"""Decides when: checkpoint, pause, drain, stop. Pure: events in, instructions out, no clock.

The driver tells what happened with the time it happened at, and does what it is told. Rules:

* an epoch closes every ``interval_ms``, earlier when its output exceeds ``epoch_bytes_max``, and
  never while ``EPOCHS_WAITING_MAX`` epochs still wait for delivery (the sources pause instead)
* nothing new since the last epoch: no epoch, unless one is asked for
* the end of bounded input and ``drain`` give the final mark, then the last epoch; ``stop`` gives
  the last epoch only, so that open windows stay in it
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

EPOCHS_WAITING_MAX = 2


@dataclass(frozen=True, slots=True)
class TurnDone:
    """The driver has pushed a batch, or found nothing to push."""

    now_ms: int
    rows: int
    output_bytes: int


@dataclass(frozen=True, slots=True)
class InputEnded:
    """Every split of every source has given its last row."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class StopAsked:
    """A user or a signal wants the pipeline to end."""

    drain: bool


@dataclass(frozen=True, slots=True)
class EpochDelivered:
    """An epoch is durable and its output is with the sinks."""

    epoch: int


@dataclass(frozen=True, slots=True)
class EpochAsked:
    """Somebody wants an epoch now, whether there is anything new or not; not while paused."""

    now_ms: int


Event = TurnDone | InputEnded | StopAsked | EpochDelivered | EpochAsked


@dataclass(frozen=True, slots=True)
class CloseEpoch:
    """Snapshot, and hand state and output of this epoch to the writer."""

    epoch: int


@dataclass(frozen=True, slots=True)
class FinalMark:
    """Give the final mark to every scan."""


@dataclass(frozen=True, slots=True)
class Finish:
    """No more turns; wait for what is on its way and close."""


Instruction = CloseEpoch | FinalMark | Finish


class Phase(Enum):
    """Where the pipeline is in its life."""

    RUNNING = "running"
    FINISHING = "finishing"


class Coordinator:
    """The decisions of one run. ``checkpoints`` False: there is nothing to close epochs into."""

    def __init__(
        self, *, interval_ms: int, epoch_bytes_max: int, checkpoints: bool, last_epoch: int
    ) -> None:
        self.phase = Phase.RUNNING
        self.epoch = last_epoch
        self.delivered = last_epoch
        self._interval_ms = interval_ms
        self._epoch_bytes_max = epoch_bytes_max
        self._checkpoints = checkpoints
        self._closed_at_ms: int | None = None
        self._rows = 0

    @property
    def paused(self) -> bool:
        """Whether the sources must wait for deliveries."""
        return self.epoch - self.delivered >= EPOCHS_WAITING_MAX

    def on_event(self, event: Event) -> list[Instruction]:
        """Return what the driver must do now."""
        if isinstance(event, EpochDelivered):
            assert event.epoch == self.delivered + 1, "epochs are delivered one after the other"
            self.delivered = event.epoch
            return []
        if self.phase is not Phase.RUNNING:
            return []
        match event:
            case TurnDone():
                return self._turn_done(event)
            case EpochAsked(now_ms=now_ms):
                assert not self.paused, "no epoch is closed while others wait for delivery"
                self._closed_at_ms = now_ms
                return [self._close()] if self._checkpoints else []
            case InputEnded():
                return self._finish(final_mark=True)
            case StopAsked(drain=drain):
                return self._finish(final_mark=drain)

    def _turn_done(self, event: TurnDone) -> list[Instruction]:
        self._rows += event.rows
        if self._closed_at_ms is None:
            self._closed_at_ms = event.now_ms
        due = event.now_ms - self._closed_at_ms >= self._interval_ms
        full = event.output_bytes >= self._epoch_bytes_max
        if not self._checkpoints or not self._rows or self.paused or not (due or full):
            return []
        self._closed_at_ms = event.now_ms
        return [self._close()]

    def _finish(self, *, final_mark: bool) -> list[Instruction]:
        self.phase = Phase.FINISHING
        last: list[Instruction] = [FinalMark()] if final_mark else []
        if self._checkpoints:
            last.append(self._close())
        return [*last, Finish()]

    def _close(self) -> CloseEpoch:
        self._rows = 0
        self.epoch += 1
        return CloseEpoch(self.epoch)
