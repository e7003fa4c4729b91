"""Messages of one partition to typed rows, a chunk at a time.

in      blocks of messages in offset order
out     a frame: wanted physical columns in schema order, wanted metadata columns, and ``$op`` for
        upsert tables; the rejected documents; each row's offset
keys    key columns come from the message key only where the value does not carry them
        (``value.fields-include`` = 'EXCEPT_KEY', and tombstones, which have no value); a message
        without a key has NULL key columns, in an upsert table it is rejected
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from millstream.columns.changes import OP, Op
from millstream.columns.frames import filtered, gathered, gathered_columns
from millstream.columns.physical import polars_type
from millstream.connect.kafka_messages import OPTIONAL, Block, of_kept, value_at
from millstream.connect.kafka_options import KafkaConfig, KeyInValue
from millstream.errors import OptionError, UnknownName
from millstream.formats.side_by_side import side_by_side
from millstream.ports.registry import connector, decoder_for, format_of, metadata_type
from millstream.types import Field, Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from millstream.plan.table import Metadata
    from millstream.ports.connector import SourceSpec
    from millstream.ports.format import Decoded, Decoder

REJECTED = {"reason": pl.String(), "offset": pl.Int64(), "raw": pl.Binary()}
SPLIT = r"^(?<topic>.+):(?<partition>\d+)$"


@dataclass(frozen=True, slots=True)
class Rows:
    """What one chunk's messages became."""

    frame: pl.DataFrame
    rejected: pl.DataFrame | None
    offsets: pl.Series
    bytes: int
    skipped: int = 0


def tells_changes(formats: Mapping[str, Any], owner: str, *, upsert: bool) -> bool:
    """Tell whether the values of a table are changes themselves; refuse it where they cannot be."""
    if "key.format" in formats:
        key, _ = format_of(formats, owner, "key.format")
        if key.changelog:
            raise OptionError(
                f"'{key.name}' tells of changes, a key is a plain row.",
                where=owner,
                hint="Use it as 'value.format'; say 'key.format' = 'json'.",
            )
    value, _ = format_of(formats, owner, value_option(formats))
    if upsert and value.changelog:
        raise OptionError(
            f"The connector 'upsert-kafka' makes the changes itself, '{value.name}' tells of them.",
            where=owner,
            hint="Use the connector 'kafka', or the format 'json'.",
        )
    return value.changelog


def value_option(formats: Mapping[str, Any]) -> str:
    """Return the option that names the format of values."""
    return "value.format" if "value.format" in formats else "format"


