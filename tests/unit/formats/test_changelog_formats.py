"""Debezium, Canal and Maxwell: every change in order, every bad document alone, nothing lost."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.columns.changes import OP, Op
from millstream.columns.physical import polars_schema
from millstream.errors import DataError, OptionError, UnknownName
from millstream.ports.registry import decoder_for, encoder_for
from millstream.types import Schema

PETS = Schema.of({"id": "BIGINT", "name": "STRING", "kilos": "DECIMAL(5, 2)"})
FORMATS = ["debezium-json", "canal-json", "maxwell-json"]


def payloads(*documents: Any) -> pl.Series:
    """Documents as they travel; bytes and None stay as they are."""
    raw = [d if isinstance(d, bytes | None) else json.dumps(d).encode() for d in documents]
    return pl.Series(raw, dtype=pl.Binary)


def read(name: str, *documents: Any, schema: Schema = PETS, **options: str) -> Any:
    given_ = {"format": name, **{f"{name}.{k}": v for k, v in options.items()}}
    return decoder_for(schema, given_, owner="table 't'").decode(payloads(*documents))


def changes(decoded: Any) -> list[tuple[str, ...]]:
    """Rows as short texts, the change kind first."""
    return [
        (Op(row[-1]).short, *("-" if v is None else str(v) for v in row[:-1]))
        for row in decoded.frame.iter_rows()
    ]


def pet(id_: int, name: str | None, kilos: float | None) -> dict[str, Any]:
    return {"id": id_, "name": name, "kilos": kilos}


def test_debezium_changes_become_rows_in_order():
    """An update is its old row and then its new one; both belong to one document."""
    found = read(
        "debezium-json",
        {"before": None, "after": pet(1, "a", 2.5), "op": "r", "source": {"db": "x"}, "ts_ms": 1},
        {"before": pet(1, "a", 2.5), "after": pet(1, "b", 2.5), "op": "u", "transaction": None},
        {"before": None, "after": pet(2, "c", None), "op": "c"},
        {"before": pet(1, "b", 2.5), "after": None, "op": "d"},
    )
    assert changes(found) == [
        ("+I", "1", "a", "2.50"),
        ("-U", "1", "a", "2.50"),
        ("+U", "1", "b", "2.50"),
        ("+I", "2", "c", "-"),
        ("-D", "1", "b", "2.50"),
    ]
    assert found.good.tolist() == [0, 1, 1, 2, 3]
    assert not len(found.bad)


def test_debezium_documents_that_do_not_say_enough_are_rejected_alone():
    """An update without its old row would corrupt every sum above it; the reason names the cure."""
    found = read(
        "debezium-json",
        b"no json",
        {"before": None, "after": pet(1, "a", 1), "op": "u"},
        {"before": None, "after": None, "op": "d"},
        {"before": None, "after": pet(1, "a", 1), "op": "c"},
        {"before": None, "after": None, "op": "c"},
        {"op": "t"},
        {"after": pet(1, "a", 1)},
        {"after": {"id": "x"}, "op": "c"},
        None,
        {"schema": {}, "payload": {"after": pet(1, "a", 1), "op": "c"}},
    )
    assert changes(found) == [("+I", "1", "a", "1.00")]
    assert found.good.tolist() == [3]
    assert found.bad.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    for reason, part in zip(
        found.reasons,
        [
            "JSON object",
            "REPLICA IDENTITY FULL",
            "REPLICA IDENTITY FULL",
            "new row",
            "'op' is 't'",
            "no 'op'",
            "field 'after.id': 'x' is no BIGINT",
            "no payload",
            "schema-include",
        ],
        strict=True,
    ):
        assert part in reason


def test_debezium_with_a_schema_around_it():
    """Kafka Connect wraps documents unless told not to."""
    found = read(
        "debezium-json",
        {"schema": {"type": "struct"}, "payload": {"after": pet(1, "a", 1), "op": "c"}},
        {"schema": None, "payload": None},
        {"after": pet(1, "a", 1), "op": "c"},
        **{"schema-include": "true"},
    )
    assert changes(found) == [("+I", "1", "a", "1.00")]
    assert found.bad.tolist() == [1, 2]
    assert "leave 'debezium-json.schema-include' out" in found.reasons[0]


def test_maxwell_completes_the_old_row():
    """Only changed fields are in 'old'; one that was NULL before is there with null."""
    found = read(
        "maxwell-json",
        {"type": "insert", "data": pet(1, "a", None), "database": "d", "table": "t"},
        {"type": "update", "data": pet(1, "b", 3), "old": {"name": None}},
        {"type": "update", "data": pet(1, "b", 4), "old": {"kilos": 3}},
        {"type": "update", "data": pet(1, "b", 4), "old": {}},
        {"type": "delete", "data": pet(1, "b", 4)},
    )
    assert changes(found) == [
        ("+I", "1", "a", "-"),
        ("-U", "1", "-", "3.00"),
        ("+U", "1", "b", "3.00"),
        ("-U", "1", "b", "3.00"),
        ("+U", "1", "b", "4.00"),
        ("-U", "1", "b", "4.00"),
        ("+U", "1", "b", "4.00"),
        ("-D", "1", "b", "4.00"),
    ]
    assert found.good.tolist() == [0, 1, 1, 2, 2, 3, 3, 4]


def test_maxwell_documents_that_do_not_say_enough_are_rejected_alone():
    """What is missing is said, and the documents around it are read."""
    found = read(
        "maxwell-json",
        {"type": "update", "data": pet(1, "b", 3)},
        {"type": "insert", "data": pet(1, "b", 3)},
        {"type": "bootstrap-start", "data": {}},
        {"type": "delete"},
    )
    assert changes(found) == [("+I", "1", "b", "3.00")]
    assert found.bad.tolist() == [0, 2, 3]
    assert [r.split("'")[1] for r in found.reasons] == ["old", "type", "data"]


def test_canal_gives_every_row_of_a_document():
    """One statement of MySQL may change many rows; 'old' fits them by position."""
    found = read(
        "canal-json",
        {"type": "INSERT", "data": [pet(1, "a", 1), pet(2, "b", None)], "isDdl": False},
        {
            "type": "UPDATE",
            "data": [pet(1, "x", 1), pet(2, "b", 7)],
            "old": [{"name": "a"}, {"kilos": None}],
        },
        {"type": "CREATE", "data": None, "isDdl": True},
        {"type": "INSERT", "data": []},
        {"type": "DELETE", "data": [pet(2, "b", 7)], "old": None},
    )
    assert changes(found) == [
        ("+I", "1", "a", "1.00"),
        ("+I", "2", "b", "-"),
        ("-U", "1", "a", "1.00"),
        ("+U", "1", "x", "1.00"),
        ("-U", "2", "b", "-"),
        ("+U", "2", "b", "7.00"),
        ("-D", "2", "b", "7.00"),
    ]
    assert found.good.tolist() == [0, 0, 1, 1, 1, 1, 4]
    assert found.skipped == 1


def test_canal_documents_that_do_not_say_enough_are_rejected_alone():
    """A row too many in 'old' or a row that is null cannot be placed."""
    found = read(
        "canal-json",
        {"type": "UPDATE", "data": [pet(1, "a", 1)], "old": []},
        {"type": "INSERT", "data": [None]},
        {"type": "ALTER", "data": None},
        {"type": "INSERT", "data": None},
        {"type": "INSERT", "data": [pet(5, "e", 1)]},
    )
    assert changes(found) == [("+I", "5", "e", "1.00")]
    assert found.bad.tolist() == [0, 1, 2, 3]
    assert found.skipped == 0


def test_canal_reads_only_the_tables_asked_for():
    """The patterns are Java's and match a name whole; what they leave out is counted."""
    found = read(
        "canal-json",
        {"type": "INSERT", "database": "shop", "table": "pets_1", "data": [pet(1, "a", 1)]},
        {"type": "INSERT", "database": "shop", "table": "pets_x", "data": [pet(2, "a", 1)]},
        {"type": "INSERT", "database": "shop2", "table": "pets_1", "data": [pet(3, "a", 1)]},
        {"type": "ALTER", "database": "shop2", "table": "pets_1", "data": None},
        {"type": "INSERT", "data": [pet(4, "a", 1)]},
        **{"database.include": "shop", "table.include": r"pets_\d+"},
    )
    assert changes(found) == [("+I", "1", "a", "1.00")]
    assert found.skipped == 4
    assert not len(found.bad)
    with pytest.raises(OptionError, match="no regular expression"):
        read("canal-json", {}, **{"table.include": "("})


