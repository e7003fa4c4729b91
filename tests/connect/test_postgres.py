"""PostgreSQL tables, read and written, on a real server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import polars as pl
import psycopg
import pytest

from millstream.columns.changes import OP, Op
from millstream.columns.physical import polars_schema
from millstream.connect import postgres_write
from millstream.errors import ConnectorError, OptionError, PlanError
from millstream.ports.connector import REASON, Delivered
from millstream.ports.registry import config_of, sink_for, source_for
from millstream.types import Schema
from tests.connect.contract import (
    SINK_COLUMNS,
    Expected,
    SinkContract,
    SourceContract,
    read,
    sink_rows,
    table_of,
)

if TYPE_CHECKING:
    from millstream.plan.table import Table
    from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.postgres
TABLE = """CREATE TABLE t (id bigint NOT NULL, name text, price numeric(10,2), seen timestamp,
ok boolean, score double precision)"""
COLUMNS = Schema.of({"id": "BIGINT NOT NULL", "name": "STRING"})


def run(database: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements, give the last one's rows."""
    with psycopg.connect(database, autocommit=True) as connection:
        for text in statements:
            cursor = connection.execute(text)
        return cursor.fetchall() if cursor.description else []


def options(database: str, **more: Any) -> dict[str, Any]:
    return {"url": database, "table-name": "t", **more}


def rows(*pairs: tuple[int, str | None], op: Op | None = None) -> pl.DataFrame:
    frame = pl.DataFrame(list(pairs), schema=polars_schema(COLUMNS), orient="row")
    return frame if op is None else frame.with_columns(pl.lit(int(op), dtype=pl.Int8).alias(OP))


class TestSink(SinkContract):
    """The shared promises."""

    @pytest.fixture
    def table(self, database: str) -> Table:
        run(database, TABLE)
        return table_of("postgres", options(database))

    @pytest.fixture
    def upsert_table(self, database: str) -> Table:
        run(database, TABLE, "ALTER TABLE t ADD PRIMARY KEY (id)")
        return table_of("postgres", options(database), key=("id",))

    @pytest.fixture
    def refusing(self, table: Table) -> tuple[Table, pl.DataFrame]:
        return table, sink_rows(3).with_columns(id=pl.lit(None, dtype=pl.Int64))

    @pytest.fixture
    def read_back(self, database: str) -> Callable[[], list[tuple[Any, ...]]]:
        return lambda: run(database, "SELECT * FROM t ORDER BY id")

    @pytest.fixture
    def unwritable(self, database: str) -> Table:
        return table_of("postgres", options(database))


class TestSource(SourceContract):
    """A table with values that are easily lost on the way."""

    @pytest.fixture
    def table(self, database: str, expected: dict[str, Expected]) -> Table:
        run(database, TABLE)
        given = table_of("postgres", options(database, **{"scan.fetch-size": "3"}))
        sink = sink_for(given, updating=False)
        sink.write(expected["table"].frame)
        sink.close()
        return given

    @pytest.fixture
    def expected(self) -> dict[str, Expected]:
        return {"table": Expected(frame=sink_rows(*range(8)))}


def test_every_type_survives_the_way_there_and_back(database: str) -> None:
    """COPY's text form and the driver's values must mean the same for each type we map."""
    schema = Schema.of(
        {
            "b": "BOOLEAN", "i1": "TINYINT", "i2": "SMALLINT", "i4": "INT", "i8": "BIGINT",
            "f4": "FLOAT", "f8": "DOUBLE", "d": "DECIMAL(38, 10)", "s": "STRING", "y": "BYTES",
            "day": "DATE", "ti": "TIME(6)", "ts": "TIMESTAMP(6)", "tz": "TIMESTAMP_LTZ(3)",
            "a": "ARRAY<STRING>", "n": "ARRAY<BIGINT>",
        }
    )  # fmt: skip
    from datetime import UTC, date, datetime, time
    from decimal import Decimal

    full = (
        True, -128, -32768, -(2**31), -(2**63), 0.1, 1 / 3, Decimal("-1234567890123.0123456789"),
        'a,"b"\n\\N\t', b"\x00\xff\\", date(1900, 2, 28), time(23, 59, 59, 999999),
        datetime(1969, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC), ['q"', "", None, "NULL", "{,}", "\\"], [1, None],
    )  # fmt: skip
    odd = (False, 0, 0, 0, 0, float("inf"), float("nan"), Decimal(0), "", b"", date(2026, 1, 1),
           time(0), datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), [], [])  # fmt: skip # noqa: DTZ001
    nulls = (None,) * len(full)
    frame = pl.DataFrame([full, odd, nulls], schema=polars_schema(schema), orient="row")
    made = {"sink.create-table": "true"}
    table = table_of("postgres", options(database, **made), schema)
    sink = sink_for(table, updating=False)
    sink.open("p", 1)
    assert sink.deliver(1, [frame]).accepted == 3
    sink.close()
    source = source_for(table)
    got = read(source.open("table", resume=None), max_rows=10).frame
    source.close()
    assert got.equals(frame, null_equal=True), got.to_dicts()


