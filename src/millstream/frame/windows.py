"""Windows over event or processing time, for ``group_by(window=…)``.

A window adds the ordinary columns ``window_start`` and ``window_end`` (TIMESTAMP(3)); its rows come
once, when the watermark (or the clock, over a column that holds ``PROCTIME()``) passes its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from millstream.plan.windows import Cumulate, Emit, Hop, Session, Tumble, Window
from millstream.types.time import duration_ms

if TYPE_CHECKING:
    from datetime import timedelta

    Length = str | timedelta | float


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """A window and the event-time column it looks at (None = the stream's own).

    ``keep_time`` names a further column holding ``window_end`` - 1 ms, the event time for a second
    window over the results of the first.
    """

    window: Window
    on: str | None = None
    keep_time: str | None = None

    def __str__(self) -> str:
        return str(self.window)


def tumble(
    size: Length, *, offset: Length = 0, on: str | None = None, keep_time: str | None = None
) -> WindowSpec:
    """Windows of a fixed size, side by side.

    Args:
        size: ``"1m"``, ``"1h 30m"``, a timedelta or seconds.
        offset: shifts the bounds, which otherwise lie on the epoch.
        on: the event-time column, where it is not the stream's own.
        keep_time: name of a column with the event time of the results.

    Raises:
        PlanError: if the size is not a duration above zero.

    >>> import millstream as ms
    >>> print(ms.tumble("1m"))
    TUMBLE(1m)
    """
    return WindowSpec(Tumble(duration_ms(size), duration_ms(offset)), on, keep_time)


def hop(
    size: Length,
    slide: Length,
    *,
    offset: Length = 0,
    on: str | None = None,
    keep_time: str | None = None,
) -> WindowSpec:
    """Windows of a fixed size that overlap: a new one starts every ``slide``.

    Args:
        size: the length of a window, a multiple of ``slide``.
        slide: the distance of two starts.
        offset: shifts the bounds, which otherwise lie on the epoch.
        on: the event-time column, where it is not the stream's own.
        keep_time: name of a column with the event time of the results.

    Raises:
        PlanError: if the slide does not divide the size.

    >>> import millstream as ms
    >>> print(ms.hop("1h", slide="10m"))
    HOP(10m, 1h)
    """
    spec = Hop(duration_ms(size), duration_ms(slide), duration_ms(offset))
    return WindowSpec(spec, on, keep_time)


def cumulate(
    size: Length,
    step: Length,
    *,
    offset: Length = 0,
    on: str | None = None,
    keep_time: str | None = None,
) -> WindowSpec:
    """Windows that share a start and grow by ``step`` up to ``size``: today so far, every hour.

    Args:
        size: the length of the longest window, a multiple of ``step``.
        step: how much each window is longer than the one before.
        offset: shifts the bounds, which otherwise lie on the epoch.
        on: the event-time column, where it is not the stream's own.
        keep_time: name of a column with the event time of the results.

    Raises:
        PlanError: if the step does not divide the size.

    >>> import millstream as ms
    >>> print(ms.cumulate("1d", step="1h"))
    CUMULATE(1h, 1d)
    """
    spec = Cumulate(duration_ms(size), duration_ms(step), duration_ms(offset))
    return WindowSpec(spec, on, keep_time)


def session(gap: Length, *, on: str | None = None, keep_time: str | None = None) -> WindowSpec:
    """Windows of rows of one group without a longer pause than ``gap``: a visit, a burst.

    A session spans from its first row to ``gap`` after its last one. A row that comes late but
    between two sessions may join them.

    Args:
        gap: the longest pause inside a session.
        on: the event-time column, where it is not the stream's own.
        keep_time: name of a column with the event time of the results.

    Raises:
        PlanError: if the gap is not a duration above zero.

    >>> import millstream as ms
    >>> print(ms.session("5m"))
    SESSION(5m)
    """
    return WindowSpec(Session(duration_ms(gap)), on, keep_time)


def emit(*, early: Length | None = None, late: Length | None = None, lateness: Length = 0) -> Emit:
    """Say when a window's result comes besides at its end, for ``group_by(window=…, emit=…)``.

    Such results change: they need a sink that takes changes, or one with the key of the group.

    Args:
        early: before the end, at most so often by the clock; ``0`` with every batch.
        late: after the end, for rows that came late, at most so often; else with every batch.
        lateness: how long after its end, by the watermark, a window takes late rows in.

    Raises:
        PlanError: if ``late`` is said without ``lateness``.

    >>> import millstream as ms
    >>> print(ms.emit(early="10s", late="1m", lateness="1h"))
    EMIT(early 10s, late 1m, lateness 1h)
    """
    return Emit(
        None if early is None else duration_ms(early),
        0 if late is None else duration_ms(late),
        duration_ms(lateness),
    )