def test_values_that_cannot_be_read_are_null_where_that_is_wanted():
    """'ignore-parse-errors' is about values; an envelope without a kind is rejected as ever."""
    found = read(
        "debezium-json",
        {"after": {"id": "x", "name": "a", "kilos": 1}, "op": "c"},
        {"after": pet(1, "a", 1)},
        **{"ignore-parse-errors": "true"},
    )
    assert changes(found) == [("+I", "-", "a", "1.00")]
    assert found.bad.tolist() == [1]


def test_options_fit_their_directions():
    """A wrong option is refused before anything is read or written."""
    with pytest.raises(OptionError, match="for reading"):
        encoder_for(
            PETS, {"format": "debezium-json", "debezium-json.schema-include": "true"}, owner="t"
        )
    with pytest.raises(UnknownName, match="fail-on-missing-field"):
        read("debezium-json", **{"fail-on-missing-field": "true"})
    ids = pl.DataFrame({"m": [[{"key": None, "value": 1}]]})
    schema = Schema.of({"m": "MAP<STRING, BIGINT>"})
    ids = ids.cast(polars_schema(schema))
    with pytest.raises(DataError, match=r"maxwell-json\.map-null-key"):
        encoder_for(schema, {"format": "maxwell-json"}, owner="t").encode(ids)


