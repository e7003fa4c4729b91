"""Tables that are asked for rows by key: one contract, and what is particular to each system."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import polars as pl
import pytest

from millstream.columns.physical import polars_schema
from millstream.errors import ConnectorError, OptionError, Retry
from millstream.ports.lookup import ASK
from millstream.ports.registry import config_of, lookup_for, sink_for
from millstream.types import Schema
from tests.connect.contract import SINK_COLUMNS, sink_rows, table_of

if TYPE_CHECKING:
    from pathlib import Path

    from millstream.plan.table import Table

EVERY = SINK_COLUMNS.names


def asked(table: Table, keys: dict[str, list[Any]], wanted: tuple[str, ...] = EVERY) -> list[Any]:
    """Ask a table, and return (number of the key, columns …), sorted."""
    schema = table.physical
    lookup = lookup_for(table, schema.select(keys), schema.select(wanted))
    try:
        found = lookup.ask(pl.DataFrame(keys, schema=polars_schema(schema.select(keys))))
    finally:
        lookup.close()
        lookup.close()
    assert dict(found.select(wanted).schema) == dict(polars_schema(schema.select(wanted)))
    return sorted(found.select(ASK, *wanted).rows(), key=repr)


def stored(table: Table) -> Table:
    """Write the usual rows, one of them twice under another id."""
    sink = sink_for(table, updating=False)
    sink.open("p", 0)
    sink.write(
        pl.concat([sink_rows(*range(8)), sink_rows(3).with_columns(pl.lit("x").alias("name"))])
    )
    sink.flush()
    sink.close()
    return table


@pytest.fixture(params=["sqlite", "duckdb", pytest.param("postgres", marks=pytest.mark.postgres)])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Table:
    """A table of each database."""
    name = request.param
    if name != "postgres":
        return stored(table_of(name, {"path": str(tmp_path / "t.db"), "table": "t"}))
    options = {"url": request.getfixturevalue("database"), "table-name": "t"}
    return stored(table_of(name, {**options, "sink.create-table": "true"}))


def test_rows_come_with_the_number_of_their_key(table: Table) -> None:
    """A join finds its rows by this number alone; several rows of a key, and none, are usual."""
    want = [(number, *row) for number, id_ in enumerate([3, 5, 0]) for row in rows_of(id_)]
    assert asked(table, {"id": [3, 5, 0, 99]}) == sorted(want, key=repr)


def rows_of(id_: int) -> list[Any]:
    found = sink_rows(id_)
    more = [found.with_columns(pl.lit("x").alias("name"))] if id_ == 3 else []
    return [row for frame in (found, *more) for row in frame.rows()]


def test_several_key_columns_of_several_types(table: Table) -> None:
    """Each type must be compared as what it is: text, decimals, times and booleans."""
    row = sink_rows(3)
    for name in EVERY:
        keys = {"id": [3], name: [row[name][0]]}
        assert (0, 3) in asked(table, keys, ("id",)), name


def test_many_keys_of_one_question(table: Table) -> None:
    """A question larger than one query must keep the numbers of its keys."""
    keys = [*range(50_000, 75_000), 7, 4]
    assert asked(table, {"id": keys}, ("id",)) == [(25_000, 7), (25_001, 4)]


def test_no_columns_but_the_key(table: Table) -> None:
    """A join that only asks whether there is a row wants no column of it."""
    assert asked(table, {"id": [1, 99]}, ("id",)) == [(0, 1)]


def test_a_text_in_quotes_is_a_value(table: Table) -> None:
    """Keys come from the data; none may ever be read as SQL."""
    assert asked(table, {"name": ["x' OR '1'='1", 'x"; DROP TABLE t', "x"]}, ("id",)) == [(2, 3)]


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The user must see which table of which file was looked for."""
    sqlite3.connect(tmp_path / "t.db").execute("CREATE TABLE other (id INT)")
    missing = table_of("sqlite", {"path": str(tmp_path / "t.db"), "table": "t"})
    with pytest.raises(ConnectorError, match=r"(?s)t.*no"):
        asked(missing, {"id": [1]})


