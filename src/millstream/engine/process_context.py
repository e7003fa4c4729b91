"""What a user's process function sees besides its row and its state.

in      the key, the times and the state of one call
out     the timers it wants, and those it takes back; they are set after the call, if that went well
bad     TypeError and ValueError in the user's function, which reject the row
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from millstream.engine.batch import FINAL_MARK_MS
from millstream.engine.marks import LOWEST_MS

_MS = dt.timedelta(milliseconds=1)
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 (the zone of a timeline is added where it has one)


@dataclass(slots=True)
class Entry:
    """The state and timers of one key; ``saved`` is the state as bytes, None = it may differ."""

    state: dict[str, Any] = field(default_factory=dict)
    written_ms: int = 0
    saved: bytes | None = None
    timers: dict[int, int] = field(default_factory=dict)


class Context:
    """The key, the time and the timers of a call; the same object for every call.

    key       the key of the row: a value, or a tuple where it has several columns
    time      the time of the row, or of the timer; by the clock, when the row was read
    mark      the watermark that has passed, None before the first; by the clock the last stamp
    is_late   the row is not ahead of the watermark
    is_ended  the input has ended: what fires now fires for the last time
    """

    def __init__(self, zone: dt.timezone | None, *, by_clock: bool) -> None:
        self._zone = zone
        self._by_clock = by_clock
        self.key_values: tuple[Any, ...] = ()
        self.time_ms: int = 0
        self.mark_ms = LOWEST_MS
        self.is_ended = False
        self.is_told_late = False
        self.wanted: list[int] = []
        self.taken_back: list[int] = []
        self._timed = False
        self._entry = Entry()

    def begin(
        self,
        key: tuple[Any, ...],
        entry: Entry,
        time_ms: int | None,
        mark_ms: int,
        *,
        is_ended: bool = False,
    ) -> None:
        """Start a call."""
        self.key_values = key
        self._entry = entry
        self._timed = time_ms is not None
        self.time_ms = 0 if time_ms is None else time_ms
        self.mark_ms = mark_ms
        self.is_ended = is_ended
        self.is_told_late = False
        self.wanted = []
        self.taken_back = []

    @property
    def key(self) -> Any:
        """The key: a value, or a tuple of values."""
        return self.key_values[0] if len(self.key_values) == 1 else self.key_values

    @property
    def time(self) -> dt.datetime | None:
        """The time of the row, or of the timer."""
        return self.instant(self.time_ms) if self._timed else None

    @property
    def mark(self) -> dt.datetime | None:
        """The watermark."""
        known = self.mark_ms not in (LOWEST_MS, FINAL_MARK_MS)
        return self.instant(self.mark_ms) if known else None

    @property
    def is_late(self) -> bool:
        """Whether the row is not ahead of the watermark."""
        return not self._by_clock and self._timed and self.time_ms <= self.mark_ms

    def timer(self, at: dt.datetime | dt.timedelta) -> None:
        """Ask for a call of on_timer at a time, or so long after the time of the row.

        A key has one timer per time, however often it is asked for.
        """
        self.wanted.append(self._milliseconds(at))

    def cancel(self, at: dt.datetime | dt.timedelta) -> None:
        """Take a timer back."""
        time_ms = self._milliseconds(at)
        self.taken_back.append(time_ms)
        self.wanted = [w for w in self.wanted if w != time_ms]

    def timers(self) -> list[dt.datetime]:
        """Return the times at which the key's timers fire."""
        kept = set(self._entry.timers) - set(self.taken_back)
        return [self.instant(ms) for ms in sorted(kept | set(self.wanted))]

    def late(self) -> None:
        """Give the row to the late ones."""
        self.is_told_late = True

    def clear(self) -> None:
        """Forget the key: its state and its timers."""
        self._entry.state.clear()
        self.wanted = []
        self.taken_back = list(self._entry.timers)

    def instant(self, time_ms: int) -> dt.datetime:
        """Return a time as a datetime."""
        found = _EPOCH + time_ms * _MS
        return found if self._zone is None else found.replace(tzinfo=self._zone)

    def _milliseconds(self, at: dt.datetime | dt.timedelta) -> int:
        if isinstance(at, dt.timedelta):
            if not self._timed:
                raise ValueError("the row has no time to count from")
            return self.time_ms + at // _MS
        if not isinstance(at, dt.datetime):
            raise TypeError(f"a timer is set at a datetime, not {at!r}")
        if self._zone is None:
            if at.tzinfo is not None:
                raise TypeError("the times here have no zone, the timer's has one")
            return (at - _EPOCH) // _MS
        aware = at if at.tzinfo is not None else at.replace(tzinfo=self._zone)
        return (aware - _EPOCH.replace(tzinfo=dt.UTC)) // _MS
