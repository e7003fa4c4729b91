"""DuckDB: the query of a case over the whole file as one batch, into Arrow columns.

run     python -m benchmarks.files.duck CASE FILE EVENTS SMALL_FILE THREADS
clock   from the query to the last column; the file is read in it, its types are given
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import duckdb
from benchmarks.files import answer, texts
from benchmarks.nexmark.duck import ANSWERS

_PERSON = "id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, "
_PERSON += "state VARCHAR, dateTime TIMESTAMP, extra VARCHAR"
_AUCTION = "id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, "
_AUCTION += "dateTime TIMESTAMP, expires TIMESTAMP, seller BIGINT, category BIGINT, extra VARCHAR"
_BID = "auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, "
_BID += "dateTime TIMESTAMP, extra VARCHAR"
_KINDS = (("person", _PERSON), ("auction", _AUCTION), ("bid", _BID))
_PLAIN = dict.fromkeys(("id", "user_id", "item_id", "amount"), "BIGINT") | {"ts": "TIMESTAMP"}
_ORDERED = (4, 6, 9, 18, 19)
"""Queries that tell equal rows apart by their order: they number the rows, which costs."""
SHAPES = {
    "filter": "SELECT id, user_id, amount, ts FROM plain WHERE amount >= 91000",
    "tumble": """SELECT user_id, time_bucket(INTERVAL 10 SECOND, ts) AS start, count(*),
                 sum(amount)::BIGINT FROM plain GROUP BY user_id, start""",
    "group": "SELECT item_id, count(*), sum(amount)::BIGINT FROM plain GROUP BY item_id",
}


def _prepared(connection: duckdb.DuckDBPyConnection, case: str, file: str) -> str:
    """Make the views over a file and return the query."""
    columns = _PLAIN
    if texts.kind(case) == "nexmark":
        columns = {"event_type": "INTEGER"} | {n: f"STRUCT({f})" for n, f in _KINDS}
    said = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
    read = f"read_json('{Path(file)}', format = 'newline_delimited', columns = {{{said}}})"
    if texts.kind(case) == "plain":
        connection.execute(f"CREATE OR REPLACE VIEW plain AS SELECT * FROM {read}")
        return SHAPES[case]
    number = texts.number(case)
    seq = "row_number() OVER ()" if number in _ORDERED else "0"
    for kind, (name, fields) in enumerate(_KINDS):
        chosen = ", ".join(f"{name}.{field.split()[0]}" for field in fields.split(", "))
        connection.execute(
            f"CREATE OR REPLACE VIEW {name} AS SELECT {chosen}, seq "
            f"FROM (SELECT *, {seq} AS seq FROM {read}) WHERE event_type = {kind}"
        )
    return ANSWERS[number]


def main() -> None:
    """Verify, then measure."""
    case, file, events, small, threads = sys.argv[1:]
    with duckdb.connect(config={"threads": int(threads)}) as connection:
        rows = connection.execute(_prepared(connection, case, small)).fetchall()
        found = answer.digest(map(answer.line, rows))
        text = _prepared(connection, case, file)
        before_s, cpu_s = time.perf_counter(), time.process_time()
        table = connection.sql(text).to_arrow_table()
        seconds, cpu_s = time.perf_counter() - before_s, time.process_time() - cpu_s
        answer.tell(seconds, int(events), found, rows_out=table.num_rows, cpu_s=round(cpu_s, 3))


if __name__ == "__main__":
    main()