@pytest.mark.postgres
def test_text_keys_meet_uuid_columns(database: str) -> None:
    """A uuid column is declared as STRING; compared as text its index would be of no use."""
    import psycopg

    one, other = "5b1f5c3e-8f3f-4d7a-9f57-0e6a6c3f9d11", "00000000-0000-0000-0000-000000000001"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE u (id uuid PRIMARY KEY, name text)")
        connection.execute(f"INSERT INTO u VALUES ('{one}', 'ann')")
    schema = Schema.of({"id": "STRING", "name": "STRING"})
    table = table_of("postgres", {"url": database, "table-name": "u"}, schema)
    assert asked(table, {"id": [other, one]}, ("id", "name")) == [(1, one, "ann")]


@pytest.mark.postgres
def test_a_lost_connection_is_a_passing_failure(database: str) -> None:
    """Connections are kept between questions; the server may end them in between."""
    import psycopg

    table = stored(
        table_of("postgres", {"url": database, "table-name": "t", "sink.create-table": "true"})
    )
    schema = table.physical
    lookup = lookup_for(table, schema.select(["id"]), schema.select(["name"]))
    keys = pl.DataFrame({"id": [1]}, schema=polars_schema(schema.select(["id"])))
    assert lookup.ask(keys).height == 1
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(ConnectorError) as failed:
        lookup.ask(keys)
    assert failed.value.retry is Retry.LATER
    assert lookup.ask(keys).height == 1
    lookup.close()


@pytest.mark.postgres
def test_closing_cancels_what_runs(database: str) -> None:
    """A table locked by somebody else must not keep a stopped pipeline from ending."""
    import psycopg

    table = stored(
        table_of("postgres", {"url": database, "table-name": "t", "sink.create-table": "true"})
    )
    schema = table.physical
    lookup = lookup_for(table, schema.select(["id"]), schema.select(["name"]))
    keys = pl.DataFrame({"id": [1]}, schema=polars_schema(schema.select(["id"])))
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            lookup.ask(keys)
        except ConnectorError as error:
            failed.append(error)

    waits = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with psycopg.connect(database) as other, psycopg.connect(database, autocommit=True) as watch:
        other.execute("LOCK TABLE t")
        thread = threading.Thread(target=ask)
        thread.start()
        deadline = time.monotonic() + 120
        while watch.execute(waits).fetchone() != (1,):
            assert time.monotonic() < deadline, "nobody waits for the lock"
        lookup.close()
        thread.join(20)
        assert not thread.is_alive()
        other.rollback()
    assert len(failed) == 1


# ------------------------------------------------------------------------------ HTTP


@dataclass
class Service:
    """A service of this process: what it answers, and what it was asked."""

    url: str
    answer: Callable[[str, dict[str, str]], tuple[int, str]]
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    under_way_max: int = 0
    gate: threading.Barrier | None = None


@pytest.fixture
def service() -> Iterator[Service]:
    lock = threading.Lock()
    under_way = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            nonlocal under_way
            with lock:
                under_way += 1
                made.under_way_max = max(made.under_way_max, under_way)
                made.asked.append(self.path)
                made.headers.append(dict(self.headers))
            if made.gate is not None:
                made.gate.wait(20)
            parts = urlsplit(self.path)
            query = {k: v[0] for k, v in parse_qs(parts.query).items()}
            status, body = made.answer(unquote(parts.path), query)
            data = body.encode()
            with lock:
                under_way -= 1
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing on the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made = Service(f"http://127.0.0.1:{server.server_port}", lambda _path, _query: (404, ""))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


USERS = Schema.of({"id": "INT", "region": "STRING", "name": "STRING", "age": "INT"})


def users(service: Service, url: str = "/users/{id}", **options: Any) -> Table:
    return table_of("http", {"url": service.url + url, **options}, USERS, name="users")


def test_objects_arrays_and_nothing(service: Service) -> None:
    """One row, several, none: what a service says of a key comes in these shapes."""
    answers = {
        "/users/1": (200, json.dumps({"id": 1, "name": "ann", "age": 3, "more": [1]})),
        "/users/2": (200, json.dumps([{"name": "bob", "age": 1}, {"name": "bea", "age": None}])),
        "/users/3": (404, "no such user"),
        "/users/4": (200, "[]"),
        "/users/5": (204, ""),
    }
    service.answer = lambda path, _: answers[path]
    found = asked(users(service), {"id": [3, 1, 2, 4, 5]}, ("id", "name", "age"))
    assert found == [(1, 1, "ann", 3), (2, 2, "bea", None), (2, 2, "bob", 1)]


