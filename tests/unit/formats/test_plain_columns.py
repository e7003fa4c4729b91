"""Many fields read in one call are what each of them is, read alone."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_series_equal

from millstream.formats.coerce import ISO_TIMES, SQL_TIMES, Failures, Spans, TimeTexts, column
from millstream.formats.json_decode import buffer_of
from millstream.formats.json_rows import Tree, find_fields
from millstream.formats.plain_columns import Recipes, read_plain
from millstream.types import Schema

TYPES = (
    *("TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "BOOLEAN", "DATE", "TIME(3)"),
    *("TIMESTAMP(3)", "TIMESTAMP(6)", "TIMESTAMP(9)", "TIMESTAMP_LTZ(3)", "STRING"),
    *("INTERVAL DAY TO SECOND(3)", "INTERVAL YEAR TO MONTH", "DECIMAL(10, 2)"),
)
SCHEMA = Schema.of({f"c{i}": dtype for i, dtype in enumerate(TYPES)})
VALUES = (
    *("0", "1", "-7", "127", "128", "-32768", "2147483647", "9223372036854775807", "1e400"),
    *("0.5", "-2.25", "16777217.5", "1e-7", "0.1000000000000000055511151231257827", '"+12"'),
    *("true", "false", "null", '"true"', '" no "', '"caf\\u00e9"', '"\\u0031"', "{}", "[1]"),
    *('"2026-01-31"', '"12:30:59.125"', '"2026-01-31 12:30:59.125"', '"2026-01-31T12:30"'),
    *('"2026-02-30"', '"2026-01-31 12:30:59Z"', '"1600-01-31 00:00:00"', '"12:30"'),
)


def document(values: list[str]) -> bytes:
    """Write values as JSON; an empty one is missing."""
    return ("{" + ",".join(f'"c{i}":{v}' for i, v in enumerate(values) if v) + "}").encode()


def check(documents: list[bytes], times: TimeTexts = SQL_TIMES) -> int:
    """Compare every column; returns how many were read in the one call."""
    tree = Tree.of([(f.name, f.type) for f in SCHEMA])
    data, begins, stops = buffer_of(pl.Series(documents, dtype=pl.Binary))
    found = find_fields(tree, data, begins, stops, np.zeros(len(documents), np.int64))
    columns = read_plain(Recipes.of(tree.types, times), found, data)
    for i, field in enumerate(SCHEMA):
        rows = np.arange(len(documents))
        spans = Spans(data, found.starts[i], found.ends[i], found.kinds[i], rows)
        failures = Failures()
        alone, together = column(spans, field.type, field.name, failures, times), columns[i]
        if together is not None:
            assert_series_equal(together, alone, check_names=False, check_exact=True)
            assert not failures.reasons, "what cannot be read is the caller's"
    return sum(c is not None for c in columns)


@given(
    rows=st.lists(st.lists(st.sampled_from([*VALUES, ""]), min_size=17, max_size=17), max_size=5)
)
def test_any_values_of_any_types(rows: list[list[str]]) -> None:
    """Whatever the values are, a column is right or left to the caller."""
    documents = [document(row) for row in rows]
    check(documents)
    check(documents, ISO_TIMES)


@pytest.mark.parametrize("count", [1, 2, 4097])
@pytest.mark.parametrize("gaps", [False, True])
def test_usual_values_are_read_at_once(count: int, *, gaps: bool) -> None:
    """All but texts and decimals, with and without NULLs, for few rows and for many."""
    usual = ["5", "-6", "7", "8", "0.5", "-2.25", "true", '"2026-01-31"', '"12:30:59.125"']
    usual += ['"2026-01-31 12:30:59.125"'] * 3 + ['"2026-01-31 12:30:59.125Z"', '"x"', "9", "3"]
    rows = [
        ["null" if gaps and (n + i) % 2 else value for i, value in enumerate([*usual, "1.25"])]
        for n in range(count)
    ]
    assert check([document(row) for row in rows]) == len(TYPES) - 2


def test_no_documents_and_other_types_alone() -> None:
    """Nothing to read is no special case."""
    assert check([]) == len(TYPES) - 2
    tree = Tree.of([("s", Schema.of({"s": "STRING"}).fields[0].type)])
    data, begins, stops = buffer_of(pl.Series([b'{"s":"x"}']))
    found = find_fields(tree, data, begins, stops, np.zeros(1, np.int64))
    assert read_plain(Recipes.of(tree.types, SQL_TIMES), found, data) == [None]
