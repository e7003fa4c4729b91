"""A database that refuses rows, cuts connections and loses its reply to a commit (F11, F14)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

import millstream as ms
from millstream.errors import DataError
from millstream.job import Job
from millstream.plan.nodes import Plan
from millstream.ports.connector import Sink
from millstream.ports.registry import sink_for
from millstream.settings import OnReject, RestartStrategy, Settings
from tests.faults.proxy import Proxy, postgres_commit
from tests.faults.sink_child import rows_said, table_said

if TYPE_CHECKING:
    from tests.servers.postgres import PostgresServer

pytestmark = [pytest.mark.faults, pytest.mark.postgres]
TABLE = "CREATE TABLE t (id bigint NOT NULL, who text CHECK (who <> 'bad'))"
SQL = """
CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '20',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '19');
CREATE TABLE t (id BIGINT, who STRING) WITH (
  'connector' = 'postgres', 'url' = '{url}', 'table-name' = 't');
INSERT INTO t SELECT CASE WHEN id = 7 THEN CAST(NULL AS BIGINT) ELSE id END,
  CASE WHEN id = 11 THEN 'bad' ELSE 'good' END FROM numbers;
"""


def run(url: str, text: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        done = connection.execute(text.encode())
        return done.fetchall() if done.description else []


def sink_at(url: str) -> Sink:
    return sink_for(table_said("postgres", {"url": url, "table-name": "t"}), updating=False)


@pytest.fixture
def proxied(postgres: PostgresServer, database: str) -> Iterator[tuple[Proxy, str]]:
    proxy = Proxy(postgres.port)
    yield proxy, database.replace(f":{postgres.port}/", f":{proxy.port}/")
    proxy.close()


def test_f11_the_reply_to_a_commit_is_lost(proxied: tuple[Proxy, str], database: str) -> None:
    """The rows are there and the connection is not: the epoch row says that nothing is to do."""
    run(database, TABLE)
    proxy, url = proxied
    sink = sink_at(url)
    sink.open("p", 1)
    sink.deliver(1, [rows_said("a", 1)])
    proxy.lose_reply(postgres_commit)
    assert sink.deliver(2, [rows_said("a", 2, 3)]).accepted == 2
    assert proxy.replies_lost.acquire(timeout=60), "no reply was lost"
    sink.deliver(3, [rows_said("a", 4)])
    sink.close()
    assert run(database, "SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,), (4,)]


def test_f11_the_connection_is_ended_before_and_within_an_epoch(database: str) -> None:
    """An administrator, a fail-over or a firewall ends it: the epoch is done anew, and once."""
    run(database, TABLE)
    sink = sink_at(database)
    sink.open("p", 1)
    sink.deliver(1, [rows_said("a", 1)])
    end = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert run(database, end) == [(1,)]
    sink.deliver(2, [rows_said("a", 2)])
    # Within: a trigger ends the connection that writes, the first time.
    run(
        database,
        "CREATE SEQUENCE times; CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN IF nextval(''times'') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); "
        "END IF; RETURN NEW; END'; "
        "CREATE TRIGGER cut BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION cut()",
    )
    sink.deliver(3, [rows_said("a", 3, 4)])
    sink.close()
    assert run(database, "SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,), (4,)]
    open_ones = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
    )
    assert run(database, open_ones) == [(0,)]


def job(database: str, tmp_path: Path, on_reject: OnReject) -> Job:
    settings = Settings(
        checkpoint_dir=str(tmp_path / "checkpoints"),
        on_reject=on_reject,
        restart_strategy=RestartStrategy.NONE,
    )
    return Job(Plan(tuple(s.node for s in ms.script(SQL.format(url=database)))), settings)


def test_f14_rows_the_database_refuses_are_kept_and_the_others_written(
    database: str, tmp_path: Path
) -> None:
    """NOT NULL and CHECK, two rows among twenty: each is a dead letter with the reason."""
    run(database, TABLE)
    summary = job(database, tmp_path, OnReject.REJECT).run()
    kept = [i for (i,) in run(database, "SELECT id FROM t ORDER BY id")]
    assert kept == [i for i in range(20) if i not in (7, 11)]
    (sink,) = summary.progress.sinks
    assert (sink.rows_accepted, sink.rows_refused) == (18, 2)
    reasons = " ".join(reason for reason, _ in summary.reasons)
    assert "null value" in reasons
    assert list((tmp_path / "checkpoints" / "dead-letters").rglob("*")), "no letters are kept"


def test_f14_a_refused_row_stops_the_pipeline_where_that_is_set(
    database: str, tmp_path: Path
) -> None:
    """With 'fail' nothing of the epoch is written, and the error says which row's fault it is."""
    run(database, TABLE)
    with pytest.raises(DataError, match="refused a row"):
        job(database, tmp_path, OnReject.FAIL).run()
    assert run(database, "SELECT id FROM t") == []
