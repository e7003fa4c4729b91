"""SQL inside Python: queries over streams, and whole scripts.

in      SQL text; streams under the names the text uses, functions made by ``udf``
out     a Stream for a query, Sinks for the INSERTs of a script
bad     SqlError with line, column and the text marked; UnknownName with the near names
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from millstream.errors import PlanError, SqlError
from millstream.frame.sink import Sink
from millstream.frame.where import here
from millstream.ports.options import with_options
from millstream.settings import Settings

if TYPE_CHECKING:
    from millstream.frame.stream import Stream
    from millstream.frame.udf import Function
    from millstream.sql.catalog import Catalog
    from millstream.sql.script import Outcome, Session

SHOWN_ROWS_MAX = 10_000


def sql(text: str, **streams: Stream | Function) -> Stream:
    """Ask a query of streams, or of tables that the text declares.

    Args:
        text: one SELECT, perhaps after CREATE statements.
        streams: the streams (and functions) under the names the text uses.

    Returns:
        the stream of the query's rows.

    Raises:
        SqlError: for a text that cannot be read, with the place marked.
        UnknownName: for a table, column or function that does not exist.

    >>> import millstream as ms
    >>> orders = ms.read_memory([{"country": "de", "v": 1}, {"country": "de", "v": 2}])
    >>> ms.sql("SELECT country, SUM(v) AS v FROM orders GROUP BY country", orders=orders)
    Stream(country STRING, v BIGINT)
    """
    from millstream.frame.stream import Stream
    from millstream.sql.script import Inserted, Selected

    found: Stream | None = None
    for outcome in session_of(streams).execute(text):
        if isinstance(outcome, Inserted):
            raise SqlError(
                "This INSERT INTO gives no rows.",
                where=outcome.place,
                hint="ms.script(…) declares the sinks of a script.",
            )
        if isinstance(outcome, Selected):
            found = Stream(outcome.node)
    if found is None:
        raise SqlError("There is no SELECT in this text.", where=here(), hint="End it with one.")
    return found


def script(text: str, **streams: Stream | Function) -> tuple[Sink, ...]:
    """Declare the sinks of a SQL script: INSERT INTO, materialized views; bare queries are shown.

    Args:
        text: statements, with ``;`` between them.
        streams: streams and functions under the names the text uses.

    Returns:
        the sinks, declared: ``ms.run()`` runs them.

    Raises:
        SqlError: for a text that cannot be read, with the place marked.

    >>> import millstream as ms
    >>> sinks = ms.script(
    ...     '''
    ...     CREATE TABLE out (x BIGINT) WITH ('connector' = 'blackhole');
    ...     INSERT INTO out SELECT x FROM numbers WHERE x > 1;
    ... ''',
    ...     numbers=ms.read_memory([{"x": 1}, {"x": 2}]),
    ... )
    >>> ms.run(*sinks).progress.rows_out
    1
    """
    return tuple(_sinks(session_of(streams).execute(text)))


def session_of(streams: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> Session:
    """Return a session whose catalog holds the given streams and functions."""
    from millstream.sql.catalog import Catalog
    from millstream.sql.script import Session

    catalog = Catalog()
    if streams:
        _enter(catalog, streams)
    settings = with_options(Settings(), options or {}, owner="settings")
    return Session(catalog, settings)


def _enter(catalog: Catalog, streams: Mapping[str, Any]) -> None:
    """Enter streams and functions; a script without any needs no module of either."""
    from millstream.frame.process import ProcessFunction
    from millstream.frame.stream import Stream
    from millstream.frame.udf import AggregateFunction, Function, TableFunction
    from millstream.sql.catalog import View

    for name, value in streams.items():
        if isinstance(value, Stream):
            catalog.views[name] = View(value.node, None)
        elif isinstance(value, Function | TableFunction | AggregateFunction | ProcessFunction):
            catalog.functions[name.upper()] = value.udf
        else:
            raise PlanError(
                f"'{name}' is {type(value).__name__}, neither a stream nor a function.",
                where=here(),
                hint="Give a Stream, what @ms.udf made, or ms.from_polars(frame).",
            )


def script_of(
    text: str, file: str | None, options: Mapping[str, Any]
) -> tuple[tuple[Sink, ...], Settings]:
    """Return what a script file runs as one job, and the settings it runs with."""
    session = session_of({}, options)
    sinks = tuple(_sinks(session.execute(text, file=file)))
    return sinks, session.settings


def _sinks(outcomes: Iterator[Outcome]) -> Iterator[Sink]:
    from millstream.sql.script import Inserted, Materialized, Selected

    for outcome in outcomes:
        if isinstance(outcome, Inserted):
            for write in outcome.sinks:
                yield Sink(write)
        elif isinstance(outcome, Materialized):
            from millstream.frame.live_views import viewed

            yield viewed(outcome.node, outcome.name, outcome.options)
        elif isinstance(outcome, Selected):
            from millstream.frame.results import kept, view_of

            view = view_of(outcome.node, rows_max=SHOWN_ROWS_MAX)
            yield Sink(kept(outcome.node, view), view, shown=True)
