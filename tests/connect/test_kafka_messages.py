"""Blocks of messages: whatever way they were cut and joined, each message keeps what it had."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_series_equal

from millstream.connect.kafka_decode import MessageDecoder
from millstream.connect.kafka_messages import Block, of_kept, of_objects, one_block, value_at
from millstream.connect.kafka_options import KafkaConfig
from millstream.plan.table import Physical, Table
from millstream.ports.connector import SourceSpec
from millstream.types import Schema

PLACE = ("topic", 3)
VALUES = st.lists(st.one_of(st.none(), st.binary(max_size=9), st.just("é".encode())), max_size=9)


@dataclass
class Message:
    """What the Python client hands over, as far as it is asked here."""

    payload: bytes | None
    place: int

    def value(self) -> bytes | None:
        return self.payload

    def offset(self) -> int:
        return self.place


def block_of(values: list[bytes | None], first: int = 0) -> Block:
    """Return messages with these values."""
    messages = [Message(value, first + 2 * i) for i, value in enumerate(values)]
    return of_objects(PLACE, messages, frozenset())


@given(values=VALUES, data=st.data())
def test_cut_and_joined_again(values: list[bytes | None], data: st.DataObject) -> None:
    """Chunks are cut anywhere, and made of several receipts."""
    whole = block_of(values)
    assert whole.values.to_list() == values
    assert [value_at(whole, i) for i in range(len(values))] == values
    assert whole.bytes == sum(len(v or b"") for v in values)
    cut = data.draw(st.integers(0, len(values)))
    parts = [whole.cut(0, cut), whole.cut(cut, len(values))]
    assert [v for part in parts for v in part.values.to_list()] == values
    assert sum(part.bytes for part in parts) == whole.bytes
    again = one_block(parts)
    assert_series_equal(again.values, whole.values)
    assert again.offsets.tolist() == whole.offsets.tolist()
    assert [value_at(again, i) for i in range(len(values))] == values
    kept = of_kept(whole.values)
    assert kept.values.to_list() == values
    assert kept.bytes == whole.bytes


@given(values=st.lists(st.binary(max_size=5), min_size=1), limit=st.integers(1, 30))
def test_rows_up_to_a_size(values: list[bytes], limit: int) -> None:
    """The message that reaches the limit is the last one."""
    found = block_of([b"before", *values]).cut(1, len(values) + 1).rows_within(limit)
    sizes = np.cumsum([len(v) for v in values])
    over = np.flatnonzero(sizes >= limit)
    assert found == (int(over[0]) + 1 if len(over) else None)


def decoder(format_name: str) -> MessageDecoder:
    """Return the decoder of a table of one text."""
    columns = Schema.of({"a": "STRING"})
    table = Table("t", tuple(Physical(f.name, f.type) for f in columns), "kafka")
    config = KafkaConfig(topic=("topic",), properties={"bootstrap.servers": "nowhere"})
    spec = SourceSpec(
        table=table, config=config, physical=columns, metadata=(), formats={"format": format_name}
    )
    return MessageDecoder(spec, config, upsert=False)


@pytest.mark.parametrize("format_name", ["json", "csv", "raw"])
def test_values_are_decoded_where_they_lie(format_name: str) -> None:
    """As a column of payloads is: NULL, empty, broken, no UTF-8, and an empty one at the end."""
    document = {"json": '{"a":"é"}', "csv": "é", "raw": "é"}[format_name].encode()
    cases: list[list[bytes | None]] = [
        [document, document],
        [document, b""],
        [b"", document],
        [document, None, document],
        [document[:4], document, b"\xff" + document],
        [document[:-1] + b"\xc3", b"\xa9" + document, b""],
        [b""],
        [],
    ]
    for values in cases:
        tried = decoder(format_name)
        rows = tried.decode(block_of(values, first=100))
        alone = tried._value_decoder.decode(pl.Series(values, dtype=pl.Binary))
        assert rows.frame.equals(alone.frame)
        good = range(len(values)) if alone.good is None else alone.good.tolist()
        assert rows.offsets.to_list() == [100 + 2 * i for i in good]
        bad = [] if rows.rejected is None else rows.rejected.rows()
        expected = [
            (reason, 100 + 2 * i, values[i])
            for i, reason in zip(alone.bad.tolist(), alone.reasons, strict=True)
        ]
        assert bad == expected