@pytest.mark.parametrize(
    ("name", "documents"),
    [
        (
            "debezium-json",
            [
                '{"before":null,"after":{"id":1,"name":"a"},"op":"c"}',
                '{"before":{"id":1,"name":"a"},"after":null,"op":"d"}',
                '{"before":null,"after":{"id":1,"name":null},"op":"c"}',
                '{"before":{"id":1,"name":null},"after":null,"op":"d"}',
            ],
        ),
        (
            "canal-json",
            [
                '{"data":[{"id":1,"name":"a"}],"type":"INSERT"}',
                '{"data":[{"id":1,"name":"a"}],"type":"DELETE"}',
                '{"data":[{"id":1,"name":null}],"type":"INSERT"}',
                '{"data":[{"id":1,"name":null}],"type":"DELETE"}',
            ],
        ),
        (
            "maxwell-json",
            [
                '{"data":{"id":1,"name":"a"},"type":"insert"}',
                '{"data":{"id":1,"name":"a"},"type":"delete"}',
                '{"data":{"id":1,"name":null},"type":"insert"}',
                '{"data":{"id":1,"name":null},"type":"delete"}',
            ],
        ),
    ],
)
def test_documents_are_written_as_flink_writes_them(name, documents):
    """Other readers of Flink's output must be able to read ours, byte for byte."""
    schema = Schema.of({"id": "BIGINT", "name": "STRING"})
    ops = pl.Series(OP, [Op.INSERT, Op.UPDATE_BEFORE, Op.UPDATE_AFTER, Op.DELETE], dtype=pl.Int8)
    frame = pl.DataFrame({"id": [1] * 4, "name": ["a", "a", None, None]}).with_columns(ops)
    encoder = encoder_for(schema, {"format": name}, owner="t")
    assert [d.decode() for d in encoder.encode(frame)] == documents
    assert encoder.encode(frame.drop(OP)).to_list()[1].decode() == documents[0]


def test_null_fields_are_left_out_of_debezium_where_that_is_wanted():
    """Flink leaves the empty side of the envelope out as well."""
    options = {"format": "debezium-json", "debezium-json.encode.ignore-null-fields": "true"}
    ops = pl.Series(OP, [Op.INSERT, Op.DELETE], dtype=pl.Int8)
    frame = pl.DataFrame({"id": [1, 1], "name": [None, "a"], "kilos": [None, None]}).with_columns(
        ops
    )
    frame = frame.cast({"name": pl.String, "kilos": pl.Decimal(5, 2)})
    assert [d.decode() for d in encoder_for(PETS, options, owner="t").encode(frame)] == [
        '{"after":{"id":1},"op":"c"}',
        '{"before":{"id":1,"name":"a"},"op":"d"}',
    ]


