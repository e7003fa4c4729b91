"""Times: parts, clocks, text, differences."""

from __future__ import annotations

from millstream.expr.function import Function

FUNCTIONS: tuple[Function, ...] = ()
