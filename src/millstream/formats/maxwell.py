"""The format ``maxwell-json``: changes of MySQL as Maxwell tells them.

document  ``{"database": …, "table": …, "type": "update", "data": {…}, "old": {…}}``
read      insert, update, delete; ``old`` holds only the fields that were changed, the others are
          those of ``data``; ``envelope``
bad       an update without ``old``, a document without ``data``, another type
source    Flink's Maxwell format, its options and their meaning
differs   a field that ``old`` holds inside a nested value is not taken for a changed column
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from millstream import types as t
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

if TYPE_CHECKING:
    from millstream.types import Schema

NAME = "maxwell-json"
_WORDS = {"insert": INSERT, "update": UPDATE, "delete": DELETE}
_OLD_KEYS = t.Schema.of({"old": t.Map(t.VarChar(), t.VarChar())})


class MaxwellDecoder(EnvelopeDecoder):
    """Decodes Maxwell's documents."""

    def __init__(self, schema: Schema, config: EnvelopeConfig) -> None:
        super().__init__(schema, config)
        self._keys = JsonDecoder(_OLD_KEYS, DecodeRules(times=self.rules.times, ignore_errors=True))

    def envelope(self) -> Schema:
        """The row, what changed in it, kind."""
        return t.Schema.of({"data": self.row, "old": self.row, "type": t.VarChar()})

    def read(self, said: pl.DataFrame, payloads: pl.Series, bad: Bad) -> Changed:
        """Complete the old rows of updates."""
        kinds = kinds_of(said["type"], _WORDS)
        unknown = pl.Series(kinds == UNKNOWN)
        unknown_words(said["type"], unknown, "type", "insert, update and delete", bad)
        bad.note(said["data"].is_null(), "the row ('data') is NULL")
        without_old = pl.Series(kinds == UPDATE) & said["old"].is_null()
        bad.note(without_old, "the old row ('old') of an update is NULL")
        docs = np.flatnonzero(bad.keep(said.height))
        kinds = kinds[docs]
        changed = pl.Series(docs[kinds == UPDATE])
        rows, now = said["data"].struct.unnest(), said["data"].gather(changed).struct.unnest()
        old = said["old"].gather(changed).struct.unnest()
        keys = None
        if needs_keys(old, now):
            found = self._keys.decode(payloads.gather(changed)).frame["old"]
            keys = found.list.eval(pl.element().struct.field("key"))
        before = docs.copy()
        before[kinds == UPDATE] = said.height + np.arange(len(changed))
        images = pl.concat([rows, completed(old, now, keys)])
        return Changed(docs=docs, kinds=kinds, images=images, before=before, after=docs)


def _encoder(schema: Schema, config: EnvelopeConfig) -> EnvelopeEncoder:
    return EnvelopeEncoder(
        NAME,
        schema,
        config,
        put=Wrapping('{"data":', ',"type":"insert"}'),
        drop=Wrapping('{"data":', ',"type":"delete"}'),
    )


FORMAT = Format(
    name=NAME,
    doc="Changes of MySQL as Maxwell tells them.",
    config=EnvelopeConfig,
    decoder=MaxwellDecoder,
    encoder=_encoder,
    changelog=True,
)
