"""Local time of a zone, for windows over instants.

in      instants (epoch ms) and a zone
out     wall-clock ms, and back; the window bounds of TIMESTAMP_LTZ are wall-clock times
folds   a wall-clock time that exists twice means its later instant, as in Flink, so that a window
        waits for both passes; one that does not exist is the instant of the jump
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 (wall-clock arithmetic is naive)
_MS = dt.timedelta(milliseconds=1)
# Python's datetimes end here; beyond it (the final mark, say) a zone shifts nothing of interest.
_WALL_MAX_MS = 200_000_000_000_000


@dataclass(frozen=True, slots=True)
class WallClock:
    """A zone; None = wall-clock time is kept as it is."""

    zone: str | None = None

    def wall_of(self, instants: np.ndarray) -> np.ndarray:
        """Return the wall-clock ms of instants."""
        if self.zone is None:
            return instants
        moments = pl.Series(instants).cast(pl.Datetime("ms", "UTC"))
        local = moments.dt.convert_time_zone(self.zone).dt.replace_time_zone(None)
        return local.cast(pl.Int64).to_numpy()

    def instants_of(self, walls: np.ndarray) -> np.ndarray:
        """Return the latest instants of wall-clock times; few different ones are asked for."""
        if self.zone is None:
            return walls
        # A Python loop over the different window bounds of a batch, not over its rows.
        unique, where = np.unique(walls, return_inverse=True)
        return np.array([self.instant_of(int(wall)) for wall in unique], dtype=np.int64)[where]

    def instant_of(self, wall_ms: int) -> int:
        """Return the latest instant at which the clock shows ``wall_ms``."""
        if self.zone is None or abs(wall_ms) > _WALL_MAX_MS:
            return wall_ms
        zone = ZoneInfo(self.zone)
        moment = (_EPOCH + wall_ms * _MS).replace(tzinfo=zone)
        return max(wall_ms - _offset_ms(moment.replace(fold=fold)) for fold in (0, 1))

    def last_bound(self, instant_ms: int, step_ms: int, offset_ms: int) -> int:
        """Return the largest n with ``instant_of(n * step + offset) <= instant``."""
        if self.zone is None or abs(instant_ms) > _WALL_MAX_MS:
            return (instant_ms - offset_ms) // step_ms
        wall = int(self.wall_of(np.array([instant_ms]))[0])
        high = (wall - offset_ms) // step_ms
        if self.instant_of(high * step_ms + offset_ms) <= instant_ms:
            return high
        # The clock is in the first pass of a repeated stretch: search the bound before it.
        low = high - (2 * 86_400_000) // step_ms - 1
        while high - low > 1:
            middle = (low + high) // 2
            if self.instant_of(middle * step_ms + offset_ms) <= instant_ms:
                low = middle
            else:
                high = middle
        return low


def _offset_ms(moment: dt.datetime) -> int:
    offset = moment.utcoffset()
    assert offset is not None, "a moment in a zone has an offset"
    return offset // _MS
