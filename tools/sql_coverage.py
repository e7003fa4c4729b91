"""What of Flink's SQL Millstream runs: one row per construct of Flink 2.3's SQL reference.

``Runs`` names the case files that prove it, as patterns; ``Gap`` says why not, what to write
instead, and holds a text that is refused with just that. ``tools/sql_docs.py`` makes the page of
it; a test of the house holds every row to what it says.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Runs:
    """A construct that works; ``cases`` are patterns of names in ``tests/cases``."""

    construct: str
    cases: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """A construct that is refused; ``sql`` is a text with it, ``says`` a part of the message."""

    construct: str
    reason: str
    instead: str
    sql: str
    says: str


@dataclass(frozen=True, slots=True)
class Family:
    """One section of the page."""

    title: str
    rows: tuple[Runs | Gap, ...]


TABLE = """
CREATE TABLE t (a INT, b STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'datagen');
"""
"""What the text of a gap may read."""

COVERAGE: tuple[Family, ...] = (
    Family(
        "Queries",
        (
            Runs(
                "SELECT, expressions, aliases, `*`, `t.*`",
                ("projection_and_filter", "stars_and_aliases"),
            ),
            Runs("WHERE with three-valued logic", ("three_valued_where", "and_or_with_null")),
            Runs("SELECT DISTINCT", ("distinct_rows", "distinct_of_changing_input")),
            Runs("WITH", ("cte_*",)),
            Gap(
                "WITH RECURSIVE",
                "a recursion has no watermark that tells when it is done",
                "unfold the steps by hand",
                "WITH RECURSIVE r AS (SELECT 1) SELECT * FROM r",
                "WITH RECURSIVE",
            ),
            Runs("VALUES, also in FROM", ("select_values", "nested_values", "values_in_*")),
            Runs("Sub-queries in FROM", ("sub_query",)),
            Runs("Views", ("view_*",)),
            Runs("ORDER BY of input that ends", ("order_by_*",)),
            Runs("ORDER BY a time attribute", ("order_by_time*",), "rows wait for the watermark"),
            Runs("LIMIT, OFFSET, FETCH FIRST", ("limit_*", "fetch_first", "order_by_offset")),
            Runs("Table hints `/*+ OPTIONS(…) */`", ("hint_options*",)),
            Gap(
                "Hint STATE_TTL",
                "one time to live holds for the whole job",
                "SET 'table.exec.state.ttl' = '1 d'",
                "SELECT /*+ STATE_TTL('t' = '1d') */ a, COUNT(*) FROM t GROUP BY a",
                "The hint STATE_TTL",
            ),
            Gap(
                "TABLESAMPLE",
                "a sample of a stream depends on chance",
                "filter by a hash of a column: MOD(HASH_CODE(id), 100) < 5",
                "SELECT * FROM t TABLESAMPLE BERNOULLI (10)",
                "TABLESAMPLE",
            ),
            Gap(
                "Time travel (FOR SYSTEM_TIME AS OF a constant)",
                "no connector keeps old versions of a table",
                "join a versioned table FOR SYSTEM_TIME AS OF the row's time",
                "SELECT * FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-01 00:00:00'",
                "FOR SYSTEM_TIME",
            ),
        ),
    ),
    Family(
        "Groups",
        (
            Runs("GROUP BY, updating", ("count_updating", "global_aggregate*", "null_group")),
            Runs("HAVING", ("having_*",)),
            Runs("DISTINCT aggregates", ("distinct_aggregates", "count_distinct_*")),
            Runs("FILTER (WHERE …)", ("*filter_distinct", "window_all_aggregates")),
            Runs("GROUPING SETS, CUBE, ROLLUP, GROUPING_ID", ("grouping_*",)),
            Runs(
                "Aggregates over updating results",
                ("aggregate_over_aggregate", "*under_retraction"),
            ),
            Runs("State TTL", ("ttl_*",), "`table.exec.state.ttl`"),
        ),
    ),
    Family(
        "Windows",
        (
            Runs("TUMBLE, HOP, CUMULATE table functions", ("tumble_*", "hop_*", "cumulate_*")),
            Runs("SESSION table function, PARTITION BY", ("session_*",)),
            Runs("Window offset", ("*_offset",)),
            Runs("Windows by processing time", ("proctime_*",)),
            Runs("Windows over windows", ("cascade_*", "*session_then_tumble")),
            Runs("GROUPING SETS of a window", ("grouping_*window*",)),
            Runs("Older GROUP BY TUMBLE/HOP/SESSION", ("*group_by", "*legacy*")),
            Runs("Window join (all six kinds)", ("window_join_*",)),
            Runs("Window top-N", ("window_rank_*",)),
            Runs("Window deduplication", ("window_dedup*",)),
            Runs("Early and late firing", ("emit_*",), "`table.exec.emit.*`, Python `emit=`"),
        ),
    ),
    Family(
        "Joins",
        (
            Runs(
                "Regular INNER, LEFT, RIGHT, FULL", ("*join_inner*", "*join_left*", "*join_full*")
            ),
            Runs(
                "Semi and anti joins: IN, EXISTS, NOT",
                ("semi_*", "anti_*", "window_semi_*", "window_anti_*"),
            ),
            Runs("Joins of more than two tables", ("join_three*",)),
            Runs("Cross join, join on any condition", ("join_cross*",)),
            Runs("Interval join", ("interval_join_*",)),
            Runs("Temporal join of a versioned table", ("temporal_join_*",)),
            Runs("Lookup join", ("lookup_join_*",), "databases, files, HTTP"),
            Runs("UNNEST of arrays, maps, multisets", ("unnest_*",)),
            Runs("Table functions, LATERAL", ("lateral_*",)),
            Runs("NATURAL JOIN, USING", ("join_using*", "join_natural*")),
        ),
    ),
    Family(
        "Sets and sub-queries",
        (
            Runs("UNION [ALL]", ("union_*",)),
            Runs("INTERSECT [ALL], EXCEPT [ALL]", ("*intersect*", "*except*")),
            Runs("IN, EXISTS, correlated", ("*exists*",)),
            Runs("Scalar sub-queries", ("scalar_*",)),
        ),
    ),
    Family(
        "Ranks, OVER, patterns",
        (
            Runs("Top-N: ROW_NUMBER, RANK, DENSE_RANK", ("rank_*",)),
            Runs("Deduplication, first and last", ("dedup_*",)),
            Runs("OVER: ROWS and RANGE, event and processing time", ("over_*",)),
            Runs("LAG, LEAD, FIRST_VALUE, LAST_VALUE", ("over_lag*", "over_first*")),
            Runs("WINDOW w AS (…), QUALIFY", ("over_named*", "qualify*")),
            Gap(
                "OVER … FOLLOWING",
                "the rows behind the current one have not come yet",
                "a frame that ends at the CURRENT ROW, or a window",
                "SELECT SUM(a) OVER (ORDER BY ts ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM t",
                "FOLLOWING",
            ),
            Runs("MATCH_RECOGNIZE", ("match_*",)),
            Gap(
                "MATCH_RECOGNIZE … ALL ROWS PER MATCH",
                "Flink has ONE ROW PER MATCH only",
                "collect what is wanted in MEASURES",
                "SELECT * FROM t MATCH_RECOGNIZE (ORDER BY ts MEASURES A.a AS x ALL ROWS PER MATCH "
                "PATTERN (A) DEFINE A AS A.a > 1)",
                "ALL ROWS PER MATCH",
            ),
        ),
    ),
    Family(
        "Changelogs",
        (
            Runs("Upsert sources and sinks", ("upsert_source*", "sink_*")),
            Runs("Retractions through any depth", ("retraction_*", "*over_retractions")),
            Runs("TO_CHANGELOG, FROM_CHANGELOG", ("to_changelog_*", "from_changelog_*")),
            Runs("Formats debezium-json, canal-json, maxwell-json", ("changelog_there_and_back",)),
        ),
    ),
    Family(
        "Functions",
        (
            Runs("Scalar functions", (), "1 584 checked examples, see [functions](functions.md)"),
            Runs("CREATE FUNCTION … LANGUAGE PYTHON: scalar", ("function_scalar*",)),
            Runs("Table functions", ("function_table*", "lateral_*")),
            Runs("Aggregate functions", ("function_aggregate*",)),
            Runs("Process table functions", ("function_process*",)),
            Gap(
                "CREATE FUNCTION … LANGUAGE JAVA, USING JAR",
                "there is no JVM",
                "write it in Python",
                "CREATE FUNCTION f AS 'com.example.F' LANGUAGE JAVA",
                "LANGUAGE",
            ),
        ),
    ),
    Family(
        "Statements",
        (
            Runs(
                "CREATE TABLE, LIKE, computed and metadata columns, WATERMARK",
                ("table_like", "computed_event_time", "metadata_*"),
            ),
            Runs("CREATE TABLE … AS SELECT", ("create_table_as*",)),
            Runs("CREATE OR REPLACE TABLE", ("create_or_replace*",)),
            Runs("PARTITIONED BY of the filesystem", (), "tested with files: dt=…/hm=…"),
            Runs("ALTER TABLE: SET, RESET, RENAME, ADD, DROP, MODIFY", ("alter_table*",)),
            Runs("CREATE VIEW, DROP", ("view_*",)),
            Runs("CREATE MATERIALIZED VIEW … WITH … AS", ("materialized_*",)),
            Runs("INSERT INTO, columns, VALUES", ("insert_*",)),
            Runs("EXECUTE STATEMENT SET, BEGIN STATEMENT SET", ("statement_set*",)),
            Runs("SET, RESET, USE, SHOW, DESCRIBE, EXPLAIN", ("use_*",)),
            Gap(
                "UPDATE, DELETE, TRUNCATE",
                "a stream is changed by its source",
                "INSERT INTO a table with a PRIMARY KEY",
                "DELETE FROM t WHERE a = 1",
                "DELETE",
            ),
            Gap(
                "INSERT OVERWRITE",
                "a stream never has the whole of what is to be replaced",
                "INSERT INTO",
                "INSERT OVERWRITE t SELECT * FROM t",
                "INSERT OVERWRITE",
            ),
            Gap(
                "CALL",
                "there are no procedures",
                "use the system's own tool",
                "CALL sys.p()",
                "CALL",
            ),
            Gap(
                "ADD JAR, LOAD MODULE",
                "there is no JVM",
                "pip install",
                "ADD JAR 'x.jar'",
                "ADD",
            ),
            Gap(
                "CREATE MODEL, ML_PREDICT",
                "models are Python functions here",
                "CREATE FUNCTION … LANGUAGE PYTHON",
                "CREATE MODEL m WITH ('provider' = 'x')",
                "MODEL",
            ),
            Gap(
                "COMPILE PLAN, EXECUTE PLAN",
                "a checkpoint finds its steps by their ids, so no plan has to be kept",
                "EXPLAIN shows the plan",
                "COMPILE PLAN 'x' FOR INSERT INTO t SELECT * FROM t",
                "COMPILE",
            ),
        ),
    ),
)