@pytest.mark.parametrize("deferred", ["", " DEFERRABLE INITIALLY DEFERRED"])
def test_a_row_a_constraint_refuses_is_reported_alone(database: str, deferred: str) -> None:
    """One bad row in a million must neither stop the pipeline nor take others along."""
    run(
        database,
        f"CREATE TABLE t (id bigint UNIQUE{deferred}, name varchar(5) CHECK (name <> 'no'))",
    )
    sink = sink_for(table_of("postgres", options(database), COLUMNS), updating=False)
    sink.open("p", 1)
    bad = {3: "no", 5: "too long", 7: "a\x00b"}
    frame = rows(*((i, bad.get(i, "ok")) for i in range(100)), (50, "twice"))
    heard: list[pl.DataFrame] = []
    sink.keep_refused = lambda _, rows: heard.append(rows)
    assert sink.deliver(1, [frame]) == Delivered(97, 4)
    (told,) = heard
    refused = dict(told.select("id", REASON).rows())
    assert sorted(refused) == [3, 5, 7, 50]
    assert "check constraint" in refused[3]
    assert "too long" in refused[5]
    assert "duplicate key" in refused[50]
    kept = run(database, "SELECT id FROM t ORDER BY id")
    assert [k for (k,) in kept] == [i for i in range(100) if i not in bad]
    sink.close()