def test_values_are_quoted_in_the_address(service: Service) -> None:
    """A key is data: a slash or a question mark in it must not make another address."""
    service.answer = lambda path, query: (200, json.dumps({"name": f"{path} {query}", "age": 1}))
    key = "a/../b?x=1&y= é"
    table = users(service, "/in/{region}?of={id}", **{"header.X-Token": "t"})
    ((_, name),) = asked(table, {"region": [key], "id": [7]}, ("name",))
    assert name == f"/in/{key} {{'of': '7'}}"
    assert service.headers[0]["X-Token"] == "t"


def test_keys_outside_the_address_are_compared(service: Service) -> None:
    """ON may compare more than the service can be asked by."""
    both = [{"region": "eu", "name": "ann", "age": 1}, {"region": "us", "name": "bob", "age": 2}]
    service.answer = lambda _path, _query: (200, json.dumps(both))
    found = asked(users(service), {"id": [1, 2], "region": ["us", "no"]}, ("name",))
    assert found == [(0, "bob")]


def test_requests_go_side_by_side_within_the_limit(service: Service) -> None:
    """A question with many keys must not take as many round trips, nor flood the service."""
    service.gate = threading.Barrier(3)  # answers only while three are under way
    service.answer = lambda path, _: (200, json.dumps({"name": path, "age": 1}))
    table = users(service, **{"max-concurrency": "3"})
    assert len(asked(table, {"id": list(range(9))}, ("name",))) == 9
    assert service.under_way_max == 3


def test_passing_failures_are_tried_again(service: Service) -> None:
    """A service that is busy for a moment must not stop a pipeline."""
    left = [503, 429]
    service.answer = lambda _path, _query: (
        (left.pop(), "") if left else (200, json.dumps({"name": "ann", "age": 1}))
    )
    assert asked(users(service), {"id": [1]}, ("name",)) == [(0, "ann")]
    assert service.asked == ["/users/1"] * 3


@pytest.mark.parametrize(
    ("answer", "says", "retry"),
    [
        ((503, ""), "answered 503", Retry.LATER),
        ((403, "no"), "answered 403", Retry.NEVER),
        ((200, "<html>"), "no row of the table", Retry.NEVER),
        ((200, '[{"name": 1'), "no row of the table", Retry.NEVER),
        ((200, '{"name": "x", "age": "old"}'), "no row of the table", Retry.NEVER),
        ((200, '{"name": "' + "x" * 3000 + '"}'), "longer than 2048", Retry.NEVER),
    ],
)
def test_what_stays_wrong_is_an_error(
    service: Service, answer: tuple[int, str], says: str, retry: Retry
) -> None:
    """A row of the stream must never go on as if there were no partner when nobody knows."""
    service.answer = lambda _path, _query: answer
    options = {"lookup.max-retries": "1", "response.bytes-max": "2kb", "header.Auth": "secret"}
    with pytest.raises(ConnectorError, match=says) as failed:
        asked(users(service, **options), {"id": [1]}, ("name", "age"))
    assert failed.value.retry is retry
    assert "secret" not in str(failed.value)


def test_a_service_that_is_not_there(service: Service) -> None:
    """A refused connection may pass: the answer says so, and names the address."""
    gone = table_of(
        "http", {"url": "http://127.0.0.1:9/{id}", "lookup.max-retries": "0"}, USERS, name="users"
    )
    with pytest.raises(ConnectorError, match=r"127\.0\.0\.1:9/1") as failed:
        asked(gone, {"id": [1]}, ("name",))
    assert failed.value.retry is Retry.LATER


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://host/{id}", "none of HTTP"),
        ("http://{region}.host/{id}", "host"),
        ("http://host/{id", "braces"),
        ("http://host/{id.real}", "name of one key column"),
        ("http://host/{id!r}", "name of one key column"),
    ],
)
def test_addresses_that_are_none(url: str, says: str) -> None:
    """A wrong template is told before the first row, not by a strange request."""
    with pytest.raises(OptionError, match=says):
        config_of(table_of("http", {"url": url}, USERS))


def test_the_address_names_only_keys(service: Service) -> None:
    """A column in the address that the join does not compare has no value."""
    with pytest.raises(OptionError, match="needs 'region'"):
        asked(users(service, "/{region}/{id}"), {"id": [1]}, ("name",))


def test_headers_never_show() -> None:
    """A config is printed in messages and logs; tokens must not be."""
    table = table_of("http", {"url": "http://h/{id}", "header.Authorization": "Bearer x1"}, USERS)
    assert "x1" not in repr(config_of(table)[1])
