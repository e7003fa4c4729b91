"""Records Flink's answers to random queries: ``python -m tests.oracle.record_random [all]``.

in      the first seeds whose query Flink answers as the standard has it
        without "all", those whose recording is missing or stale are asked
out     ``recorded/random.txt``: a line with seed and hash, then its folded rows, one a line
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

from millstream.types import Schema
from tests.oracle import recordings, rows
from tests.oracle.ask import ask
from tests.oracle.environment import VERSION
from tests.oracle.random_queries import RandomQuery, random_query
from tests.oracle.random_runs import ours

COUNT = 300
SEEDS_MAX = 500
FILE = recordings.FOLDER / "random.txt"
RENEW = "run 'make oracle'"


def chosen() -> list[RandomQuery]:
    """Return the queries that are recorded."""
    queries = (random_query(seed) for seed in range(SEEDS_MAX))
    return [query for query in queries if query.flink][:COUNT]


def read() -> dict[int, tuple[str, list[list[Any]]]]:
    """Return hash and rows of each recorded seed."""
    known: dict[int, tuple[str, list[list[Any]]]] = {}
    lines: list[list[Any]] = []
    for line in FILE.read_text(encoding="utf-8").splitlines()[1:]:
        if line.startswith("seed "):
            _, seed, said = line.split()
            lines = []
            known[int(seed)] = said, lines
        else:
            lines.append(json.loads(line))
    return known


def trouble(
    query: RandomQuery, told: tuple[str, list[list[Any]]], schema: Schema, found: Counter[rows.Row]
) -> str:
    """Compare our rows with the recorded ones."""
    said, lines = told
    if said != recordings.hash_of(query.case):
        return f"seed {query.seed} means another query than Flink was asked: {RENEW}"
    theirs = Counter(rows.of_flink(cells, schema) for cells in lines)
    if theirs == found:
        return ""
    return (
        f"only Flink's: {list((theirs - found).elements())}; "
        f"only ours: {list((found - theirs).elements())}"
    )


def main(*, again: bool) -> int:
    """Record, and tell what differs."""
    queries = chosen()
    told = {} if again or not FILE.exists() else read()
    asked = [q for q in queries if told.get(q.seed, ("",))[0] != recordings.hash_of(q.case)]
    refused = 0
    for query, answer in zip(asked, ask([query.case for query in asked]), strict=True):
        if answer.outcome != "rows":
            refused += 1
            print(f"seed {query.seed}: {answer.outcome}: {answer.error}\n{query.text.flink}\n")
            continue
        rows_now = sorted(recordings.folded(answer.results["result"], ()))
        told[query.seed] = recordings.hash_of(query.case), [json.loads(row) for row in rows_now]
    lines = [f"flink {VERSION} streaming"]
    for query in queries:
        if query.seed in told:
            lines.append(f"seed {query.seed} {told[query.seed][0]}")
            lines.extend(json.dumps(row, ensure_ascii=False) for row in told[query.seed][1])
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    bad = 0
    known = read()
    for query in queries:
        if query.seed in known:
            said = trouble(query, known[query.seed], *ours(query))
            bad += bool(said)
            if said:
                print(f"seed {query.seed}: {said}\n{query.text.flink}\n")
    print(f"{len(known)} random queries recorded, {refused} refused, {bad} differ")
    return 0


if __name__ == "__main__":
    sys.exit(main(again="all" in sys.argv))
