"""Time windows, one class per kind; all sizes in milliseconds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from millstream.errors import PlanError
from millstream.types.time import duration_text


@dataclass(frozen=True, slots=True)
class Tumble:
    """Fixed size, side by side: [start, start + size)."""

    size_ms: int
    offset_ms: int = 0

    def __post_init__(self) -> None:
        _positive("TUMBLE", size=self.size_ms)

    @property
    def pane_ms(self) -> int:
        """The longest piece that never crosses a window's bound."""
        return self.size_ms

    def __str__(self) -> str:
        return f"TUMBLE({duration_text(self.size_ms)})"


@dataclass(frozen=True, slots=True)
class Hop:
    """Fixed size, a new one every ``slide_ms``."""

    size_ms: int
    slide_ms: int
    offset_ms: int = 0

    def __post_init__(self) -> None:
        _positive("HOP", size=self.size_ms, slide=self.slide_ms)
        if self.size_ms % self.slide_ms:
            raise PlanError(
                f"The size of HOP ({duration_text(self.size_ms)}) is not a multiple of its slide "
                f"({duration_text(self.slide_ms)}).",
                hint="Choose a slide that divides the size, as Flink asks.",
            )

    @property
    def pane_ms(self) -> int:
        """The longest piece that never crosses a window's bound."""
        return math.gcd(self.size_ms, self.slide_ms)

    def __str__(self) -> str:
        return f"HOP({duration_text(self.slide_ms)}, {duration_text(self.size_ms)})"


@dataclass(frozen=True, slots=True)
class Cumulate:
    """Windows that share a start and grow by ``step_ms`` up to ``size_ms``."""

    size_ms: int
    step_ms: int
    offset_ms: int = 0

    def __post_init__(self) -> None:
        _positive("CUMULATE", size=self.size_ms, step=self.step_ms)
        if self.size_ms % self.step_ms:
            raise PlanError(
                f"The size of CUMULATE ({duration_text(self.size_ms)}) is not a multiple of its "
                f"step ({duration_text(self.step_ms)}).",
                hint="Choose a step that divides the size.",
            )

    @property
    def pane_ms(self) -> int:
        """The longest piece that never crosses a window's bound."""
        return self.step_ms

    def __str__(self) -> str:
        return f"CUMULATE({duration_text(self.step_ms)}, {duration_text(self.size_ms)})"


@dataclass(frozen=True, slots=True)
class Session:
    """Rows of one partition with no longer pause than ``gap_ms`` between them.

    A session spans [first row, last row + gap); a row that touches it joins it.
    """

    gap_ms: int

    def __post_init__(self) -> None:
        _positive("SESSION", gap=self.gap_ms)

    def __str__(self) -> str:
        return f"SESSION({duration_text(self.gap_ms)})"


Fixed = Tumble | Hop | Cumulate
"""Windows whose bounds depend on the time alone."""
Window = Fixed | Session


@dataclass(frozen=True, slots=True)
class Attached:
    """The bounds are columns of the input already (a window aggregate over windowed rows)."""

    start: str
    end: str

    def __str__(self) -> str:
        return f"WINDOW [{self.start}, {self.end})"


@dataclass(frozen=True, slots=True)
class Emit:
    """When a window's result is given besides at its end; such results change.

    early_ms     before the end at most so often, by the clock; 0 = with every batch, None = never
    late_ms      after the end for rows that came later: at most so often; 0 = with every batch
    lateness_ms  rows are taken in for so long after the end, by the watermark
    """

    early_ms: int | None = None
    late_ms: int = 0
    lateness_ms: int = 0

    def __post_init__(self) -> None:
        for what, ms in (("early", self.early_ms or 0), ("late", self.late_ms)):
            if ms < 0:
                raise PlanError(f"The delay of {what} results is {ms} ms.")
        if self.lateness_ms < 0:
            raise PlanError(
                f"The allowed lateness is {self.lateness_ms} ms.",
                hint="0 drops late rows; a window cannot be kept for ever.",
            )
        if self.late_ms and not self.lateness_ms:
            raise PlanError(
                "Late results need an allowed lateness: without it no row is taken in late.",
                hint="Say how long: table.exec.emit.allow-lateness, or lateness='1h'.",
            )

    def __str__(self) -> str:
        parts = [] if self.early_ms is None else [f"early {duration_text(self.early_ms)}"]
        if self.lateness_ms:
            parts.append(f"late {duration_text(self.late_ms)}")
            parts.append(f"lateness {duration_text(self.lateness_ms)}")
        return f"EMIT({', '.join(parts)})"


def _positive(kind: str, **lengths: int) -> None:
    for what, ms in lengths.items():
        if ms <= 0:
            raise PlanError(
                f"The {what} of {kind} is {ms} ms.", hint="A window needs a length above zero."
            )