_row = st.tuples(
    st.integers(0, 3),
    st.none() | st.text(max_size=4),
    st.none() | st.integers(-99999, 99999).map(lambda i: f"{i / 100:.2f}"),
)
_changes = st.lists(st.tuples(st.sampled_from(list(Op)), _row), max_size=20)


def folded(frame: pl.DataFrame) -> Counter[tuple[Any, ...]]:
    """The table that changes lead to: how often each row stands."""
    table: Counter[tuple[Any, ...]] = Counter()
    for *row, op in frame.iter_rows():
        table[tuple(row)] += -1 if op in (Op.UPDATE_BEFORE, Op.DELETE) else 1
    return Counter({row: n for row, n in table.items() if n})


@pytest.mark.parametrize("name", FORMATS)
@given(given_changes=_changes)
@settings(max_examples=40)
def test_what_is_written_folds_to_the_same_table(name, given_changes):
    """The formats cannot write an update as one, but the table it leads to must stay."""
    columns = list(zip(*(row for _, row in given_changes), strict=True)) or [(), (), ()]
    frame = pl.DataFrame(
        {
            "id": pl.Series(columns[0], dtype=pl.Int64),
            "name": pl.Series(columns[1], dtype=pl.String),
            "kilos": pl.Series(columns[2], dtype=pl.String).cast(pl.Decimal(5, 2)),
            OP: pl.Series([op for op, _ in given_changes], dtype=pl.Int8),
        }
    )
    written = encoder_for(PETS, {"format": name}, owner="t").encode(frame)
    found = decoder_for(PETS, {"format": name}, owner="t").decode(written)
    assert not len(found.bad)
    assert folded(found.frame) == folded(frame)


_pets = st.builds(
    pet, st.integers(0, 9), st.none() | st.text(max_size=2), st.none() | st.integers(0, 9)
)
_documents = {
    "debezium-json": st.fixed_dictionaries(
        {"op": st.sampled_from("crudtx")},
        optional={"before": st.none() | _pets, "after": st.none() | _pets},
    ),
    "maxwell-json": st.fixed_dictionaries(
        {"type": st.sampled_from(["insert", "update", "delete", "x"])},
        optional={"data": st.none() | _pets, "old": st.none() | st.just({}) | _pets},
    ),
    "canal-json": st.fixed_dictionaries(
        {"type": st.sampled_from(["INSERT", "UPDATE", "DELETE", "CREATE", "x"])},
        optional={
            "data": st.none() | st.lists(st.none() | _pets, max_size=2),
            "old": st.none() | st.lists(_pets, max_size=2),
        },
    ),
}
_garbage = st.sampled_from([None, b"", b"[]", b'{"op":', b"\xff", b'{"op":3,"type":{}}'])


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@settings(max_examples=60)
def test_a_chunk_is_its_documents_one_by_one(name, data):
    """Neither a bad neighbour nor a neighbour with two rows may shift anything."""
    documents = data.draw(st.lists(_documents[name] | _garbage, max_size=8))
    decoder = decoder_for(PETS, {"format": name}, owner="t")
    together = decoder.decode(payloads(*documents))
    rows: list[tuple[Any, ...]] = []
    places: list[int] = []
    bad: list[int] = []
    skipped = 0
    for i, document in enumerate(documents):
        alone = decoder.decode(payloads(document))
        rows += alone.frame.rows()
        places += [i] * alone.frame.height
        bad += [i] * len(alone.bad)
        skipped += alone.skipped
    assert together.frame.rows() == rows
    assert together.good.tolist() == places
    assert together.bad.tolist() == bad
    assert len(together.reasons) == len(bad)
    assert together.skipped == skipped
    nothing = decoder_for(Schema(()), {"format": name}, owner="t").decode(payloads(*documents))
    assert nothing.frame.columns == [OP]
