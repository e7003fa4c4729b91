"""The three cases on Spark Structured Streaming.

in      case, broker, input topic, output topic, folder, jars with commas between them
out     JSON documents in the output topic, at least once (it has no transactions for Kafka)
trigger available now: all that is there at the start, in as few batches as may be, and one more
        without rows that gives out the windows the watermark has closed
"""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

KEPT = "sold"
EVENT = """id BIGINT, user STRING, ts BIGINT, kind STRING, price BIGINT, item STRING, page STRING,
agent STRING"""


def main(case: str, broker: str, source: str, sink: str, folder: str, jars: str) -> None:
    """Run to the end of the input."""
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.jars", jars)
        .config("spark.driver.memory", "3g")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    read = spark.readStream.format("kafka").option("kafka.bootstrap.servers", broker)
    read = read.option("subscribe", source).option("startingOffsets", "earliest")
    said = f.from_json(f.col("value").cast("string"), EVENT).alias("e")
    rows = read.load().select(said).select("e.*")
    if case == "filter":
        rows = rows.where(f.col("kind") == KEPT)
    elif case == "window":
        timed = rows.withColumn("at", f.timestamp_millis("ts")).withWatermark("at", "1 second")
        rows = timed.groupBy(f.window("at", "10 seconds").alias("w"), "user").count()
        start = f.unix_millis("w.start").alias("window_start")
        rows = rows.select(start, "user", f.col("count").alias("n"))
    query = (
        rows.select(f.to_json(f.struct("*")).alias("value"))
        .writeStream.format("kafka")
        .option("kafka.bootstrap.servers", broker)
        .option("kafka.linger.ms", "20")
        .option("kafka.batch.size", "524288")
        .option("topic", sink)
        .option("checkpointLocation", f"{folder}/checkpoints")
        .outputMode("append")
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()


if __name__ == "__main__":
    main(*sys.argv[1:])