def test_an_epoch_is_all_or_nothing(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between the rows and the commit leaves neither rows nor the note."""
    run(database, "CREATE TABLE t (id bigint, name text)")
    table = table_of("postgres", options(database), COLUMNS)
    sink = sink_for(table, updating=False)
    sink.open("p", 1)
    real = postgres_write.PostgresSink._apply

    class CrashError(Exception):
        pass

    def crash(self: Any, *args: Any) -> None:
        real(self, *args)
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(postgres_write.PostgresSink, "_apply", crash)
        with pytest.raises(CrashError):
            sink.deliver(1, [rows((1, "a"))])
    sink.close()
    assert run(database, "SELECT * FROM t") == []
    again = sink_for(table, updating=False)
    assert again.open("p", 2) is None
    assert again.deliver(1, [rows((1, "a"))]).accepted == 1
    again.close()


def test_a_lost_connection_is_opened_again(database: str) -> None:
    """A restarted server or a cut idle connection must not end the pipeline, nor repeat rows."""
    run(database, "CREATE TABLE t (id bigint, name text)")
    sink = sink_for(table_of("postgres", options(database), COLUMNS), updating=False)
    sink.open("p", 1)
    sink.deliver(1, [rows((1, "a"))])
    run(
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'millstream' AND datname = current_database()",
    )
    assert sink.deliver(2, [rows((2, "b"))]).accepted == 1
    sink.deliver(2, [rows((2, "b"))])
    assert run(database, "SELECT id FROM t ORDER BY id") == [(1,), (2,)]
    sink.close()


def test_a_commit_whose_answer_was_lost_is_not_repeated(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection died after the commit: the epoch row says that it happened."""
    run(database, "CREATE TABLE t (id bigint, name text)")
    sink = sink_for(table_of("postgres", options(database), COLUMNS), updating=False)
    sink.open("p", 1)
    real = postgres_write.PostgresSink._connected
    lost: list[bool] = []

    class Lossy:
        """A connection whose first commit happens, and whose answer then gets lost."""

        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        def transaction(self) -> Any:
            from contextlib import contextmanager

            outermost = self._inner.info.transaction_status.name == "IDLE"

            @contextmanager
            def lossy() -> Any:
                with self._inner.transaction():
                    yield
                if outermost and not lost:
                    lost.append(True)
                    raise psycopg.OperationalError("the server closed the connection")

            return lossy()

    monkeypatch.setattr(postgres_write.PostgresSink, "_connected", lambda self: Lossy(real(self)))
    assert sink.deliver(1, [rows((1, "a"))]).accepted == 1
    assert lost
    assert run(database, "SELECT id FROM t") == [(1,)]
    sink.close()


def test_a_key_without_its_row_half_is_still_right(database: str) -> None:
    """Only the newest change of a key counts, also when an update moves a row to another key."""
    run(database, "CREATE TABLE t (id bigint PRIMARY KEY, name text)")
    sink = sink_for(table_of("postgres", options(database), COLUMNS, key=("id",)), updating=True)
    sink.open("p", 1)
    sink.deliver(1, [rows((1, "a"), (2, "b"), op=Op.INSERT)])
    moved = [rows((1, "a"), op=Op.UPDATE_BEFORE), rows((3, "a"), op=Op.UPDATE_AFTER)]
    twice = [rows((2, "x"), op=Op.UPDATE_AFTER), rows((2, "y"), op=Op.UPDATE_AFTER)]
    sink.deliver(2, [*moved, *twice])
    assert run(database, "SELECT * FROM t ORDER BY id") == [(2, "y"), (3, "a")]
    sink.close()


def test_append_with_a_key_replaces(database: str) -> None:
    """As Flink's JDBC sink: a table with a primary key is written by key."""
    run(database, "CREATE TABLE t (id bigint PRIMARY KEY, name text)", "INSERT INTO t VALUES (1)")
    sink = sink_for(table_of("postgres", options(database), COLUMNS, key=("id",)), updating=False)
    sink.open("p", 1)
    sink.deliver(1, [rows((1, "new"), (2, None))])
    assert run(database, "SELECT * FROM t ORDER BY id") == [(1, "new"), (2, None)]
    sink.close()


def test_a_view_can_be_read(database: str) -> None:
    """Views have no storage order; all columns order them."""
    run(
        database,
        "CREATE TABLE u (id bigint, name text)",
        "INSERT INTO u VALUES (2, 'b'), (1, 'a'), (3, NULL)",
        "CREATE VIEW t AS SELECT * FROM u WHERE id < 3",
    )
    source = source_for(table_of("postgres", options(database), COLUMNS))
    source.test()
    got = read(source.open("table", resume=None), max_rows=1).frame
    assert got.rows() == [(1, "a"), (2, "b")]


def test_flinks_jdbc_options_are_understood(postgres: PostgresServer, database: str) -> None:
    """A Flink script names the connector 'jdbc' and gives user and password apart."""
    run(database, "CREATE SCHEMA shop", "CREATE TABLE shop.t (id bigint, name text)")
    name = database.rpartition("/")[2]
    given = {
        "url": f"jdbc:postgresql://{postgres.host}:{postgres.port}/{name}?ApplicationName=x",
        "table-name": "shop.t",
        "username": postgres.user,
        "password": postgres.password,
        "driver": "org.postgresql.Driver",
    }
    sink = sink_for(table_of("jdbc", given, COLUMNS), updating=False)
    sink.open("p", 1)
    assert sink.write(rows((1, "a"))).accepted == 1
    sink.close()
    assert run(database, "SELECT * FROM shop.t") == [(1, "a")]


# ------------------------------------------------------------------------- what goes wrong


def test_a_wrong_password_is_one_clear_error(postgres: PostgresServer) -> None:
    """The message says what to check and does not show the password."""
    given = {"url": postgres.url(password="hush"), "table-name": "t"}
    sink = sink_for(table_of("postgres", given, COLUMNS), updating=False)
    with pytest.raises(ConnectorError, match="password authentication failed") as caught:
        sink.open("p", 1)
    assert "'password'" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_an_unreachable_server_is_one_clear_error() -> None:
    """A wrong port is the commonest mistake."""
    from tests.servers.ports import free_ports

    address = f"postgresql://127.0.0.1:{free_ports(1)[0]}/x"
    given = {"url": address, "table-name": "t", "connection.timeout": "2 s"}
    source = source_for(table_of("postgres", given, COLUMNS))
    with pytest.raises(ConnectorError) as caught:
        source.open("table", resume=None).poll(max_rows=1, timeout_s=1)
    assert "'url'" in str(caught.value)


def test_a_missing_column_is_said_at_the_start(database: str) -> None:
    """Before the first row, not after an hour."""
    run(database, "CREATE TABLE t (id bigint)")
    sink = sink_for(table_of("postgres", options(database), COLUMNS), updating=False)
    with pytest.raises(ConnectorError, match='"name" does not exist'):
        sink.open("p", 1)
    sink.close()


def test_a_missing_unique_constraint_is_said(database: str) -> None:
    """ON CONFLICT needs what the CREATE TABLE of the script only declares."""
    run(database, "CREATE TABLE t (id bigint, name text)")
    sink = sink_for(table_of("postgres", options(database), COLUMNS, key=("id",)), updating=True)
    sink.open("p", 1)
    with pytest.raises(ConnectorError) as caught:
        sink.deliver(1, [rows((1, "a"), op=Op.INSERT)])
    assert "PRIMARY KEY" in str(caught.value)
    sink.close()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"url": "jdbc:mysql://h/x"}, "postgresql://host"),
        ({"url": "postgresql://h/x?options=-c%20a=b"}, "may not be set"),
        ({"url": "postgresql://h:no/x"}, "port"),
        ({"driver": "com.mysql.Driver"}, "not PostgreSQL's"),
        ({"scan.fetch-size": "0"}, "fetch-size"),
    ],
)
def test_a_wrong_option_says_what_is_accepted(given: dict[str, str], words: str) -> None:
    """Options are checked without a server."""
    base = {"url": "postgresql://h/x", "table-name": "t"}
    with pytest.raises(OptionError) as caught:
        config_of(table_of("postgres", {**base, **given}, COLUMNS))
    assert words in str(caught.value)


