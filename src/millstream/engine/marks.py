"""Watermarks of one scan: per split, combined, and as they stood at each row.

in      blocks of rows of one split each, with each row's contribution to the mark (ms)
state   the running maximum of each split, which splits are idle, the mark given out so far
out     for each row the mark it arrived under: the running maximum over the *earlier* rows of its
        split, the minimum with the other active splits, and never going back
source  SEMANTICS §1; Flink's ``on-event`` strategy with WatermarkOutputMultiplexer's minimum
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

LOWEST_MS = -(2**63)


@dataclass(frozen=True, slots=True)
class Under:
    """The marks a block's rows arrived under: few ask for them, where no row is behind its own."""

    before: np.ndarray
    """The running maximum of the split before each row."""
    others: int | None
    given_ms: int

    def marks(self) -> np.ndarray:
        """Return the mark each row arrived under."""
        marks = self.before if self.others is None else np.minimum(self.before, self.others)
        return np.maximum(marks, self.given_ms)

    def is_behind(self, times: np.ndarray) -> bool:
        """Tell whether some row's time is not after its mark."""
        if not times.size:
            return False
        # No row came under a higher mark than the last one did.
        last = int(self.before[-1])
        highest = max(last if self.others is None else min(last, self.others), self.given_ms)
        return int(times.min()) <= highest and bool(np.any(times <= self.marks()))


@dataclass
class SplitMarks:
    """The marks of every split of one scan."""

    splits: dict[str, int] = field(default_factory=dict)
    idle: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    given_ms: int = LOWEST_MS
    told: Callable[[str, str, int], None] | None = field(default=None, compare=False, repr=False)
    """Hears (what, split, mark) of all that moves marks: rows ``b``, a new split ``n``, idle ``i``,
    ended ``e``, raised ``r``; the journal's ear."""

    def add(self, split: str) -> None:
        """Take note of a split; until it has rows it holds the mark back."""
        if split not in self.splits:
            self._tell("n", split)
            self.splits[split] = LOWEST_MS

    def advance(self, split: str, contributions: np.ndarray) -> Under:
        """Take a block's contributions (int64 ms) and return the marks its rows arrived under."""
        self._tell("b", split)
        self.add(split)
        self.idle.discard(split)
        start = self.splits[split]
        rows = contributions.size
        if not rows:
            return Under(contributions, None, self.given_ms)
        before = np.empty(rows, dtype=np.int64)
        before[0] = start
        before[1:] = contributions[:-1]
        np.maximum.accumulate(before, out=before)
        self.splits[split] = max(int(before[-1]), int(contributions[-1]))
        under = Under(before, self._lowest(without=split), self.given_ms)
        self._give()
        return under

    def set_idle(self, split: str) -> None:
        """Say that a split has been quiet for too long; its next row makes it active again."""
        if split not in self.idle:
            self._tell("i", split)
        self.idle.add(split)
        self._give()

    def end(self, split: str) -> None:
        """Say that a split has given its last row."""
        if split not in self.ended:
            self._tell("e", split)
        self.ended.add(split)
        self._give()

    def raise_to(self, mark_ms: int) -> None:
        """Let time run on without rows (a silent source, or the end of the input)."""
        if mark_ms > self.given_ms:
            self._tell("r", "", mark_ms)
        self.given_ms = max(self.given_ms, mark_ms)

    def of(self, split: str) -> int:
        """Return the running maximum of one split."""
        return self.splits.get(split, LOWEST_MS)

    def highest(self) -> int:
        """Return the highest mark of any split."""
        return max(self.splits.values(), default=LOWEST_MS)

    def to_json(self) -> dict[str, object]:
        """Return the state for a checkpoint; idleness is found anew after a restart."""
        return {"splits": dict(self.splits), "ended": sorted(self.ended), "given": self.given_ms}

    @classmethod
    def from_json(cls, value: dict[str, object]) -> SplitMarks:
        """Take the state of a checkpoint back."""
        splits, ended, given = value["splits"], value["ended"], value["given"]
        assert isinstance(splits, dict), "the marks of a checkpoint are a mapping"
        assert isinstance(ended, list), "the ended splits of a checkpoint are a list"
        assert isinstance(given, int), "the mark of a checkpoint is a number"
        return cls(splits=dict(splits), ended=set(ended), given_ms=given)

    def _tell(self, what: str, split: str, mark_ms: int = 0) -> None:
        if self.told is not None:
            self.told(what, split, mark_ms)

    def _lowest(self, without: str | None = None) -> int | None:
        quiet = self.idle | self.ended
        marks = [m for s, m in self.splits.items() if s != without and s not in quiet]
        return min(marks, default=None)

    def _give(self) -> None:
        lowest = self._lowest()
        if lowest is None:  # every split is idle or ended: the furthest one speaks for all
            lowest = self.highest()
        self.given_ms = max(self.given_ms, lowest)
