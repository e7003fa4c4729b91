"""What a notebook shows: escaped tables, small charts, and a display that follows the rows."""

from __future__ import annotations

import sys
import threading
import types
import xml.etree.ElementTree as ET

import polars as pl
import pytest

import millstream as ms
from millstream.frame.inline_chart import inline_chart, nice_steps
from millstream.serve.charts import chart
from millstream.types import Schema

EVIL = "<script>alert('x')</script>"
SALES = [{"country": "de", "v": 3}, {"country": "fr", "v": 9}, {"country": "de", "v": 4}]
WAIT_S = 120.0


def svg_of(html: str) -> ET.Element:
    return ET.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])


def texts_of(html: str) -> list[str]:
    return [e.text or "" for e in svg_of(html).iter() if e.tag.endswith("text")]


def test_a_stream_shows_its_columns_and_how_to_run():
    """Nothing has run yet: what can be shown is the schema, and the next step."""
    html = ms.read_memory([{"a<b": 1, "n": "x"}])._repr_html_()
    assert "<td>a&lt;b</td><td>BIGINT</td>" in html
    assert ".collect()" in html
    assert ".view(" in html


def test_rows_are_escaped_and_nulls_are_seen():
    """Rows are somebody else's text: a notebook must not run it."""
    sink = ms.read_memory([{"t": EVIL, "n": 1}, {"t": None, "n": 2}]).write_memory("<i>")
    sink.run()
    html = sink._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "<i>" not in html.replace("<i></i>", "")
    assert '<span class="null">NULL</span>' in html
    assert '<td class="n">2</td>' in html


def test_only_the_newest_rows_are_shown_and_the_rest_is_counted():
    """A result of many rows must not fill the notebook, nor look like the whole."""
    sink = ms.read_memory([{"n": n} for n in range(1_000)]).write_memory()
    sink.run()
    html = sink._repr_html_()
    assert html.count("<tr>") == 1 + 20
    assert "1 000 rows, newest 20 shown" in html
    assert '<td class="n">999</td>' in html


def test_a_sink_elsewhere_says_where_its_rows_go():
    """A sink that keeps nothing here shows that, instead of nothing at all."""
    assert "blackhole" in ms.read_memory([{"n": 1}]).write_blackhole()._repr_html_()


def test_a_view_is_drawn_as_the_dashboard_would():
    """The chart a view has on the wall is the chart it has in a notebook."""
    sales = ms.read_memory(SALES).group_by("country").agg(v=ms.col("v").sum()).view("sales_now")
    sales.run()
    html = sales._repr_html_()
    assert "Sales now" in html
    assert texts_of(html) == ["fr", "9", "de", "7"]


def test_names_inside_a_chart_are_escaped():
    """An SVG in a notebook is markup too."""
    view = ms.read_memory([{"k": EVIL, "v": 3}]).group_by("k").agg(v=ms.col("v").sum()).view("v")
    view.run()
    html = view._repr_html_()
    assert "<script" not in html
    assert texts_of(html)[0].startswith("<script>alert")


@pytest.mark.parametrize("kind", ["line", "bar", "top", "heat", "geo", "number"])
def test_every_kind_gives_markup_that_can_be_read(kind):
    """A chart that is no well-formed XML is shown as nothing; NULLs are where charts break."""
    frame = pl.DataFrame(
        {"a": [1, 2, 3], "b": ["x<", "y&", None], "n": [1.5, None, -3.0], "m": [0.0, 2.0, 9.0]}
    )
    schema = Schema.of({"a": "BIGINT", "b": "STRING", "n": "DOUBLE", "m": "DOUBLE"})
    x = {"heat": "a", "geo": "n", "line": "a"}.get(kind, "b")
    said = {"kind": kind, "x": x, "y": "m,n", **({"by": "b"} if kind in ("heat", "line") else {})}
    html = inline_chart(chart("c", schema, None, said), frame)
    assert html is not None
    ET.fromstring(f"<div>{html}</div>")


def test_a_line_leaves_a_gap_where_a_value_is_missing():
    """NULL is unknown: a line drawn through it would tell of a value that never was."""
    frame = pl.DataFrame({"t": [1, 2, 3, 4, 5], "n": [1.0, 2.0, None, 4.0, 5.0]})
    schema = Schema.of({"t": "BIGINT", "n": "DOUBLE"})
    said = chart("c", schema, None, {"kind": "line", "x": "t", "y": "n"})
    html = inline_chart(said, frame)
    assert html is not None
    (path,) = [e for e in svg_of(html).iter() if e.tag.endswith("path")]
    assert path.attrib["d"].count("M") == 2


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0, 0), (-5, 5), (0, 1e9), (0.001, 0.0013), (-3, -3)]
)
def test_steps_of_an_axis_hold_what_is_drawn(low, high):
    """A value outside the axis would be drawn outside the picture."""
    steps = nice_steps(low, high)
    assert steps[0] <= low
    assert steps[-1] >= high
    assert 2 <= len(steps) <= 8


@pytest.fixture
def kernel(monkeypatch):
    """A notebook's side of the display protocol: what is shown, and each update."""
    shown: list[dict[str, str]] = []
    told = threading.Condition()

    class Handle:
        def update(self, bundle: dict[str, str], *, raw: bool) -> None:
            assert raw
            with told:
                shown.append(bundle)
                told.notify_all()

    def display(bundle: dict[str, str], *, raw: bool, display_id: bool = False) -> Handle | None:
        assert raw
        shown.append(bundle)
        return Handle() if display_id else None

    module = types.ModuleType("IPython.display")
    module.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))

    def until(text: str) -> bool:
        with told:
            return told.wait_for(lambda: text in shown[-1]["text/html"], WAIT_S)

    return shown, until


def test_a_display_follows_the_rows_of_a_job(kernel):
    """A view in a notebook is live: what comes later is shown without asking again."""
    shown, until = kernel
    sales = ms.read_memory(SALES).group_by("country").agg(v=ms.col("v").sum()).view("sales")
    sales._ipython_display_()
    assert "0 rows" in shown[0]["text/html"]
    assert shown[0]["text/plain"] == repr(sales)
    sales.run()
    assert until("2 rows")


def test_a_terminal_is_shown_the_rows_once(kernel, monkeypatch):
    """IPython in a terminal would print every update below the one before."""
    shown, _ = kernel
    monkeypatch.delitem(sys.modules, "ipykernel")
    before = threading.active_count()
    sink = ms.read_memory(SALES).write_memory()
    sink._ipython_display_()
    assert len(shown) == 1
    assert threading.active_count() == before
