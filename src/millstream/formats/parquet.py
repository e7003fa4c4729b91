"""The format ``parquet``: whole files, not payloads; only the files connector has it.

in      a file; columns by name, cast to the table's types
out     rows from any row index on, in slices, one row group in memory at a time
bad     a file that is no Parquet, lacks a column or holds a value that does not fit is a
        ConnectorError: a column is stored as one piece, so there is no bad row to reject
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import IO, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from millstream.columns.physical import polars_schema
from millstream.errors import ConnectorError, Domain
from millstream.plan.table import Condition
from millstream.ports.format import Format
from millstream.settings import option
from millstream.types import Schema

_ROWS_AT_ONCE = 65_536


class Compression(Enum):
    """How column pages are compressed."""

    UNCOMPRESSED = "uncompressed"
    SNAPPY = "snappy"
    GZIP = "gzip"
    LZ4 = "lz4"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetConfig:
    """Options of the Parquet format."""

    compression: Compression = option(
        "compression",
        "How the sink compresses: 'snappy', 'zstd', 'gzip', 'lz4' or 'uncompressed'.",
        default=Compression.SNAPPY,
        kind="enum",
    )


class ParquetRows:
    """Reads one file from a row on."""

    def __init__(
        self, path: str, schema: Schema, *, start: int, conditions: tuple[Condition, ...] = ()
    ) -> None:
        self._path = path
        self._conditions = conditions
        self._wanted = polars_schema(schema)
        try:
            # The file is ours to open and close: pyarrow keeps what it opened itself.
            self._stream = pa.OSFile(path, "rb")
            self._file = pq.ParquetFile(self._stream)
        except (OSError, pa.ArrowException) as error:
            raise self._broken(error) from None
        names = self._file.schema_arrow.names
        missing = [name for name in self._wanted if name not in names]
        if missing:
            self.close()
            raise ConnectorError(
                f"The file has no column '{missing[0]}'.",
                where=path,
                hint=f"It has: {', '.join(names)}.",
                domain=Domain.DATA,
            )
        self.rows_total = int(self._file.metadata.num_rows)
        self._batches = self._batches_from(start)
        self._held: pl.DataFrame | None = None
        self._at = start

    def take(self, rows_max: int) -> tuple[int, pl.DataFrame] | None:
        """Return the next rows, at most so many, and the first one's index; None after the last."""
        while self._held is None or not self._held.height:
            try:
                batch = next(self._batches, None)
            except (OSError, pa.ArrowException) as error:
                raise self._broken(error) from None
            if batch is None:
                return None
            self._at, self._held = batch[0], self._fit(batch[1])
        taken, self._held = self._held[:rows_max], self._held[rows_max:]
        first, self._at = self._at, self._at + taken.height
        return first, taken

    def close(self) -> None:
        """Free the file."""
        self._file.close(force=True)
        self._stream.close()

    def _batches_from(self, start: int) -> Any:
        first, groups = 0, []
        for group in range(self._file.num_row_groups):
            rows = self._file.metadata.row_group(group).num_rows
            if first + rows > start and self._may_hold(group):
                groups.append((group, first, max(0, start - first)))
            first += rows
        for group, begins, above in groups:
            at, skip = begins, above
            for batch in self._file.iter_batches(
                batch_size=_ROWS_AT_ONCE, row_groups=[group], columns=list(self._wanted)
            ):
                if skip < batch.num_rows:
                    yield at + skip, batch.slice(skip)
                skip -= min(skip, batch.num_rows)
                at += batch.num_rows

    def _may_hold(self, group: int) -> bool:
        """Tell from its statistics whether a row group may hold rows that meet the conditions."""
        found = self._file.metadata.row_group(group)
        places = {found.column(i).path_in_schema: i for i in range(found.num_columns)}
        for condition in self._conditions:
            if condition.column not in places:
                continue
            column = found.column(places[condition.column])
            if column.statistics is not None and not _possible(condition, column):
                return False
        return True

    def _fit(self, batch: Any) -> pl.DataFrame:
        if not self._wanted:
            return pl.DataFrame(height=batch.num_rows)
        frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
        try:
            return frame.select(pl.col(n).cast(kind) for n, kind in self._wanted.items())
        except pl.exceptions.PolarsError as error:
            raise ConnectorError(
                "The file does not fit the table's columns.",
                where=self._path,
                hint=str(error).splitlines()[0],
                domain=Domain.DATA,
            ) from None

    def _broken(self, error: Exception) -> ConnectorError:
        return ConnectorError(
            f"The Parquet file cannot be read: {str(error).splitlines()[0]}",
            where=self._path,
            hint="Is it complete, and is it Parquet?",
            domain=Domain.DATA,
        )


def _possible(condition: Condition, column: Any) -> bool:
    """Tell whether some value of a column chunk can meet a condition."""
    kept, value = column.statistics, condition.value
    if kept.has_null_count and kept.null_count == column.num_values:
        return False
    if condition.op == "IS NOT NULL" or not kept.has_min_max:
        return True
    try:
        match condition.op:
            case "=":
                return bool(kept.min <= value <= kept.max)
            case "<>":
                return not kept.min == value == kept.max
            case "<":
                return bool(kept.min < value)
            case "<=":
                return bool(kept.min <= value)
            case ">":
                return bool(kept.max > value)
            case _:
                return bool(kept.max >= value)
    except TypeError:
        return True  # stored as another type than the table declares: read it and see


def write_parquet(frame: pl.DataFrame, file: IO[bytes], config: ParquetConfig) -> None:
    """Write a frame as one file."""
    frame.write_parquet(file, compression=config.compression.value)


FORMAT = Format(name="parquet", doc="Whole Parquet files.", config=ParquetConfig)
