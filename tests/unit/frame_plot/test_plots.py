"""Pictures of results: what is chosen, what is written, what is refused."""

from __future__ import annotations

import datetime as dt
import math
import xml.etree.ElementTree as ET

import polars as pl
import pytest

import millstream as ms
from millstream.frame import chart_data
from millstream.frame.inline_chart import inline_chart, nice_steps
from millstream.serve.charts import chart
from millstream.types import Schema

pytest.importorskip("matplotlib")
AT = dt.datetime(2026, 1, 1)  # noqa: DTZ001 (a TIMESTAMP has no zone)
LINE = {"kind": "line", "x": "t", "y": "n"}
TIMES = [AT + dt.timedelta(minutes=n) for n in range(6)]


@pytest.mark.parametrize(
    ("frame", "wanted"),
    [
        ({"country": ["de", "fr"], "n": [3, 5]}, "Figure('top', x='country', y=['n'])"),
        ({"t": TIMES, "n": range(6)}, "Figure('line', x='t', y=['n'])"),
        (
            {"t": TIMES, "k": ["a", "b"] * 3, "n": range(6)},
            "Figure('line', x='t', y=['n'], by='k')",
        ),
        ({"a": ["x", "y"], "b": ["u", "v"], "n": [1, 2]}, "Figure('heat', x='a', y=['n'], by='b')"),
        ({"k": ["x", "y"], "n": [1, 2], "m": [3, 4]}, "Figure('bar', x='k', y=['n', 'm'])"),
        ({"lat": [1.0], "lon": [2.0], "n": [3]}, "Figure('geo', x='lon', y=['lat', 'n'])"),
    ],
)
def test_a_frame_is_drawn_by_what_its_columns_are(frame, wanted, tmp_path):
    """One call is enough for results of the usual shapes."""
    figure = ms.plot(pl.DataFrame(frame))
    assert repr(figure) == wanted
    assert figure.save(tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_vectors_names_what_it_draws(tmp_path):
    """The SVG is text: the names of bars and the title are found in it, escaped."""
    frame = pl.DataFrame({"country": ["d<e", "fr"], "n": [3, 5]})
    place = ms.plot(frame, title="Sales & more").save(tmp_path / "deep" / "x.svg")
    root = ET.fromstring(place.read_text())
    assert root.tag.endswith("svg")
    assert "Sales &amp; more" in place.read_text()


def test_the_same_rows_give_the_same_picture():
    """Pictures are committed beside documents: nothing in them may change by itself."""
    frame = pl.DataFrame({"country": ["de", "fr"], "n": [3, 5]})
    assert ms.plot(frame)._repr_svg_() == ms.plot(frame)._repr_svg_()


def test_a_view_is_drawn_as_it_was_said():
    """What chart() says holds for the picture too; what plot() says goes before it."""
    rows = ms.read_memory([{"h": 1, "n": 5}, {"h": 2, "n": 7}])
    view = rows.chart("bar", x="h", y="n", name="per_hour")
    view.run()
    assert repr(view.plot()) == "Figure('bar', x='h', y=['n'])"
    assert repr(view.plot("line")) == "Figure('line', x='h', y=['n'])"


def test_what_cannot_be_drawn_is_said():
    """Each mistake has its own words and a way on."""
    frame = pl.DataFrame({"country": ["de"], "n": [3]})
    with pytest.raises(ms.UnknownName, match="contry"):
        ms.plot(frame, x="contry")
    with pytest.raises(ms.UnknownName, match="pie"):
        ms.plot(frame, "pie")
    with pytest.raises(ms.PlanError, match="how these columns"):
        ms.plot(pl.DataFrame({"a": ["x"], "b": ["y"]}))
    with pytest.raises(ms.PlanError, match="no rows"):
        ms.plot(frame.clear())
    with pytest.raises(ms.PlanError, match="dict"):
        ms.plot({"a": 1})
    with pytest.raises(ms.PlanError, match="kind of picture"):
        ms.plot(frame).save("x.jpeg")
    with pytest.raises(ms.PlanError, match="keeps no rows"):
        ms.read_memory([{"n": 1}]).write_blackhole().plot()


def test_bars_are_the_first_by_their_order():
    """A ranking of many names shows the largest, not whatever came first."""
    frame = pl.DataFrame({"k": [str(n) for n in range(100)], "n": range(100)})
    info = chart("c", Schema.of({"k": "STRING", "n": "BIGINT"}), ("k",), {})
    bars = chart_data.bars_of(info, frame)
    assert bars.names == tuple(str(n) for n in range(99, 89, -1))


def test_lines_grow_along_the_axis_whatever_order_rows_came_in():
    """Rows of a view stand in the order of their keys; a line goes from left to right."""
    frame = pl.DataFrame({"t": [3, 1, 2, 1], "k": ["a", "a", "a", "b"], "n": [30, 10, 20, 5]})
    schema = Schema.of({"t": "BIGINT", "k": "STRING", "n": "BIGINT"})
    said = {"kind": "line", "x": "t", "y": "n", "by": "k"}
    lines = chart_data.lines_of(chart("c", schema, None, said), frame)
    assert [(line.name, line.xs, line.ys) for line in lines] == [
        ("a", (1, 2, 3), (10.0, 20.0, 30.0)),
        ("b", (1,), (5.0,)),
    ]


def test_a_million_points_keep_their_shape_and_their_peak():
    """The newest two thousand of a million would draw a wave as a straight line."""
    frame = pl.DataFrame({"t": range(1_000_000)}).with_columns(
        n=pl.when(pl.col("t") == 432_101).then(99.0).otherwise((pl.col("t") / 50_000).sin())
    )
    info = chart("c", Schema.of({"t": "BIGINT", "n": "DOUBLE"}), None, LINE)
    (line,) = chart_data.lines_of(info, frame)
    assert len(line.xs) <= chart_data.POINTS_MAX
    assert list(line.xs) == sorted(set(line.xs))
    assert line.xs[0] < 2_000
    assert line.xs[-1] > 998_000
    assert (432_101, 99.0) in zip(line.xs, line.ys, strict=True)
    assert min(line.ys) == pytest.approx(-1, abs=1e-6)


def test_a_long_gap_in_many_points_stays_a_gap():
    """A line that is drawn through what nobody measured would be made up."""
    frame = pl.DataFrame({"t": range(10_000)}).with_columns(
        n=pl.when(pl.col("t").is_between(4_000, 6_000)).then(None).otherwise(1.0)
    )
    info = chart("c", Schema.of({"t": "BIGINT", "n": "DOUBLE"}), None, LINE)
    (line,) = chart_data.lines_of(info, frame)
    gap = [x for x, y in zip(line.xs, line.ys, strict=True) if y is None]
    assert 3_990 < min(gap) < 4_020
    assert 5_980 < max(gap) < 6_010


ODD = ["Zürich", "a$b$c", "$\\frac$", "_x", "<b>&", None]


@pytest.mark.parametrize(
    ("kind", "frame", "said"),
    [
        ("line", {"t": [1, 2] * 6, "k": [k for k in ODD for _ in "ab"], "n": range(12)},
         {"x": "t", "y": "n", "by": "k"}),
        ("line", {"t": ["a", "b"], "n": [1, 2]}, {"x": "t", "y": "n"}),
        ("line", {"t": [dt.timedelta(seconds=n) for n in range(3)], "n": range(3)},
         {"x": "t", "y": "n"}),
        ("line", {"t": [1, 2, 3], "n": [1.0, math.inf, math.nan]}, {"x": "t", "y": "n"}),
        ("line", {"t": [1, 2], "n": [1e-13, 3e-13]}, {"x": "t", "y": "n"}),
        ("line", {"t": [1, 2], "n": [1e300, -1e300]}, {"x": "t", "y": "n"}),
        ("bar", {"k": ODD, "n": [1.0, None, math.inf, -2, 0, 3]}, {"x": "k", "y": "n"}),
        ("top", {"k": ODD, "n": [1, None, 2, 3, 4, 5]}, {"x": "k", "y": "n", "title": "$\\x"}),
        ("heat", {"a": ODD, "b": ODD, "n": range(6)}, {"x": "a", "y": "n", "by": "b"}),
        ("geo", {"lon": [1.0, math.inf, None], "lat": [1.0, 2.0, 3.0], "n": [math.nan, 1, 2]},
         {"x": "lon", "y": ["lat", "n"]}),
        ("number", {"n": [math.inf]}, {"y": "n"}),
    ],
)  # fmt: skip
def test_odd_rows_are_drawn(kind, frame, said, tmp_path):
    """A NaN, an infinity or a dollar in one row must not take the picture of all others away."""
    rows = pl.DataFrame(frame, strict=False)
    figure = ms.plot(rows, kind, **said)
    text = figure.save(tmp_path / "x.svg").read_text()
    assert ET.fromstring(text).tag.endswith("svg")
    inline = inline_chart(figure._info, rows)
    for number in ("nan", "inf"):
        assert f'="{number}' not in (inline or "")


def test_names_are_written_as_they_are(tmp_path):
    """Matplotlib takes dollars for formulas, and leaves names with an underscore out."""
    rows = pl.DataFrame({"t": [1, 2] * 2, "k": ["_x", "_x", "a$b$c", "a$b$c"], "n": range(4)})
    text = ms.plot(rows, "line", x="t", y="n", by="k").save(tmp_path / "x.svg").read_text()
    assert "<!-- _x -->" in text
    assert "<!-- a$b$c -->" in text


def test_what_is_not_known_is_no_zero(tmp_path):
    """A NULL beside a 0 looked the same."""
    rows = pl.DataFrame({"k": ["a", "b"], "n": [None, 0]}, schema={"k": pl.String, "n": pl.Int64})
    text = ms.plot(rows, "top", x="k", y="n").save(tmp_path / "x.svg").read_text()
    assert "<!-- – -->" in text
    with pytest.raises(ms.PlanError, match="always NULL"):
        ms.plot(pl.DataFrame({"a": [None], "b": ["x"], "n": [1]}, schema_overrides={"a": pl.Int64}),
                "heat", x="a", y="n", by="b")  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 0), (0, 87), (-3e-13, 1e-12), (0, 5e-324), (-1e300, 1e300), (0, 1.7e308), (-5, -5)],
)
def test_steps_of_an_axis_rise(low, high):
    """Two steps at one height divide by zero."""
    steps = nice_steps(low, high)
    assert len(steps) >= 2
    assert steps == sorted(set(steps))
    assert steps[-1] - steps[0] > 0
    assert steps[0] <= low
