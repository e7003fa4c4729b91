"""Rows of one table to messages: key, value, and the metadata a row may name.

in      frames with the writable columns, plus ``$op`` for upsert tables and changelog formats
out     parallel lists, one entry per message; in an upsert table a DELETE is a tombstone (key
        without value), the old half of an update is not sent, because the new half replaces it; a
        changelog format writes every change as a document
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from millstream.columns.changes import OP, Op
from millstream.columns.frames import filtered, picked
from millstream.connect.kafka_decode import KeyColumns, tells_changes, value_option
from millstream.connect.kafka_options import KafkaConfig, KeyInValue
from millstream.errors import OptionError
from millstream.ports.registry import encoder_for
from millstream.types import Schema

if TYPE_CHECKING:
    from millstream.ports.connector import SinkSpec
    from millstream.ports.format import Encoder

WRITABLE_METADATA: Final = ("timestamp", "headers", "key", "topic")


@dataclass(frozen=True, slots=True)
class Messages:
    """What one frame becomes; ``rows`` are the rows behind the messages, for error reports."""

    rows: pl.DataFrame
    values: list[bytes | None]
    keys: list[bytes | None] | None = None
    topics: list[str | None] | None = None
    timestamps_ms: list[int | None] | None = None
    headers: list[list[tuple[str, bytes]] | None] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def without(self, refused: set[int]) -> Messages:
        """The same messages but some."""
        keep = [i for i in range(len(self)) if i not in refused]

        def some(column: list[Any] | None) -> list[Any] | None:
            return None if column is None else [column[i] for i in keep]

        return Messages(
            self.rows[keep],
            [self.values[i] for i in keep],
            some(self.keys),
            some(self.topics),
            some(self.timestamps_ms),
            some(self.headers),
        )


class MessageEncoder:
    """Encodes the rows of one table; holds no state between frames."""

    def __init__(self, spec: SinkSpec, config: KafkaConfig, *, upsert: bool) -> None:
        owner = f"table '{spec.table.name}'"
        physical = spec.table.physical
        key = KeyColumns.of(config, physical, spec.formats, owner)
        self._upsert = upsert
        self._changelog = tells_changes(spec.formats, owner, upsert=upsert)
        self._meta = {m.key: m.name for m in spec.table.metadata if not m.virtual}
        for name in self._meta:
            if name not in WRITABLE_METADATA:
                raise OptionError(
                    f"The metadata '{name}' cannot be written.", where=owner,
                    hint="Declare the column … METADATA VIRTUAL.",
                )  # fmt: skip
        if "key" in self._meta and key.columns:
            raise OptionError(
                "The message key comes from 'key.fields' or from the metadata 'key', not both.",
                where=owner,
            )
        in_value = physical
        if config.value_fields_include is KeyInValue.EXCEPT_KEY:
            in_value = Schema(tuple(f for f in physical if f.name not in key.columns))
        option = value_option(spec.formats)
        self._value_columns = list(in_value.names)
        self._value = encoder_for(in_value, spec.formats, owner=owner, option=option)
        self._key: Encoder | None = None
        if key.columns:
            inner = key.inner(physical)
            self._key_columns = dict(zip(key.columns, inner.names, strict=True))
            self._key = encoder_for(inner, spec.formats, owner=owner, option="key.format")

    def encode(self, frame: pl.DataFrame) -> Messages:
        """Encode a frame; the order of rows is the order of messages."""
        changes = [OP] if self._changelog and OP in frame.columns else []
        if OP in frame.columns and not changes:
            frame = filtered(frame, frame[OP] != int(Op.UPDATE_BEFORE))
        values = self._value.encode(picked(frame, [*self._value_columns, *changes])).to_list()
        if self._upsert and OP in frame.columns:
            dead = (frame[OP] == int(Op.DELETE)).to_list()
            values = [None if d else v for v, d in zip(values, dead, strict=True)]
        keys = self._meta_column(frame, "key")
        if self._key is not None:
            inner = pl.DataFrame([frame[o].alias(i) for o, i in self._key_columns.items()])
            keys = self._key.encode(inner).to_list()
        stamps = None
        if "timestamp" in self._meta:
            stamps = frame[self._meta["timestamp"]].dt.epoch("ms").to_list()
        headers = self._meta_column(frame, "headers")
        if headers is not None:
            headers = [h and [(pair["key"], pair["value"]) for pair in h] for h in headers]
        return Messages(frame, values, keys, self._meta_column(frame, "topic"), stamps, headers)

    def _meta_column(self, frame: pl.DataFrame, key: str) -> list[Any] | None:
        return frame[self._meta[key]].to_list() if key in self._meta else None
