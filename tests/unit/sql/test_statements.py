"""Statements: what they declare, what they list, and how they refuse."""

from __future__ import annotations

import sys
import types

import pytest

from millstream.errors import (
    MillstreamError,
    OptionError,
    Place,
    PlanError,
    SqlError,
    UnknownName,
    Unsupported,
)
from millstream.plan.table import Computed, Metadata, Physical, Table
from millstream.ports.registry import config_of
from millstream.sql.script import Explained, Inserted, Listing, Outcome, Selected, Session
from millstream.sql.show import create_table_text
from millstream.types import BigInt, Decimal, TimestampLtz, VarChar

TABLE = """
CREATE TEMPORARY TABLE IF NOT EXISTS `my bids` ( -- a comment
  `order` BIGINT NOT NULL COMMENT 'the key',
  price DECIMAL(10, 2),
  at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp',
  part INT METADATA VIRTUAL,
  k STRING,
  double_price AS price * 2 COMMENT 'computed',
  WATERMARK FOR at AS at - INTERVAL '5' SECOND,
  CONSTRAINT pk PRIMARY KEY (`order`, k) NOT ENFORCED
) COMMENT 'it''s' WITH ('connector' = 'kafka', 'topic' = 'bids;', 'password' = 's3cret');
"""


def run(text: str, session: Session | None = None) -> list[Outcome]:
    return list((session or Session()).execute(text))


def test_create_table_keeps_everything_that_was_said() -> None:
    """Every clause decides what is read, written, or dropped as late."""
    session = Session()
    run(TABLE, session)
    table = session.catalog.tables["my bids"]
    assert [type(c) for c in table.columns] == [
        Physical, Physical, Metadata, Metadata, Physical, Computed,
    ]  # fmt: skip
    assert table.schema.type_of("order") == BigInt(nullable=False)
    assert table.schema.type_of("double_price") == Decimal(21, 2)
    assert [(m.name, m.key, m.virtual) for m in table.metadata] == [
        ("at", "timestamp", False), ("part", "part", True),
    ]  # fmt: skip
    assert table.watermark is not None
    assert table.watermark.expr.typed == TimestampLtz(3)
    assert table.primary_key == ("order", "k")
    assert (table.connector, table.comment) == ("kafka", "it's")
    assert table.options == {"topic": "bids;", "password": "s3cret"}
    assert table.writable.names == ("order", "price", "at", "k")


def test_show_create_table_is_read_back_and_tells_no_secret() -> None:
    """What is shown can be pasted; a password on a screen is one too many."""
    session = Session()
    run(TABLE, session)
    (shown,) = run("SHOW CREATE TABLE `my bids`", session)
    assert isinstance(shown, Listing)
    text = shown.rows[0][0]
    assert "s3cret" not in text
    again = Session()
    run(text, again)
    first, second = session.catalog.tables["my bids"], again.catalog.tables["my bids"]
    assert second.schema == first.schema
    assert (second.primary_key, second.watermark) == (first.primary_key, first.watermark)
    assert second.options == {**first.options, "password": "***"}


def test_like_takes_the_columns_and_options_of_another_table() -> None:
    """A second topic of the same shape is the common reason to write LIKE."""
    session = Session()
    run(TABLE + "CREATE TABLE b (more INT) WITH ('topic' = 'b') LIKE `my bids`;", session)
    made, base = session.catalog.tables["b"], session.catalog.tables["my bids"]
    assert made.schema.names == (*base.schema.names, "more")
    assert made.options["topic"] == "b"
    assert made.watermark == base.watermark


def test_statements_take_effect_one_by_one() -> None:
    """A view may read the table that the statement before it made."""
    session = Session()
    text = TABLE + "CREATE VIEW v (a) AS SELECT k FROM `my bids`;;SHOW TABLES; SHOW VIEWS"
    *_, tables, views = run(text, session)
    assert isinstance(tables, Listing)
    assert isinstance(views, Listing)
    assert tables.rows == (("my bids",), ("v",))
    assert views.rows == (("v",),)
    assert session.catalog.views["v"].node.schema.type_of("a") == VarChar()
    run("DROP VIEW v; DROP VIEW IF EXISTS v; DROP TABLE `my bids`", session)
    assert not list(session.catalog.relation_names())


SINKS = """
CREATE TABLE a (n INT) WITH ('connector' = 'memory');
CREATE TABLE b (n BIGINT) WITH ('connector' = 'memory');
"""


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ("INSERT INTO b SELECT n FROM a", 1),
        ("EXECUTE INSERT INTO b SELECT n FROM a", 1),
        ("INSERT INTO b (n) VALUES (1), (NULL)", 1),
        ("INSERT INTO b (SELECT n FROM a)", 1),
        ("EXECUTE STATEMENT SET BEGIN INSERT INTO a VALUES (1); INSERT INTO b VALUES (2); END", 2),
        ("BEGIN STATEMENT SET; INSERT INTO a VALUES (1); INSERT INTO b VALUES (2); END;", 2),
    ],
)
def test_inserts_and_statement_sets_are_one_job(said: str, count: int) -> None:
    """A statement set that became two jobs would read its source twice."""
    *_, found = run(SINKS + said)
    assert isinstance(found, Inserted)
    assert len(found.sinks) == count


