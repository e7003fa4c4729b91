"""The change kinds of rows, and the hidden column that carries them.

Shared by engine, formats and connectors: a changelog frame has the column :data:`OP` (Int8) with
codes of :class:`Op`; a frame without it holds inserts only.
"""

from __future__ import annotations

from enum import IntEnum

OP = "$op"


class Op(IntEnum):
    """The change kinds, with Flink's order and short names."""

    INSERT = 0
    UPDATE_BEFORE = 1
    UPDATE_AFTER = 2
    DELETE = 3

    @property
    def short(self) -> str:
        """``+I -U +U -D``."""
        return ("+I", "-U", "+U", "-D")[self]
