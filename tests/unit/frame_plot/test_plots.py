"""Pictures of results: what is chosen, what is written, what is refused."""

from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET

import polars as pl
import pytest

import millstream as ms
from millstream.frame import chart_data
from millstream.serve.charts import chart
from millstream.types import Schema

pytest.importorskip("matplotlib")
AT = dt.datetime(2026, 1, 1)  # noqa: DTZ001 (a TIMESTAMP has no zone)
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