@pytest.mark.parametrize(
    ("said", "of"),
    [
        ("EXPLAIN SELECT * FROM a", Selected),
        ("EXPLAIN PLAN FOR INSERT INTO b SELECT n FROM a", Inserted),
        ("EXPLAIN STATEMENT SET BEGIN INSERT INTO a VALUES (1); END", Inserted),
    ],
)
def test_explain_takes_queries_and_inserts(said: str, of: type) -> None:
    """It explains what would run, and runs nothing."""
    *_, found = run(SINKS + said)
    assert isinstance(found, Explained)
    assert isinstance(found.of, of)


def test_set_and_reset_change_the_settings() -> None:
    """A script carries its own settings; names are Flink's where Flink has them."""
    session = Session()
    run("SET 'table.local-time-zone' = 'Asia/Tokyo'; SET 'pipeline.name'='x'", session)
    assert (session.settings.time_zone, session.settings.pipeline_name) == ("Asia/Tokyo", "x")
    (listed,) = run("SET", session)
    assert isinstance(listed, Listing)
    assert ("table.local-time-zone", "Asia/Tokyo") in [row[:2] for row in listed.rows]
    run("RESET 'pipeline.name'", session)
    assert session.settings.pipeline_name != "x"
    run("RESET", session)
    assert session.settings.time_zone == "UTC"


def test_describe_lists_the_columns() -> None:
    """The same for a table, a view, and the longer SHOW COLUMNS."""
    session = Session()
    run(TABLE + "CREATE VIEW v AS SELECT k FROM `my bids`", session)
    described, short, columns = run("DESCRIBE `my bids`; DESC v; SHOW COLUMNS FROM v", session)
    assert isinstance(described, Listing)
    assert isinstance(short, Listing)
    assert isinstance(columns, Listing)
    assert [row[0] for row in described.rows][:2] == ["order", "price"]
    assert short.rows == columns.rows == (("k", "STRING", "TRUE", "", ""),)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> str:
    """A module a user could have written."""

    def twice(x: int) -> int:
        return 2 * x

    made = types.ModuleType("millstream_test_functions")
    made.twice = twice  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made.__name__


def test_a_python_function_is_called_by_its_sql_name(module: str) -> None:
    """Types come from the annotations; names of functions have no case."""
    session = Session()
    run(f"CREATE TEMPORARY FUNCTION Dbl AS '{module}.twice' LANGUAGE PYTHON;", session)
    (found,) = run("SELECT dBL(21) AS x", session)
    assert isinstance(found, Selected)
    assert str(found.node.schema) == "x BIGINT"
    run("DROP FUNCTION dbl", session)
    with pytest.raises(UnknownName, match="DBL"):
        run("SELECT dbl(1)", session)


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("CREATE TABLE t (a INT)", PlanError, "'connector'"),
        ("CREATE TABLE t (a INT, a INT) WITH ('connector' = 'x')", PlanError, "named 'a'"),
        ("CREATE TABLE t (a INT, PRIMARY KEY (a)) WITH ()", SqlError, "not enforced"),
        (
            "CREATE TABLE t (a INT, PRIMARY KEY (b) NOT ENFORCED) WITH ('connector'='x')",
            UnknownName,
            "'b'",
        ),
        ("CREATE TABLE t (a INT, b AS c + 1) WITH ('connector'='x')", UnknownName, "'c'"),
        ("CREATE TABLE t (a INT, WATERMARK FOR a AS a) WITH ('connector'='x')", PlanError, "'a'"),
        (
            "CREATE TABLE t (a TIMESTAMP(3), WATERMARK FOR a AS 5) WITH ('connector'='x')",
            PlanError,
            "A watermark is a time",
        ),
        ("CREATE TABLE t (a INT) WITH ('connector'='x', 'connector'='y')", SqlError, "twice"),
        ("CREATE TABLE t (a INTT) WITH ('connector'='x')", UnknownName, "INTT"),
        ("CREATE TABLE t (a INT) PARTITIONED BY (b)", PlanError, "connector"),
        (
            "CREATE TABLE t (a INT) PARTITIONED BY (b) WITH ('connector'='print')",
            UnknownName,
            "partition column 'b'",
        ),
        ("CREATE TABLE t (a INT) DISTRIBUTED BY (a)", Unsupported, "DISTRIBUTED"),
        ("CREATE TABLE t AS SELECT 1", PlanError, "needs the option 'connector'"),
        ("CREATE TABLE a.b.c (x INT)", Unsupported, "one catalog"),
        ("CREATE CATALOG c", Unsupported, "CATALOG"),
        ("CREATE OR REPLACE VIEW a AS SELECT 1", PlanError, "table or view 'a'"),
        ("USE CATALOG c", Unsupported, "one catalog"),
        ("ALTER TABLE nope ADD x INT", UnknownName, "'nope'"),
        ("ALTER TABLE a ADD n INT", PlanError, "column 'n' already"),
        ("ALTER TABLE a MODIFY nope INT", UnknownName, "'nope'"),
        ("ALTER TABLE a DROP n", PlanError, "at least one column"),
        ("ALTER TABLE a DROP WATERMARK", PlanError, "no watermark"),
        ("ALTER TABLE a DROP PRIMARY KEY", PlanError, "no primary key"),
        ("ALTER TABLE a RENAME nope TO m", UnknownName, "'nope'"),
        ("ALTER TABLE a RENAME TO b", PlanError, "'b' already"),
        ("ALTER TABLE a WITH ('x' = 'y')", SqlError, "RENAME, SET"),
        ("ALTER VIEW nope RENAME TO v", UnknownName, "'nope'"),
        ("CREATE FUNCTION f AS 'a.B'", Unsupported, "JAVA"),
        ("CREATE FUNCTION f AS 'nope_at_all.f' LANGUAGE PYTHON", MillstreamError, "nope_at_all"),
        ("CREATE VIEW a AS SELECT 1", PlanError, "already"),
        ("CREATE VIEW v (x, y) AS SELECT 1", PlanError, "2 columns"),
        ("DROP TABLE nope", UnknownName, "'nope'"),
        ("INSERT INTO nope SELECT 1", UnknownName, "'nope'"),
        ("INSERT INTO a SELECT n FROM b", PlanError, "'n'"),
        ("INSERT INTO a (m) SELECT 1", UnknownName, "'m'"),
        ("INSERT INTO a SELECT 1, 2", PlanError, "2 columns"),
        ("INSERT OVERWRITE a SELECT 1", Unsupported, "OVERWRITE"),
        ("EXECUTE STATEMENT SET BEGIN END", SqlError, "empty"),
        ("EXPLAIN CREATE VIEW x AS SELECT 1", SqlError, "EXPLAIN takes"),
        ("SET table.x = 1", SqlError, "single quotes"),
        ("SET 'tabel.local-time-zone' = 'UTC'", MillstreamError, "tabel"),
        ("SELECT 1 SELECT 2", SqlError, "end of the statement"),
        ("SELCT 1", SqlError, "SELECT"),
    ],
)
def test_every_refusal_has_a_place_and_a_fact(
    text: str, kind: type[MillstreamError], says: str
) -> None:
    """At three in the morning, the line and the word are what is needed."""
    session = Session()
    run(SINKS, session)
    with pytest.raises(kind, match=says) as caught:
        run(text, session)
    assert isinstance(caught.value.where, Place), str(caught.value)
    assert caught.value.where.text == text


