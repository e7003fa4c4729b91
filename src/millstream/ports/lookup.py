"""The contract of a table that is asked for rows by key, and the options of asking.

A connector that can be asked gives ``Connector.lookup``; a bounded source can be asked too, with
``'lookup.cache' = 'FULL'``: the whole table is read and read again now and then. Caching and
retrying are done for every connector in one place (:mod:`millstream.engine.lookups`); a connector
answers questions, nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from millstream.plan.table import Table
from millstream.settings import option
from millstream.types import Schema

if TYPE_CHECKING:
    import polars as pl

ASK = "$ask"
"""In an answer: the index of the key (Int64) that a row answers."""
PREFIX = "lookup."


class CacheKind(Enum):
    """What is remembered of a table that is asked."""

    NONE = "none"
    PARTIAL = "partial"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupOptions:
    """The ``lookup.*`` options of every table that can be asked."""

    cache: CacheKind | None = option(
        "lookup.cache",
        "'NONE', 'PARTIAL' (keys that were asked for) or 'FULL' (the whole table is read at the "
        "start and again at an interval). Files are FULL, everything else is NONE without.",
        default=None,
        kind="enum",
    )
    rows_max: int = option(
        "lookup.partial-cache.max-rows", "Rows remembered at most.", default=1_000_000, kind="int"
    )
    expire_write_ms: int | None = option(
        "lookup.partial-cache.expire-after-write",
        "An answer is asked for anew when it is this old.",
        default=None,
        kind="duration_ms",
    )
    expire_access_ms: int | None = option(
        "lookup.partial-cache.expire-after-access",
        "An answer is forgotten when nobody wanted it for this long.",
        default=None,
        kind="duration_ms",
    )
    cache_missing: bool = option(
        "lookup.partial-cache.cache-missing-key",
        "Remember keys without a row, too.",
        default=True,
        kind="bool",
    )
    reload_interval_ms: int = option(
        "lookup.full-cache.periodic-reload.interval",
        "A table in a FULL cache is read again this often; 0 = never.",
        default=0,
        kind="duration_ms",
    )
    retries_max: int = option(
        "lookup.max-retries",
        "A question that fails for a passing reason is asked again so often, after a pause that "
        "doubles; then the pipeline stops.",
        default=3,
        kind="int",
    )
    is_async: bool = option(
        "lookup.async",
        "Ask for the next rows before the last ones are answered; results keep their order "
        "unless 'table.exec.async-lookup.output-mode' says otherwise.",
        default=True,
        kind="bool",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupSpec:
    """What a lookup is built from.

    ``keys`` are the columns that are given, ``wanted`` those of the answer (the keys among them
    where they are wanted). All are physical columns of the table.
    """

    table: Table
    config: Any
    keys: Schema
    wanted: Schema
    options: LookupOptions
    formats: Mapping[str, Any] = field(default_factory=dict)


class Lookup(ABC):
    """A table that answers. Calls may come from several threads, each call from one."""

    retries_itself: bool = False
    """Whether ``ask`` tries again what fails for a passing reason, so that nobody else must."""

    @abstractmethod
    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of ``keys``: :data:`ASK`, then the wanted columns, in any order.

        The keys are different from each other and none is NULL. A key without a row has no row in
        the answer. Raises ConnectorError; ``Retry.LATER`` says that asking again may help.
        """

    def close(self) -> None:  # noqa: B027 (not every lookup holds something)
        """Free connections; may be called twice, also while an ``ask`` runs."""
