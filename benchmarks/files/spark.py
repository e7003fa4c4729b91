"""Spark Structured Streaming: a case from JSON lines to its own noop sink, all that is there.

run     python -m benchmarks.files.spark CASE FOLDER EVENTS SMALL_FOLDER CORES  (Spark's own Python)
clock   the time its micro-batches take to compute (``addBatch`` of its progress), all together:
        making the plan, listing files and writing its log are not counted
batch   trigger "available now" with the defaults of the source: all files in one micro-batch, then
        one without rows, which closes windows. Windows come in append mode, groups in update mode
needs   for windows a folder with an event a year later, which is in no answer: Spark keeps the
        windows that no later event has closed
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.files import answer
from pyspark.sql import DataFrame, SparkSession

EVENT = """event_type INT,
 person STRUCT<id: BIGINT, name: STRING, emailAddress: STRING, creditCard: STRING, city: STRING,
  state: STRING, dateTime: TIMESTAMP, extra: STRING>,
 auction STRUCT<id: BIGINT, itemName: STRING, description: STRING, initialBid: BIGINT,
  reserve: BIGINT, dateTime: TIMESTAMP, expires: TIMESTAMP, seller: BIGINT, category: BIGINT,
  extra: STRING>,
 bid STRUCT<auction: BIGINT, bidder: BIGINT, price: BIGINT, channel: STRING, url: STRING,
  dateTime: TIMESTAMP, extra: STRING>"""
PLAIN = "id BIGINT, user_id BIGINT, item_id BIGINT, amount BIGINT, ts TIMESTAMP"
KINDS = {
    "person": "id, name, emailAddress, creditCard, city, state, extra",
    "auction": "id, itemName, description, initialBid, reserve, expires, seller, category, extra",
    "bid": "auction, bidder, price, channel, url, extra",
}
_STATED = "date_format(dateTime, 'yyyy-MM-dd')"
TEXTS = {
    "q0": "SELECT auction, bidder, price, dateTime, extra FROM bid",
    "q1": "SELECT auction, bidder, CAST(0.908 * price AS DECIMAL(23, 3)), dateTime, extra FROM bid",
    "q2": "SELECT auction, price FROM bid WHERE auction % 123 = 0",
    "q3": """SELECT p.name, p.city, p.state, a.id FROM auction AS a JOIN person AS p
             ON p.id = a.seller WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA')""",
    "q5": """WITH counted AS (
               SELECT auction, count(*) AS num,
                 window(dateTime, '10 seconds', '2 seconds') AS window
               FROM bid GROUP BY auction, window(dateTime, '10 seconds', '2 seconds')),
             most AS (
               SELECT window, max(num) AS most, collect_list(struct(auction, num)) AS every
               FROM counted GROUP BY window)
             SELECT inline(filter(every, one -> one.num = most)) FROM most""",
    "q8": """SELECT p.id, p.name, p.window.start
             FROM (SELECT id, name, window(dateTime, '10 seconds') AS window FROM person
                   GROUP BY id, name, window(dateTime, '10 seconds')) AS p
             JOIN (SELECT seller, window(dateTime, '10 seconds') AS window FROM auction
                   GROUP BY seller, window(dateTime, '10 seconds')) AS s
             ON s.seller = p.id AND s.window = p.window""",
    "q11": """SELECT bidder, count(*), w.start, w.end FROM (
                SELECT bidder, session_window(dateTime, '10 seconds') AS w FROM bid)
              GROUP BY bidder, w""",
    "q17": f"""SELECT auction, {_STATED}, count(*), count_if(price < 10000),
                 count_if(price >= 10000 AND price < 1000000), count_if(price >= 1000000),
                 min(price), max(price), sum(price) div count(*), sum(price)
               FROM bid GROUP BY auction, {_STATED}""",
    "q20": """SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.dateTime, b.extra,
                a.itemName, a.description, a.initialBid, a.reserve, a.dateTime, a.expires, a.seller,
                a.category, a.extra
              FROM bid AS b JOIN auction AS a ON a.id = b.auction WHERE a.category = 10""",
    "q21": r"""SELECT auction, bidder, price, channel, channel_id FROM (
                 SELECT *, CASE lower(channel) WHEN 'apple' THEN '0' WHEN 'google' THEN '1'
                   WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3'
                   ELSE nullif(regexp_extract(url, '(?:^|&)channel_id=([^&]*)', 1), '')
                 END AS channel_id FROM bid)
               WHERE channel_id IS NOT NULL""",
    "q22": """SELECT auction, bidder, price, channel, split_part(url, '/', 4),
                split_part(url, '/', 5), split_part(url, '/', 6) FROM bid""",
    "filter": "SELECT id, user_id, amount, ts FROM plain WHERE amount >= 91000",
    "tumble": """SELECT user_id, window.start, count(*), sum(amount) FROM plain
                 GROUP BY user_id, window(ts, '10 seconds')""",
    "group": "SELECT item_id, count(*), sum(amount) FROM plain GROUP BY item_id",
}
UPDATED = {"q17": (0, 1), "group": (0,)}
"""Groups without end, and which of their columns are the key: in update mode."""