def test_a_failing_statement_leaves_nothing_half_declared() -> None:
    """After a mistake in a shell the corrected line must be accepted."""
    session = Session()
    with pytest.raises(PlanError):
        run("CREATE TABLE t (a INT, WATERMARK FOR a AS a) WITH ('connector'='x')", session)
    run("CREATE TABLE t (a INT) WITH ('connector'='x')", session)
    assert "t" in session.catalog.tables


def test_places_count_lines_of_the_whole_file() -> None:
    """The third statement's error is not on line one."""
    with pytest.raises(SqlError) as caught:
        list(Session().execute("SELECT 1;\n\n  SELEC 2;", file="job.sql"))
    where = caught.value.where
    assert isinstance(where, Place)
    assert (where.line, where.column, where.length, where.file) == (3, 3, 5, "job.sql")


@pytest.mark.parametrize(
    ("wrong", "marked"),
    [
        ("'connector' = 'kafak'", "'connector' = 'kafak'"),
        ("'connector' = 'print', 'prefix' = 'x'", "'prefix' = 'x'"),
        ("'connector' = 'print', 'standard-error' = 'maybe'", "'standard-error' = 'maybe'"),
        ("'connector' = 'filesystem', 'format' = 'jsn', 'path' = 'x'", "'format' = 'jsn'"),
        ("'connector' = 'filesystem', 'format' = 'json'", "CREATE TABLE o"),
    ],
)
def test_a_wrong_option_is_marked_where_it_is_written(wrong: str, marked: str) -> None:
    """A table has ten options; the error must point at the one."""
    (table,) = _tables(f"SELECT 1;\nCREATE TABLE o (a INT) WITH ({wrong})")
    with pytest.raises(PlanError) as refused:
        config_of(table)
    place = refused.value.where
    assert isinstance(place, Place)
    assert place.line == 2
    line = place.text.splitlines()[1]
    assert line[place.column - 1 :][: place.length] == marked


def _tables(text: str) -> list[Table]:
    session = Session()
    assert list(session.execute(text))
    return list(session.catalog.tables.values())


def test_partitions_of_a_connector_without_folders() -> None:
    """A word that does nothing would be believed to do something."""
    said = "CREATE TABLE p (k STRING, v INT) PARTITIONED BY (k) WITH ('connector' = 'print');"
    session = Session()
    run(said, session)
    with pytest.raises(OptionError, match="no partitions of columns"):
        config_of(session.catalog.tables["p"])
    assert "PARTITIONED BY (`k`)" in create_table_text(session.catalog.tables["p"], {})
