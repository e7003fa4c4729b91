"""What happens to rows that cannot be used: kept aside, or the pipeline stops.

in      ``pipeline.on-reject`` for all steps, ``pipeline.on-reject.<step>`` for one, the option
        'on-reject' of a table for the rows read from it or refused by it; a threshold
state   of the threshold: rows read and rejected, by arrival time, as far back as it looks; a
        restart begins anew
bad     UnknownName for a step there is not; DataError once the threshold is passed
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from millstream.errors import DataError, OptionError, PlanError, UnknownName
from millstream.plan.nodes import Scan, Write
from millstream.ports.registry import ON_REJECT
from millstream.settings import OnReject, Settings
from millstream.types.time import duration_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millstream.engine.graph import Graph

STEP = "pipeline.on-reject."
ROWS_LEAST = 1_000
BUCKETS = 60
_THRESHOLD = re.compile(
    r"\s*(?P<part>\d+(\.\d+)?)\s*%\s*in\s+(?P<time>.+?)(\s+of\s+(?P<rows>\d+)\s+rows?)?\s*"
)


@dataclass
class Threshold:
    """Stops a pipeline of whose rows too large a part is rejected.

    ``part`` of the rows that were read within ``window_ms``, once there are ``rows_least``.
    """

    part: float
    window_ms: int
    rows_least: int = ROWS_LEAST
    _seen: tuple[int, int] = (0, 0)
    _buckets: deque[tuple[int, int, int]] = field(default_factory=deque)

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Read ``5 % in 10 min`` or ``5 % in 10 min of 100 rows``."""
        found = _THRESHOLD.fullmatch(text)
        try:
            if found is None:
                raise ValueError("A part and a time are expected, such as '5 % in 10 min'.")
            window_ms = duration_ms(found["time"])
        except (ValueError, PlanError) as error:
            raise OptionError(
                f"The option '{STEP}threshold' cannot be '{text}'.", hint=str(error)
            ) from None
        return cls(float(found["part"]) / 100, window_ms, int(found["rows"] or ROWS_LEAST))

    def note(self, now_ms: int, rows_in: int, rows_rejected: int) -> None:
        """Take the totals since the start; raises DataError once there are too many rejected."""
        rows, bad = rows_in - self._seen[0], rows_rejected - self._seen[1]
        if not rows and not bad:
            return
        self._seen = rows_in, rows_rejected
        bucket = now_ms // max(1, self.window_ms // BUCKETS)
        if self._buckets and self._buckets[-1][0] == bucket:
            _, rows_there, bad_there = self._buckets.pop()
            rows, bad = rows + rows_there, bad + bad_there
        self._buckets.append((bucket, rows, bad))
        while self._buckets[0][0] <= bucket - BUCKETS:
            self._buckets.popleft()
        rows = sum(b[1] for b in self._buckets)
        bad = sum(b[2] for b in self._buckets)
        if rows >= self.rows_least and bad > rows * self.part:
            raise DataError(
                f"{bad} of {rows} rows were rejected within {self.window_ms / 1000:g} s, more than "
                f"{self.part * 100:g} %.",
                hint="See why with 'millstream dlq list'; the threshold is "
                "'pipeline.on-reject.threshold'.",
            )


@dataclass(frozen=True, slots=True)
class RejectPolicy:
    """Which steps stop the pipeline at the first row they cannot use."""

    fails_by_default: bool = False
    fails_of: Mapping[str, bool] = field(default_factory=dict)
    threshold: Threshold | None = None

    @classmethod
    def of(cls, settings: Settings, graph: Graph) -> RejectPolicy:
        """Read the settings and the options of the tables."""
        fails: dict[str, bool] = {}
        steps = {uid: step.uid for step in graph.steps for uid in (step.uid, *step.uids)}
        for step in graph.steps:
            if isinstance(step.node, Scan | Write) and ON_REJECT in step.node.table.options:
                fails[step.uid] = _fails(step.node.table.options[ON_REJECT], ON_REJECT)
        for name, said in settings.on_reject_steps.items():
            if name not in steps:
                raise UnknownName("step", name, available=steps, where=STEP + name)
            fails[steps[name]] = _fails(said, STEP + name)
        text = settings.on_reject_threshold
        return cls(
            settings.on_reject is OnReject.FAIL,
            fails,
            None if text is None else Threshold.parse(text),
        )

    def fails(self, uid: str) -> bool:
        """Tell whether a row that a step cannot use stops the pipeline."""
        return self.fails_of.get(uid, self.fails_by_default)


def _fails(said: object, option: str) -> bool:
    values = [policy.value for policy in OnReject]
    if str(said).lower() not in values:
        raise OptionError(
            f"The option '{option}' cannot be '{said}'.",
            hint="One of " + ", ".join(f"'{v}'" for v in values) + " is expected.",
        )
    return str(said).lower() == OnReject.FAIL.value
