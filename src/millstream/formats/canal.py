"""The format ``canal-json``: changes of MySQL as Canal tells them.

document  ``{"database": …, "table": …, "type": "UPDATE", "data": [{…}], "old": [{…}]}``
read      INSERT, UPDATE, DELETE, each of one or more rows; an entry of ``old`` holds only the
          fields that were changed, the others are those of ``data``; ``envelope``
skipped   CREATE (a table was made), and what ``database.include``, ``table.include`` leave out
bad       an update whose ``old`` has not an entry for each row, no ``data``, another type
source    Flink's Canal format, its options and their meaning
differs   a field that ``old`` holds inside a nested value is not taken for a changed column
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from millstream import types as t
from millstream.errors import OptionError
from millstream.expr.java_regex import BadPattern, java_pattern
from millstream.formats.envelope import (
    DELETE,
    INSERT,
    UNKNOWN,
    UPDATE,
    Bad,
    Changed,
    EnvelopeConfig,
    EnvelopeDecoder,
    EnvelopeEncoder,
    Wrapping,
    completed,
    kinds_of,
    needs_keys,
    unknown_words,
)
from millstream.formats.json_decode import DecodeRules, JsonDecoder
from millstream.ports.format import Format
from millstream.settings import option

if TYPE_CHECKING:
    import re

    from millstream.formats.coerce import Ints
    from millstream.types import Schema

NAME = "canal-json"
_NOTHING = 3
_WORDS = {"INSERT": INSERT, "UPDATE": UPDATE, "DELETE": DELETE, "CREATE": _NOTHING}
_OLD_KEYS = t.Schema.of({"old": t.Array(t.Map(t.VarChar(), t.VarChar()))})


@dataclass(frozen=True, slots=True, kw_only=True)
class CanalConfig(EnvelopeConfig):
    """Flink's options of the Canal format."""

    database: str | None = option(
        "database.include",
        "Java regular expression; only documents whose 'database' it matches whole are read.",
        default=None,
    )
    table: str | None = option(
        "table.include",
        "Java regular expression; only documents whose 'table' it matches whole are read.",
        default=None,
    )


class CanalDecoder(EnvelopeDecoder):
    """Decodes Canal's documents."""

    def __init__(self, schema: Schema, config: CanalConfig) -> None:
        self._only = {
            name: _pattern(given, f"canal-json.{name}.include")
            for name, given in (("database", config.database), ("table", config.table))
            if given is not None
        }
        super().__init__(schema, config)
        self._keys = JsonDecoder(_OLD_KEYS, DecodeRules(times=self.rules.times, ignore_errors=True))

    def envelope(self) -> Schema:
        """The rows, what changed in them, kind, and what is asked to be something."""
        rows = t.Array(self.row)
        asked = {name: t.VarChar() for name in self._only}
        return t.Schema.of({"data": rows, "old": rows, "type": t.VarChar(), **asked})

    def read(self, said: pl.DataFrame, payloads: pl.Series, bad: Bad) -> Changed:
        """Give each row of a document its entry, and complete the old rows of updates."""
        wanted = self._wanted(said)
        kinds = kinds_of(said["type"], _WORDS)
        unknown = pl.Series((kinds == UNKNOWN) & wanted)
        unknown_words(said["type"], unknown, "type", "INSERT, UPDATE, DELETE and CREATE", bad)
        wanted &= kinds != _NOTHING
        rows, old = said["data"], said["old"]
        no_rows = rows.is_null() | rows.list.eval(pl.element().is_null()).list.any()
        bad.note(pl.Series(wanted) & no_rows, "the rows ('data') are NULL")
        alike = (rows.list.len() == old.list.len()).fill_null(value=False)
        bad.note(
            pl.Series(wanted & (kinds == UPDATE)) & ~alike,
            "'old' has not an entry for each row of an update",
        )
        read = np.flatnonzero(wanted & bad.keep(said.height))
        counts = rows.gather(pl.Series(read)).list.len().to_numpy().astype(np.int64)
        docs, kinds = np.repeat(read, counts), np.repeat(kinds[read], counts)
        images = _entries(rows, read[counts > 0])
        updates = np.flatnonzero(kinds == UPDATE)
        before = np.arange(len(docs))
        if len(updates):
            before[updates] = len(docs) + np.arange(len(updates))
            changed = np.unique(docs[updates])
            was, now = _entries(old, changed), images[updates]
            keys = self._old_keys(payloads, changed) if needs_keys(was, now) else None
            images = pl.concat([images, completed(was, now, keys)])
        return Changed(
            docs=docs,
            kinds=kinds,
            images=images,
            before=before,
            after=np.arange(len(docs)),
            skipped=int((~wanted).sum()),
        )

    def _old_keys(self, payloads: pl.Series, docs: Ints) -> pl.Series:
        found = self._keys.decode(payloads.gather(pl.Series(docs))).frame["old"]
        return found.explode().list.eval(pl.element().struct.field("key"))

    def _wanted(self, said: pl.DataFrame) -> np.ndarray:
        wanted = np.ones(said.height, np.bool_)
        for name, pattern in self._only.items():
            # A loop over the different names of databases or tables, not over rows.
            names = [n for n in said[name].unique().to_list() if n is not None]
            fit = [n for n in names if pattern.fullmatch(n)]
            wanted &= said[name].is_in(fit).fill_null(value=False).to_numpy()
        return wanted


def _entries(lists: pl.Series, docs: Ints) -> pl.DataFrame:
    """Return the entries of some lists, one after the other; none of them is empty."""
    return lists.gather(pl.Series(docs)).explode().struct.unnest()


def _pattern(given: str, name: str) -> re.Pattern[str]:
    try:
        return java_pattern(given).python
    except BadPattern as error:
        raise OptionError(
            f"{given!r} is no regular expression: {error}.",
            where=f"option '{name}'",
            hint="It is written as Java's are: shop_.*",
        ) from None


def _encoder(schema: Schema, config: CanalConfig) -> EnvelopeEncoder:
    return EnvelopeEncoder(
        NAME,
        schema,
        config,
        put=Wrapping('{"data":[', '],"type":"INSERT"}'),
        drop=Wrapping('{"data":[', '],"type":"DELETE"}'),
    )


FORMAT = Format(
    name=NAME,
    doc="Changes of MySQL as Canal tells them.",
    config=CanalConfig,
    decoder=CanalDecoder,
    encoder=_encoder,
    changelog=True,
)
