"""Orders from Kafka, counted per minute, kept in PostgreSQL exactly once.

Check it without any server:  millstream check examples/kafka_to_postgres.py
Run it:  millstream run examples/kafka_to_postgres.py --checkpoint state/
"""

from __future__ import annotations

import os

import millstream as ms
from millstream import col

orders = ms.read_kafka(
    os.environ.get("KAFKA", "localhost:9092"),
    topic="orders",
    schema={"id": "BIGINT", "country": "STRING", "amount": "DOUBLE", "ts": "TIMESTAMP(3)"},
    event_time="ts",
    watermark="5s",
)
minutes = orders.group_by("country", window=ms.tumble("1m")).agg(
    orders=ms.count(), total=col("amount").sum()
)
minutes.write_postgres(
    os.environ.get("POSTGRES", "postgresql://localhost/shop"),
    table="revenue",
    key=["country", "window_start"],
)

# What came too late for its minute is not lost: it goes to a topic of its own.
minutes.late.write_kafka(os.environ.get("KAFKA", "localhost:9092"), topic="orders-late")

ms.run()