def _session(cores: int) -> SparkSession:
    return (
        SparkSession.builder.master(f"local[{cores}]")
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", str(cores))
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )


def _query(spark: SparkSession, case: str, folder: str) -> DataFrame:
    """Declare the stream over a folder and return the query of a case."""
    if not case.startswith("q"):
        rows = spark.readStream.schema(PLAIN).json(folder)
        if case == "tumble":
            rows = rows.withWatermark("ts", "4 seconds")
        rows.createOrReplaceTempView("plain")
        return spark.sql(TEXTS[case])
    events = spark.readStream.schema(EVENT).json(folder)
    for number, (kind, names) in enumerate(KINDS.items()):
        fields = [f"{kind}.{name.strip()}" for name in names.split(",")]
        rows = events.where(f"event_type = {number}").selectExpr(f"{kind}.dateTime", *fields)
        if case in WINDOWED:
            rows = rows.withWatermark("dateTime", "4 seconds")
        rows.createOrReplaceTempView(kind)
    return spark.sql(TEXTS[case])


WINDOWED = ("q5", "q8", "q11", "tumble")
"""What needs the folder with the later event."""


def _run(spark: SparkSession, case: str, folder: str, kept: list[Any] | None) -> float:
    """Run to the end of what is there and return the seconds; rows go into ``kept``."""
    query = _query(spark, case, folder)
    named = query.toDF(*(f"c{i}" for i in range(len(query.columns))))
    with tempfile.TemporaryDirectory() as place:
        writer = named.writeStream.outputMode("update" if case in UPDATED else "append")
        writer = writer.option("checkpointLocation", place).trigger(availableNow=True)
        if kept is None:
            writer = writer.format("noop")
        else:
            writer = writer.foreachBatch(lambda rows, _: kept.extend(map(tuple, rows.collect())))
        running = writer.start()
        running.awaitTermination()
        batches: list[int] = [p["durationMs"].get("addBatch", 0) for p in running.recentProgress]
        return sum(batches) / 1e3


def _left(case: str, rows: list[Any]) -> list[Any]:
    """Return the newest row of each key where rows are given anew."""
    if case not in UPDATED:
        return rows
    key = UPDATED[case]
    return list({tuple(row[i] for i in key): row for row in rows}.values())


def main() -> None:
    """Verify, then measure."""
    case, folder, events, small, cores = sys.argv[1:]
    spark = _session(int(cores))
    spark.sparkContext.setLogLevel("ERROR")
    rows: list[Any] = []
    _run(spark, case, small, rows)
    found = answer.digest(map(answer.line, _left(case, rows)))
    seconds = _run(spark, case, str(Path(folder)), None)
    answer.tell(seconds, int(events), found)
    spark.stop()


if __name__ == "__main__":
    main()
