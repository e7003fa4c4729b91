"""Functions of the user's own from Python: what stops, what is refused, what is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import millstream as ms
from millstream.engine.batch import Batch
from millstream.engine.functions import Context
from millstream.engine.operator import Lowering
from millstream.engine.operators.process import ProcessRows
from millstream.plan.facts import Facts
from tests.functions import Middle, Numbered, Visits, looked_up, words

if TYPE_CHECKING:
    from collections.abc import Callable

MIDDLE: Any = Middle
VISITS: Any = Visits
WAYS: dict[str, tuple[Callable[[ms.Stream], ms.Stream], str]] = {
    "process": (lambda s: s.process(VISITS, key="k"), "below zero"),
    "aggregate": (lambda s: s.group_by("k").agg(m=MIDDLE(ms.col("v"))), "below zero"),
    "table": (lambda s: s.flat_map(words, "text"), "no more"),
    "async": (lambda s: s.select(x=looked_up(ms.col("k"))), "not found"),
}


def bad_row() -> ms.Stream:
    row = {"k": "nobody", "v": -1, "text": "stop", "ts": "2026-01-01 00:00:00"}
    schema = {"k": "STRING", "v": "INT", "text": "STRING", "ts": "TIMESTAMP(3)"}
    return ms.read_memory([row], schema=schema, event_time="ts")


@pytest.mark.parametrize("way", WAYS)
def test_a_refused_row_stops_the_pipeline_where_that_is_set(way: str) -> None:
    """Whoever says 'fail' must not find rows aside, whatever kind of function refused them."""
    made, why = WAYS[way]
    sink = made(bad_row()).write_memory(f"refused_{way}")
    with pytest.raises(ms.DataError, match=why):
        ms.run(sink, settings={"pipeline.on-reject": "fail"})


def test_a_key_that_is_quiet_for_long_is_forgotten() -> None:
    """State without a time to live grows with the keys; with one, a key begins anew."""
    rows = ms.read_memory([{"k": "a", "v": 4}])
    low = Lowering(
        ctx=Context(), changes_in=(False,), upsert_out=False, seed=0, bounded=False,
        facts_in=(Facts(bounded=False),),
    )  # fmt: skip
    node: Any = rows.process(Numbered, key="k", ttl="1s").node
    operator = ProcessRows(node, low)

    def nth(keys: list[str], at_ms: int) -> list[int]:
        frame = pl.DataFrame({"k": keys, "v": [4] * len(keys)})
        return operator.on_batch(Batch(frame, None, at_ms)).out[0]["nth"].to_list()

    assert nth(["a", "b"], 1_000) == [1, 1]
    assert nth(["a"], 1_900) == [2]
    assert nth(["b"], 2_100) == [1]
    assert operator.state_rows == 2
    assert nth(["a"], 2_800) == [3]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ms.udtf(lambda x: [x]), "What <lambda> gives is not known"),
        (lambda: ms.udaf(type("A", (), {"create": list})), "no method result"),
        (lambda: ms.process_function(type("P", (), {})), "no method on_row"),
        (lambda: ms.udf(result="INT", tries=2)(lambda x: x), "does not wait"),
        (lambda: bad_row().flat_map(looked_up, "k"), "is no table function"),
        (lambda: bad_row().flat_map(words, "text", names=["k", "n"]), "a column 'k' already"),
        (lambda: bad_row().process(VISITS, key="user"), "Unknown column 'user'"),
        (lambda: bad_row().process(VISITS, key="k", pause=1), "takes no argument 'pause'"),
    ],
)
def test_what_cannot_be_called_is_refused_at_once(make: Callable[[], Any], says: str) -> None:
    """A mistake is told where it is made, not when the pipeline starts."""
    with pytest.raises(ms.PlanError, match=says):
        make()
