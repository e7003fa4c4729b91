"""Revenue per country and minute, from a CSV file; the same program reads Kafka.

Run it:  millstream run examples/revenue.py   (or: python examples/revenue.py)
"""

from __future__ import annotations

from pathlib import Path

import millstream as ms
from millstream import col

ORDERS = {"id": "BIGINT", "country": "STRING", "amount": "DOUBLE", "ts": "TIMESTAMP(3)"}
DATA = Path(__file__).parent / "data" / "orders.csv"

# For Kafka: ms.read_kafka("localhost:9092", topic="orders", schema=ORDERS, event_time="ts", …)
orders = ms.read_csv(DATA, schema=ORDERS, event_time="ts", watermark="5s")

revenue = (
    orders.filter(col("amount") > 0)
    .group_by("country", window=ms.tumble("1m"))
    .agg(orders=ms.count(), total=col("amount").sum())
)
revenue.show("revenue per minute")
ms.run()
