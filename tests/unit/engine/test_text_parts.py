"""Parts of texts as views, against Python's split: no byte may be taken from a neighbour."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.engine.functions.text_parts import nth_part

TEXTS = st.lists(
    st.none() | st.text(alphabet="ab/,é😀\x00", max_size=60) | st.just("x" * 20 + "/" + "y" * 13),
    max_size=20,
)


def twin(text: str | None, delimiter: str, nth: int) -> str | None:
    if not text:
        return None
    parts = text.split(delimiter)
    return parts[nth] if nth < len(parts) else None


@settings(max_examples=300, deadline=None)
@given(
    before=TEXTS,
    texts=TEXTS,
    delimiter=st.sampled_from(["/", ",", "é", "ab", "//", "😀"]),
    nth=st.integers(0, 4),
    skipped=st.integers(0, 3),
)
def test_parts_equal_those_of_python(
    before: list[str | None], texts: list[str | None], delimiter: str, nth: int, skipped: int
) -> None:
    """Short texts lie in their view and long ones in blocks, of which a column may have several."""
    column = pl.concat([pl.Series(before, dtype=pl.String), pl.Series(texts, dtype=pl.String)])
    column = column.slice(skipped)
    got = nth_part(column, delimiter, nth)
    assert got.dtype == pl.String
    assert got.to_list() == [twin(t, delimiter, nth) for t in column.to_list()]
    # What comes after the column reads lengths, beginnings and bytes each in its own way.
    assert got.str.len_bytes().to_list() == [
        None if t is None else len(t.encode()) for t in got.to_list()
    ]
    assert (got == pl.Series(got.to_list(), dtype=pl.String)).fill_null(True).all()
