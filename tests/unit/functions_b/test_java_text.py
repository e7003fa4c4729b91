"""Formats and URLs as Java has them, beyond what the cases hold."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.engine.functions.java_format import java_format
from millstream.engine.functions.java_url import url_part


@settings(max_examples=200, deadline=None)
@given(value=st.integers(-(2**63), 2**63 - 1), width=st.integers(1, 24))
def test_integers_equal_python_where_the_formats_agree(value: int, width: int) -> None:
    """Sign, width, zeros and grouping of %d are the same in both languages."""
    for spec in (f"%{width}d", f"%-{width}d", f"%0{width}d", "%+d", "%,d"):
        wanted = f"{value:,}" if spec == "%,d" else spec % value
        assert java_format(spec, [value]) == wanted


@settings(max_examples=200, deadline=None)
@given(value=st.decimals(-(10**9), 10**9, places=6), places=st.integers(0, 6))
def test_reals_round_half_up(value: Decimal, places: int) -> None:
    """Java rounds half up where Python rounds half to even."""
    found = java_format(f"%.{places}f", [value])
    step = Decimal(1).scaleb(-places)
    assert found is not None
    assert abs(Decimal(found) - value) <= step / 2
    tie = abs(Decimal(found) - value) == step / 2
    assert not tie or abs(Decimal(found)) > abs(value)


@pytest.mark.parametrize("form", ["%", "%y", "%d", "%1$s %3$s", "%99999999d", "%d %d"])
def test_what_does_not_fit_is_null(form: str) -> None:
    """Flink gives NULL, never a half-filled text."""
    assert java_format(form, ["text"]) is None


@pytest.mark.parametrize(
    ("url", "part", "wanted"),
    [
        ("http://h/p?q=1#f", "FILE", "/p?q=1"),
        ("http://u@h", "USERINFO", "u"),
        ("http://h#a?b", "QUERY", None),
        ("http://h?a#b#c", "REF", "b#c"),
        ("nothing", "HOST", None),
        ("http://h:x/", "PATH", None),
    ],
)
def test_parts_of_urls(url: str, part: str, wanted: str | None) -> None:
    """The order of #, ? and / decides what belongs to what."""
    assert url_part(url, part) == wanted


def test_a_key_of_a_query_is_no_pattern() -> None:
    """A key with a dot must not match any character."""
    assert url_part("http://h?axb=1&a.b=2", "QUERY", "a.b") == "2"