def test_secrets_do_not_show_in_the_config() -> None:
    """A repr ends in logs, and people write the password into the address."""
    for url in ("postgresql://u:hush@h/x", "jdbc:postgresql://h/x?user=u&password=hush"):
        _, config, _ = config_of(table_of("postgres", {"url": url, "table-name": "t"}, COLUMNS))
        assert "hush" not in repr(config)
        assert config.connection()["password"] == "hush"


def test_what_cannot_be_written_is_said_before_the_start() -> None:
    """Types without a counterpart, and changes without a key."""
    base = {"url": "postgresql://h/x", "table-name": "t"}
    odd = Schema.of({"m": "MAP<STRING, INT>"})
    with pytest.raises(OptionError, match="no type for"):
        sink_for(table_of("postgres", base, odd), updating=False)
    with pytest.raises(PlanError, match="need a key"):
        sink_for(table_of("postgres", base, SINK_COLUMNS), updating=True)


def test_a_transaction_of_the_dead_does_not_hold_the_next_start(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that went away says no goodbye: its open transaction kept the epoch row for hours."""
    monkeypatch.setattr(postgres_write, "IDLE_LIMIT_MS", 200)
    run(database, "CREATE TABLE t (id bigint, name text)")
    table = table_of("postgres", options(database), COLUMNS)
    first = sink_for(table, updating=False)
    first.open("p", 1)
    connection = first._connected()
    connection.execute("BEGIN")
    assert first._claim(connection, 1)
    second = sink_for(table, updating=False)
    assert second.open("p", 2) is None
    second.deliver(1, [rows((1, "a"))])
    second.close()
    with pytest.raises(ConnectorError, match="start 2"):
        first.deliver(1, [rows((1, "a"))])
    first.close()
    assert run(database, "SELECT id, name FROM t") == [(1, "a")]
