"""Millstream: real-time data processing for Python.

Streams come from ``read_…`` and ``sql``, are shaped with expressions over ``col``, and go to
``write_…`` and ``show``; ``run`` runs them. Everything is loaded when it is first used, so that
``import millstream`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millstream.errors import (
        CheckpointError,
        ConnectorError,
        DataError,
        GapError,
        JobError,
        MillstreamError,
        MissingExtra,
        OptionError,
        PlanError,
        SqlError,
        TypeMismatch,
        UnknownName,
        Unsupported,
    )
    from millstream.frame.expression import Expr, aggregate, call
    from millstream.frame.functions import coalesce, col, count, lit, when
    from millstream.frame.group import GroupBy
    from millstream.frame.pattern import Pattern, match_time, pattern, var
    from millstream.frame.plots import Figure, plot
    from millstream.frame.process import process_function
    from millstream.frame.read import (
        from_polars,
        read_csv,
        read_datagen,
        read_duckdb,
        read_files,
        read_json,
        read_kafka,
        read_memory,
        read_parquet,
        read_postgres,
        read_replay,
        read_socket,
        read_sqlite,
        read_stdin,
        read_table,
    )
    from millstream.frame.run import Running, explain, run, start
    from millstream.frame.sink import Sink
    from millstream.frame.sqls import script, sql
    from millstream.frame.stream import Stream
    from millstream.frame.trial import TestResult, test
    from millstream.frame.udf import udaf, udf, udtf
    from millstream.frame.windows import cumulate, emit, hop, session, tumble
    from millstream.settings import Settings
    from millstream.types import Schema

# The room `millstream.sql` and the function `ms.sql` share a name. Python binds a package's name in
# its parent when it is first imported; so that happens here, and the name is given back.
import_module("millstream.sql")
globals().pop("sql", None)

__version__ = "0.1.0"

_HOMES = {
    "errors": (
        "CheckpointError", "ConnectorError", "DataError", "GapError", "JobError",
        "MillstreamError", "MissingExtra", "OptionError", "PlanError", "SqlError", "TypeMismatch",
        "UnknownName", "Unsupported",
    ),
    "frame.expression": ("Expr", "aggregate", "call"),
    "frame.functions": ("coalesce", "col", "count", "lit", "when"),
    "frame.group": ("GroupBy",),
    "frame.pattern": ("Pattern", "match_time", "pattern", "var"),
    "frame.plots": ("Figure", "plot"),
    "frame.process": ("process_function",),
    "frame.read": (
        "from_polars", "read_csv", "read_datagen", "read_duckdb", "read_files", "read_json",
        "read_kafka", "read_memory", "read_parquet", "read_postgres", "read_replay", "read_socket",
        "read_sqlite", "read_stdin", "read_table",
    ),
    "frame.run": ("Running", "explain", "run", "start"),
    "frame.sink": ("Sink",),
    "frame.sqls": ("script", "sql"),
    "frame.stream": ("Stream",),
    "frame.trial": ("TestResult", "test"),
    "frame.udf": ("udaf", "udf", "udtf"),
    "frame.windows": ("cumulate", "emit", "hop", "session", "tumble"),
    "settings": ("Settings",),
    "types": ("Schema",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CheckpointError",
    "ConnectorError",
    "DataError",
    "Expr",
    "Figure",
    "GapError",
    "GroupBy",
    "JobError",
    "MillstreamError",
    "MissingExtra",
    "OptionError",
    "Pattern",
    "PlanError",
    "Running",
    "Schema",
    "Settings",
    "Sink",
    "SqlError",
    "Stream",
    "TestResult",
    "TypeMismatch",
    "UnknownName",
    "Unsupported",
    "__version__",
    "aggregate",
    "call",
    "coalesce",
    "col",
    "count",
    "cumulate",
    "emit",
    "explain",
    "from_polars",
    "hop",
    "lit",
    "match_time",
    "pattern",
    "plot",
    "process_function",
    "read_csv",
    "read_datagen",
    "read_duckdb",
    "read_files",
    "read_json",
    "read_kafka",
    "read_memory",
    "read_parquet",
    "read_postgres",
    "read_replay",
    "read_socket",
    "read_sqlite",
    "read_stdin",
    "read_table",
    "run",
    "script",
    "session",
    "sql",
    "start",
    "test",
    "tumble",
    "udaf",
    "udf",
    "udtf",
    "var",
    "when",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'millstream' has no attribute '{name}'")
    found = getattr(import_module(f"millstream.{home}"), name)
    globals()[name] = found  # the next look is a plain one
    return found


def __dir__() -> list[str]:
    return __all__
