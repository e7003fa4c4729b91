"""Random queries against DuckDB's batch answer and, where recorded, Flink's.

MILLSTREAM_RANDOM_QUERIES says how many (500 unless set); a seed that failed is run again with
``python -m tests.oracle.random_runs SEED``.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest

from tests.oracle import random_runs, record_random
from tests.oracle.random_queries import MAKERS, RandomQuery, random_query

QUERIES = int(os.environ.get("MILLSTREAM_RANDOM_QUERIES") or 500)
BLOCK = 20
SKIPPED_SHARE_MAX = 0.1
RECORDED = record_random.read()


@pytest.mark.parametrize("first", range(0, QUERIES, BLOCK))
def test_any_query_gives_the_answer_of_other_engines(first: int) -> None:
    """Hand-written cases cover what their writers thought of."""
    skipped = 0
    for seed in range(first, min(first + BLOCK, QUERIES)):
        outcome = random_runs.run(seed)
        skipped += outcome.skipped
        trouble = outcome.trouble
        if not trouble and not outcome.skipped and seed in RECORDED:
            assert outcome.schema is not None
            assert outcome.rows is not None
            told = RECORDED[seed]
            trouble = record_random.trouble(outcome.query, told, outcome.schema, outcome.rows)
        assert not trouble, f"seed {seed}: {trouble}\n{random_runs.case_text(outcome.query)}"
    assert skipped <= max(2, BLOCK * SKIPPED_SHARE_MAX), "too many queries prove nothing"


def test_flink_answered_what_is_promised() -> None:
    """The recorded share must not shrink unseen as the generator grows."""
    assert set(RECORDED) == {query.seed for query in record_random.chosen()}
    assert len(RECORDED) == record_random.COUNT


def test_the_generator_uses_all_it_knows() -> None:
    """A construct that is never drawn is never tested; nor is one whose answers are empty."""
    queries = [random_query(seed) for seed in range(200)]
    drawn = Counter(kind for query in queries for kind in set(query.kinds))
    assert set(drawn) == {maker.__name__ for maker in MAKERS} | {"windows_again"}
    late = sum(not table.tidy for query in queries for table in query.tables)
    assert late > len(queries) / 4
    assert sum(bool(random_runs.of_duckdb(query)) for query in queries[:60]) > BLOCK


def test_a_wrong_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison that never fails proves nothing."""
    seed = next(s for s in range(100) if random_runs.of_duckdb(random_query(s)))

    def one_less(query: RandomQuery) -> list[tuple[Any, ...]]:
        return of_duckdb(query)[1:]

    of_duckdb = random_runs.of_duckdb
    monkeypatch.setattr(random_runs, "of_duckdb", one_less)
    assert "only ours" in random_runs.run(seed).trouble


def test_a_seed_means_one_query() -> None:
    """A failure that cannot be repeated cannot be mended."""
    assert random_query(7).text == random_query(7).text
    assert random_query(7).feed == random_query(7).feed
