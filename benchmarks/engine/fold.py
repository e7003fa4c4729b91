"""The sink of every contender: a checksum over every value, whatever the order of the rows.

in      frames of the result's columns, perhaps with ``$op`` (a change kind per row)
state   the wrapping sum of the rows' hashes, and how many rows; a row taken back is subtracted, so
        that a folded changelog equals the table it ends in
out     rows and a checksum, the same for the same multiset of rows
method  Polars hashes each row over all its columns; equal values hash alike only in equal types, so
        a frame is cast to the result's types where it has others. Hashes are those of one version
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from millstream.columns.changes import OP, Op

_FORWARD = [int(Op.INSERT), int(Op.UPDATE_AFTER)]


class Fold:
    """Takes a result in; ``only`` names columns whose sums are all that is compared."""

    def __init__(self, schema: Mapping[str, pl.DataType], only: str | None = None) -> None:
        self.rows = 0
        self.rows_taken = 0
        """All that came, changes that take rows back included."""
        self._schema = dict(schema)
        self._only = only
        self._sum = np.uint64(0)

    @property
    def checksum(self) -> str:
        """The sum so far, as text."""
        return f"{int(self._sum):016x}"

    def add(self, frame: pl.DataFrame) -> int:
        """Read every value of a frame; returns its rows."""
        height = frame.height
        self.rows_taken += height
        if not height:
            return 0
        op = None
        if OP in frame.columns:
            op, frame = frame[OP], frame.drop(OP)
        frame = self._fitted(frame)
        hashes = frame.hash_rows().to_numpy()
        if self._only is not None:
            hashes = frame[self._only].to_numpy().astype(np.uint64)
        if op is None:
            with np.errstate(over="ignore"):  # the sum wraps
                self._sum += hashes.sum(dtype=np.uint64)
            self.rows += height
            return height
        forward = op.is_in(_FORWARD).to_numpy()
        with np.errstate(over="ignore"):
            more = hashes[forward].sum(dtype=np.uint64)
            self._sum = self._sum + more - hashes[~forward].sum(dtype=np.uint64)
        self.rows += 2 * int(forward.sum()) - height
        return height

    def _fitted(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Bring a frame of another engine to the names and types of the result."""
        if frame.schema == self._schema:
            return frame
        assert len(frame.columns) == len(self._schema), "as many columns as the sink has"
        columns = zip(frame.get_columns(), self._schema.items(), strict=True)
        return pl.DataFrame([s.cast(dtype).alias(name) for s, (name, dtype) in columns])
