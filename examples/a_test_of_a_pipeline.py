"""How to test a pipeline: feed rows, look at what comes out; no broker, no clock.

Run it:  python -m pytest examples/a_test_of_a_pipeline.py
"""

from __future__ import annotations

import millstream as ms
from millstream import col

orders = ms.read_kafka(
    "broker:9092",
    topic="orders",
    schema={"country": "STRING", "amount": "DOUBLE", "ts": "TIMESTAMP(3)"},
    event_time="ts",
    watermark="5s",
)
totals = orders.group_by("country", window=ms.tumble("1m")).agg(total=col("amount").sum())


def test_each_minute_has_its_total() -> None:
    """The window's rows are added up per country."""
    result = ms.test(
        totals.select("country", "total"),
        [
            {"country": "de", "amount": 1.0, "ts": "2026-01-01 00:00:10"},
            {"country": "de", "amount": 2.0, "ts": "2026-01-01 00:00:50"},
            {"country": "fr", "amount": 4.0, "ts": "2026-01-01 00:00:59"},
        ],
    )
    assert sorted(result.rows) == [("de", 3.0), ("fr", 4.0)]


def test_a_late_order_is_kept_aside() -> None:
    """A row that comes after its minute was closed is in .late, not lost."""
    result = ms.test(
        totals,
        [
            {"country": "de", "amount": 1.0, "ts": "2026-01-01 00:00:10"},
            {"country": "de", "amount": 1.0, "ts": "2026-01-01 00:05:00"},
            {"country": "de", "amount": 9.0, "ts": "2026-01-01 00:00:20"},
        ],
    )
    assert result.late["amount"].to_list() == [9.0]