@dataclass(frozen=True, slots=True)
class KeyColumns:
    """The key columns of a table, and their names inside the key payload."""

    columns: tuple[str, ...]
    prefix: str

    @classmethod
    def of(
        cls, config: KafkaConfig, physical: Schema, formats: Mapping[str, Any], owner: str
    ) -> KeyColumns:
        """Check the key options against the table."""
        prefix, columns = config.key_fields_prefix, config.key_fields
        if bool(columns) != ("key.format" in formats):
            raise OptionError(
                "'key.format' and 'key.fields' go together.", where=owner,
                hint="Name both, or neither.",
            )  # fmt: skip
        if "format" in formats and "value.format" in formats:
            raise OptionError(
                "'format' and 'value.format' are the same option.", where=owner,
                hint="Leave one of them out.",
            )  # fmt: skip
        for name in columns:
            if name not in physical:
                raise UnknownName("key column", name, available=physical.names, where=owner)
            if not name.startswith(prefix):
                raise OptionError(
                    f"The key column '{name}' does not start with '{prefix}'.", where=owner,
                    hint="Every name in 'key.fields' carries 'key.fields-prefix'.",
                )  # fmt: skip
        if prefix and config.value_fields_include is KeyInValue.ALL:
            raise OptionError(
                "'key.fields-prefix' needs 'value.fields-include' = 'EXCEPT_KEY'.", where=owner
            )
        return cls(columns, prefix)

    def inner(self, schema: Schema) -> Schema:
        """The schema inside the key payload, of those key columns that ``schema`` has."""
        return Schema(
            tuple(
                Field(name.removeprefix(self.prefix), schema.type_of(name))
                for name in self.columns
                if name in schema
            )
        )

    def outer(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The decoded key under the table's names."""
        return frame.rename({c: self.prefix + c for c in frame.columns}) if self.prefix else frame


class MessageDecoder:
    """Decodes the messages of one table; holds no state between chunks."""

    def __init__(self, spec: SourceSpec, config: KafkaConfig, *, upsert: bool) -> None:
        owner = f"table '{spec.table.name}'"
        key = KeyColumns.of(config, spec.table.physical, spec.formats, owner)
        self._key = key
        self._upsert = upsert
        self._changelog = tells_changes(spec.formats, owner, upsert=upsert)
        self._metadata: tuple[Metadata, ...] = spec.metadata
        own = connector(spec.table.connector)
        self._metadata_types = [polars_type(metadata_type(own, m.key)) for m in spec.metadata]
        in_value = spec.table.physical
        if config.value_fields_include is KeyInValue.EXCEPT_KEY:
            in_value = Schema(tuple(f for f in in_value if f.name not in key.columns))
        wanted = Schema(tuple(f for f in in_value if f.name in spec.physical))
        if not len(wanted) and len(in_value):
            # A query for metadata alone must still reject what cannot be decoded.
            wanted = Schema(in_value.fields[:1])
        keys_wanted = Schema(tuple(f for f in spec.physical if f.name in key.columns))
        from_key = upsert or any(f.name not in in_value for f in keys_wanted)
        option = value_option(spec.formats)
        self._value_decoder = side_by_side(
            decoder_for(wanted, spec.formats, owner=owner, option=option, whole=in_value)
        )
        self._key_decoder: Decoder | None = None
        if from_key:
            inner = key.inner(keys_wanted if len(keys_wanted) else spec.table.physical)
            self._key_decoder = decoder_for(inner, spec.formats, owner=owner, option="key.format")
        self._columns = list(spec.physical.names)
        self._types = {f.name: polars_type(f.type) for f in spec.physical}
        if not len(spec.table.physical):
            raise OptionError("The table has no column to decode.", where=owner)

    @property
    def wanted(self) -> frozenset[str]:
        """What of a message is needed beside its value and offset."""
        read = {m.key for m in self._metadata} & OPTIONAL
        return frozenset(read | {"key"} if self._key_decoder is not None else read)

    def decode(self, messages: Block) -> Rows:
        """Decode a chunk; rows come in offset order."""
        bad: dict[int, str] = {}
        docs = np.arange(len(messages), dtype=np.int64)
        dead = docs[:0]
        skipped = 0
        there = messages.there
        if there is not None and (self._upsert or self._changelog):
            docs, dead = docs[there], docs[~there]
        if self._changelog:
            # A tombstone follows the delete that said the same with the row: for Kafka alone.
            skipped, dead = len(dead), dead[:0]
        decoded = self._decoded(messages, docs)
        for index, reason in zip(decoded.bad.tolist(), decoded.reasons, strict=True):
            bad[int(docs[index])] = reason
        rows = docs if decoded.good is None else docs[decoded.good]
        frame = decoded.frame
        if self._upsert and OP not in frame.columns:
            frame = frame.hstack([_changes(Op.UPDATE_AFTER, frame.height)])
        if self._key_decoder is not None:
            frame, rows = self._with_key(messages, frame, rows, dead, bad)
        # None: a row for each message. A change may be two rows, beside one that is none.
        at = None if len(rows) == len(messages) and not self._changelog else rows
        return Rows(
            self._with_metadata(messages, frame, at),
            _rejected(messages, bad) if bad else None,
            pl.Series("offset", messages.offsets if at is None else messages.offsets[at]),
            messages.bytes,
            skipped + decoded.skipped,
        )

    def _decoded(self, messages: Block, docs: np.ndarray) -> Decoded:
        """Decode the values of some messages, where they lie if the format can."""
        begins, stops = messages.places[:-1], messages.places[1:]
        if len(docs) < len(messages):
            begins, stops = begins[docs], stops[docs]  # the others are tombstones: no bytes
        elif messages.there is not None:
            return self._value_decoder.decode(messages.values)  # each NULL has its reason
        decoded = self._value_decoder.decode_in(messages.data, begins, stops)
        if decoded is not None:
            return decoded
        payloads = messages.values
        return self._value_decoder.decode(
            payloads if messages.there is None else payloads.filter(pl.Series(messages.there))
        )

    def _with_metadata(
        self, messages: Block, frame: pl.DataFrame, rows: np.ndarray | None
    ) -> pl.DataFrame:
        """Return the wanted columns, those of the messages behind those of the values."""
        columns = [*self._columns, *([OP] if OP in frame.columns else [])]
        if not self._metadata and frame.columns == columns:
            return frame
        metadata = [messages.column(m.key) for m in self._metadata]
        if rows is not None:
            metadata = gathered_columns(metadata, rows)
        named = [
            column.cast(dtype).alias(m.name)
            for m, column, dtype in zip(self._metadata, metadata, self._metadata_types, strict=True)
        ]
        at = len(self._columns)
        chosen = [frame[name] for name in columns]
        return pl.DataFrame([*chosen[:at], *named, *chosen[at:]])

    def decode_again(self, documents: pl.DataFrame) -> Rows:
        """Decode values apart from their messages; offsets count them from 0."""
        rows = self.decode(of_kept(documents["raw"]))
        place = documents["split"].str.extract_groups(SPLIT).struct
        known = {
            "topic": place["topic"],
            "partition": place["partition"].cast(pl.Int32, strict=False),
            "offset": documents["offset"],
        }
        where = [
            known[m.key].gather(rows.offsets).cast(dtype).alias(m.name)
            for m, dtype in zip(self._metadata, self._metadata_types, strict=True)
            if m.key in known
        ]
        return replace(rows, frame=rows.frame.with_columns(where))

    def _with_key(
        self,
        messages: Block,
        frame: pl.DataFrame,
        rows: np.ndarray,
        dead: np.ndarray,
        bad: dict[int, str],
    ) -> tuple[pl.DataFrame, np.ndarray]:
        """Add the columns of the key, and the tombstones; a bad key rejects its message."""
        assert self._key_decoder is not None, "asked for keys without a decoder"
        keys = messages.column("key")
        has_key = keys.is_not_null().to_numpy()
        docs = np.flatnonzero(has_key)
        decoded = self._key_decoder.decode(keys.filter(has_key))
        for index, reason in zip(decoded.bad.tolist(), decoded.reasons, strict=True):
            bad[int(docs[index])] = f"key: {reason}"
        if self._upsert:
            for index in np.flatnonzero(~has_key).tolist():
                bad.setdefault(index, "a message of an upsert table needs a key")
        found = self._key.outer(decoded.frame)
        good = docs if decoded.good is None else docs[decoded.good]
        place = np.full(len(messages), -1, dtype=np.int64)
        place[good] = np.arange(len(good))
        if bad:
            refused = np.zeros(len(messages), dtype=bool)
            refused[list(bad)] = True
            keep = ~refused[rows]
            frame, rows = filtered(frame, pl.Series(keep)), rows[keep]
            dead = dead[~refused[dead]]
        # A column that the value has too is the key's, at its old place.
        named = {c.name: c for f in (frame, _gather(found, place[rows])) for c in f}
        frame = pl.DataFrame(list(named.values()))
        if not len(dead):
            return frame, rows
        gone = _gather(found, place[dead]).hstack([_changes(Op.DELETE, len(dead))])
        both = pl.concat([frame, gone], how="diagonal")
        all_rows = np.concatenate([rows, dead])
        order = np.argsort(all_rows, kind="stable")
        return both[order], all_rows[order]


def _rejected(messages: Block, bad: dict[int, str]) -> pl.DataFrame:
    """The documents that no row came of, a loop over rejected rows alone.

    Their bytes are copied, or one of them would keep the whole chunk in memory.
    """
    at = sorted(bad)
    return pl.DataFrame(
        {
            "reason": [bad[i] for i in at],
            "offset": [int(messages.offsets[i]) for i in at],
            "raw": [value_at(messages, i) for i in at],
        },
        schema=REJECTED,
    )


def _changes(kind: Op, count: int) -> pl.Series:
    """Return a column that says so many times what kind of change a row is."""
    return pl.Series(OP, [int(kind)], dtype=pl.Int8).new_from_index(0, count)


def _gather(frame: pl.DataFrame, places: np.ndarray) -> pl.DataFrame:
    """Rows by place; -1 gives a row of NULLs."""
    if places.min(initial=0) >= 0:
        return gathered(frame, places)
    index = pl.Series(places)
    return frame.select(pl.all().gather(index.set(index < 0, None)))
