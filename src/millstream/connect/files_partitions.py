"""Folders named after column values, ``dt=2026-01-05/hm=10%3A30``.

write   rows are parted by the values of the partition columns, which are not in the files
read    the values come from the path, cast to the columns' types; a condition on them leaves out
        whole folders
names   as Hive and Flink write them: characters with a meaning in paths as %XX, NULL and the empty
        text as ``partition.default-name``, values as Java shows them (true, 1.0E7,
        2026-01-05T10:30); but dates and times as such, where Flink writes numbers of days and ms
bad     a path that does not say a column, or says what its type does not know, is a ConnectorError
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.physical import polars_type
from millstream.columns.text import Style, text_of
from millstream.errors import ConnectorError, Domain, OptionError
from millstream.formats.coerce import ISO_TIMES, SQL_TIMES, Failures, Spans, column
from millstream.formats.json_scan import TEXT
from millstream.plan.table import Condition, Table
from millstream.types import LogicalType, Schema

_RISKY = re.compile(r'[\x00-\x1f"#%\'*/:=?\\\x7f{}\[\]^]')
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Partitions:
    """The partition columns of a table, in the order of the folders."""

    schema: Schema
    default_name: str

    def without(self, schema: Schema) -> Schema:
        """Return the columns that are in the files."""
        return Schema(tuple(f for f in schema if f.name not in self.schema))

    def parted(self, frame: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
        """Return rows by folder, without the partition columns; folders in first-row order."""
        names = self.schema.names
        keys = [f"$part{i}" for i in range(len(names))]
        texts = [
            self._named(_text(f.type, pl.col(f.name))).alias(key)
            for key, f in zip(keys, self.schema, strict=True)
        ]
        parts = frame.with_columns(texts).drop(names).partition_by(keys, maintain_order=True)
        return [(self._folder(part.select(keys).row(0)), part.drop(keys)) for part in parts]

    def texts_of(self, folder: str) -> dict[str, str]:
        """Return the values that a folder says, by column; the innermost counts."""
        found: dict[str, str] = {}
        for part in PurePath(folder).parts:
            name, equals, value = part.partition("=")
            if equals and _unescaped(name) in self.schema:
                found[_unescaped(name)] = _unescaped(value)
        return found

    def value_of(self, path: str, name: str) -> pl.Series:
        """Return the value of one column for a file, as a column of one row."""
        kind = self.schema.type_of(name)
        texts = self.texts_of(str(PurePath(path).parent))
        if name not in texts:
            raise ConnectorError(
                f"The path does not say the partition column '{name}'.",
                where=path,
                hint=f"Files lie in folders like {name}=…; a pattern can leave others out.",
                domain=Domain.DATA,
            )
        text = None if texts[name] == self.default_name else texts[name]
        if text is None and not kind.nullable:
            raise ConnectorError(
                f"The partition column '{name}' is NULL here, but declared NOT NULL.",
                where=path,
                hint="Declare it without NOT NULL, or leave the folder out with a pattern.",
                domain=Domain.DATA,
            )
        return _typed(text, kind, name, path)

    def meets(self, path: str, conditions: tuple[Condition, ...]) -> bool:
        """Tell whether a file's rows meet those conditions that are about partition columns."""
        for condition in conditions:
            if condition.column not in self.schema:
                continue
            value = self.value_of(path, condition.column).item()
            if value is None:
                return False
            compare = _COMPARED.get(condition.op)
            if compare is not None and not compare(value, condition.value):
                return False
        return True

    def _named(self, text: pl.Expr) -> pl.Expr:
        return pl.when(text.str.len_bytes() > 0).then(text).otherwise(pl.lit(self.default_name))

    def _folder(self, texts: tuple[str, ...]) -> str:
        pairs = zip(self.schema.names, texts, strict=True)
        return "/".join(f"{_escaped(name)}={_escaped(text)}" for name, text in pairs)


def partitions_of(table: Table, default_name: str, where: str) -> Partitions | None:
    """Return the partition columns of a table, checked; None where it has none."""
    if not table.partitions:
        return None
    fields = [f for name in table.partitions for f in table.physical if f.name == name]
    for field in fields:
        if isinstance(field.type, t.Row | t.Array | t.Map | t.Multiset | t.Binary | t.VarBinary):
            raise OptionError(
                f"The column '{field.name}' is {field.type}, which names no folder.",
                where=where,
                hint="Partition by texts, numbers, booleans, dates and times.",
            )
        if field.name.startswith((".", "_")):
            raise OptionError(
                f"The column '{field.name}' cannot name folders: they would be hidden.",
                where=where,
                hint="Give the column another name.",
            )
    if len(fields) == len(table.physical):
        raise OptionError(
            "All columns are in PARTITIONED BY, so nothing would be in the files.",
            where=where,
            hint="Leave at least one column out.",
        )
    return Partitions(Schema(tuple(fields)), default_name)


def _escaped(text: str) -> str:
    return _RISKY.sub(lambda found: f"%{ord(found[0]):02X}", text)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _text(kind: LogicalType, value: pl.Expr) -> pl.Expr:
    if isinstance(kind, t.IntervalDay):
        return value.dt.total_milliseconds().cast(pl.String)
    if isinstance(kind, t.IntervalYear):
        return value.cast(pl.String)
    return text_of(value, kind, style=Style.SQL if isinstance(kind, t.Time) else Style.PRINT)


def _typed(text: str | None, kind: LogicalType, name: str, path: str) -> pl.Series:
    """Return a text as a value of its type; times as SQL writes them, or with a T."""
    if text is None or isinstance(kind, t.Char | t.VarChar):
        return pl.Series(name, [text], dtype=polars_type(kind))
    if isinstance(kind, t.TimestampLtz) and not text.endswith("Z"):
        text += "Z"
    times = ISO_TIMES if "T" in text else SQL_TIMES
    data = text.encode("utf-8", "surrogateescape")
    failures = Failures()
    spans = Spans(
        np.frombuffer(data + b"\0", np.uint8),
        np.zeros(1, np.int64),
        np.full(1, len(data), np.int64),
        np.full(1, TEXT, np.uint8),
        np.zeros(1, np.int64),
    )
    found = column(spans, kind, name, failures, times)
    if failures.reasons:
        raise ConnectorError(
            f"The value in the path cannot be read: {failures.reasons[0]}.",
            where=path,
            hint="Mend the folder's name or the column's type, or leave it out with a pattern.",
            domain=Domain.DATA,
        )
    return found.cast(polars_type(kind)).alias(name)
