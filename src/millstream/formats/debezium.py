"""The format ``debezium-json``: changes of databases as Debezium tells them.

document  ``{"before": {…}, "after": {…}, "op": "c"}``, with ``schema-include`` inside ``payload``
read      c and r (a snapshot's row) are inserts, u updates, d deletes; ``envelope``
bad       an update or delete without its old row, as PostgreSQL sends it unless the table has
          REPLICA IDENTITY FULL; t (truncate), m (message) and other kinds
source    Flink's Debezium format, its options and their meaning; the Debezium documentation
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from millstream import types as t
from millstream.errors import OptionError
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
    kinds_of,
    unknown_words,
)
from millstream.ports.format import Format
from millstream.settings import option

if TYPE_CHECKING:
    from millstream.types import Schema

NAME = "debezium-json"
_WORDS = {"c": INSERT, "r": INSERT, "u": UPDATE, "d": DELETE}
_KNOWN = "c, r, u and d"
_MAYBE_INSIDE = "; a change inside 'payload' needs 'debezium-json.schema-include' = 'true'"
_MAYBE_OUTSIDE = " inside 'payload'; without a schema leave 'debezium-json.schema-include' out"


@dataclass(frozen=True, slots=True, kw_only=True)
class DebeziumConfig(EnvelopeConfig):
    """Flink's options of the Debezium format."""

    schema_include: bool = option(
        "schema-include",
        "Documents hold a schema and the change under 'payload' (Kafka Connect's "
        "'value.converter.schemas.enable'); only read.",
        default=False,
        kind="bool",
    )


class DebeziumDecoder(EnvelopeDecoder):
    """Decodes Debezium's documents."""

    def __init__(self, schema: Schema, config: DebeziumConfig) -> None:
        self._schema_include = config.schema_include
        super().__init__(schema, config)

    def envelope(self) -> Schema:
        """Old row, new row, kind."""
        fields = (("before", self.row), ("after", self.row), ("op", t.VarChar()))
        if self._schema_include:
            return t.Schema.of({"payload": t.Row(fields)})
        return t.Schema.of(dict(fields))

    def read(self, said: pl.DataFrame, payloads: pl.Series, bad: Bad) -> Changed:
        """Check that each kind comes with the rows it needs."""
        del payloads
        if self._schema_include:
            said = said["payload"].struct.unnest()
        kinds = kinds_of(said["op"], _WORDS)
        known = _KNOWN + (_MAYBE_OUTSIDE if self._schema_include else _MAYBE_INSIDE)
        unknown_words(said["op"], pl.Series(kinds == UNKNOWN), "op", known, bad)
        needs_old = pl.Series((kinds == UPDATE) | (kinds == DELETE))
        bad.note(
            needs_old & said["before"].is_null(),
            "the old row ('before') of an update or delete is NULL; a table of PostgreSQL needs "
            "ALTER TABLE … REPLICA IDENTITY FULL",
        )
        needs_new = pl.Series((kinds == INSERT) | (kinds == UPDATE))
        bad.note(
            needs_new & said["after"].is_null(),
            "the new row ('after') of an insert or update is NULL",
        )
        docs = np.flatnonzero(bad.keep(said.height))
        rows = pl.concat([said["before"].struct.unnest(), said["after"].struct.unnest()])
        return Changed(
            docs=docs, kinds=kinds[docs], images=rows, before=docs, after=docs + said.height
        )


def _encoder(schema: Schema, config: DebeziumConfig) -> EnvelopeEncoder:
    if config.schema_include:
        raise OptionError(
            "'debezium-json.schema-include' is for reading: documents are written without schema.",
            hint="Leave it out of the table that is written.",
        )
    nulls = not config.ignore_null_fields
    return EnvelopeEncoder(
        NAME,
        schema,
        config,
        put=Wrapping('{"before":null,"after":' if nulls else '{"after":', ',"op":"c"}'),
        drop=Wrapping('{"before":', ',"after":null,"op":"d"}' if nulls else ',"op":"d"}'),
    )


FORMAT = Format(
    name=NAME,
    doc="Changes of databases as Debezium tells them.",
    config=DebeziumConfig,
    decoder=DebeziumDecoder,
    encoder=_encoder,
    changelog=True,
)
