"""Small plans for the tests of plan and rewrite, built by hand: no SQL, no catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millstream.expr.tree import AggCall, Call, Column, Expr, Literal, Named
from millstream.plan import nodes as n
from millstream.plan.derive import Append, Mode, Tables, Takes, Upsert
from millstream.plan.table import Computed, Metadata, Physical, Table, Watermark
from millstream.plan.windows import Attached, Tumble
from millstream.types import BigInt, Boolean, Int, IntervalDay, LogicalType, Schema, parse_type

if TYPE_CHECKING:
    from millstream.errors import Place

MINUTE_MS = 60_000


def table(name: str = "orders", *, watermark: str | None = "ts", **more: Any) -> Table:
    """Return a table: k, v, ts, a computed and a metadata column."""
    physical = {"k": "STRING", "v": "INT", "w": "INT", "s": "STRING", "ts": "TIMESTAMP(3)"}
    columns = tuple(Physical(c, parse_type(t)) for c, t in physical.items())
    double = Computed("twice", call("+", col_of("v", Int()), col_of("v", Int()), gives=Int()))
    made = (double, Metadata("part", Int(), "partition"))
    mark = None
    if watermark is not None:
        time_type = parse_type(physical[watermark])
        delay = Literal(5_000, type=IntervalDay(nullable=False))
        mark = Watermark(watermark, call("-", col_of(watermark, time_type), delay, gives=time_type))
    return Table(name, (*columns, *made), more.pop("connector", "kafka"), watermark=mark, **more)


def col_of(name: str, kind: LogicalType) -> Column:
    """Return a typed column."""
    return Column(name, type=kind)


def call(
    function: str, *args: Expr, gives: LogicalType | None = None, place: Place | None = None
) -> Call:
    """Return a typed call; BOOLEAN unless said."""
    return Call(function, args, type=gives or Boolean(), place=place)


def number(value: int) -> Literal:
    """Return an INT constant."""
    return Literal(value, type=Int(nullable=False))


def col(node: n.Node, name: str) -> Column:
    """Return a column of a node, typed."""
    return Column(name, type=node.schema.type_of(name))


def scan(source: Table | None = None) -> n.Scan:
    """Return a scan of the usual table."""
    return n.Scan(table=source or table())


def project(node: n.Node, *names: str, **made: Expr) -> n.Project:
    """Return a projection: names kept, then expressions; ``a='b'`` renames b to a."""
    kept = tuple(Named(c, col(node, c)) for c in names)
    return n.Project(input=node, columns=(*kept, *(Named(c, e) for c, e in made.items())))


def above(node: n.Node, name: str, value: int) -> n.Filter:
    """Return the filter ``name > value``."""
    return n.Filter(input=node, predicate=call(">", col(node, name), number(value)))


def count(name: str = "n", *args: Expr, function: str = "COUNT") -> Named:
    """Return an aggregate column."""
    return Named(name, AggCall(function, args, type=BigInt(nullable=False)))


def group(node: n.Node, *keys: str, aggs: tuple[Named, ...] = (count(),)) -> n.Aggregate:
    """Return an unwindowed aggregate."""
    return n.Aggregate(input=node, keys=keys, aggs=aggs)


def tumble(node: n.Node, *keys: str, time: str = "ts", **more: Any) -> n.WindowAggregate:
    """Return a count per minute."""
    aggs = more.pop("aggs", (count(),))
    window: Tumble | Attached = more.pop("window", Tumble(MINUTE_MS))
    return n.WindowAggregate(input=node, window=window, time=time, keys=keys, aggs=aggs, **more)


def sink(
    node: n.Node, name: str = "out", *, key: tuple[str, ...] = (), connector: str = "print"
) -> n.Write:
    """Return a sink that fits the node."""
    columns = tuple(Physical(f.name, f.type) for f in node.schema)
    return n.Write(input=node, table=Table(name, columns, connector, primary_key=key))


def plan(*tops: n.Node) -> n.Plan:
    """Return a plan; what is no sink gets one."""
    sinks = [t if isinstance(t, n.Write) else sink(t, f"out{i}") for i, t in enumerate(tops)]
    return n.Plan(tuple(sinks))


def tables(*, bounded: bool = False) -> Tables:
    """Return tables of which ``upsert-kafka`` and ``postgres`` take upserts, ``files`` appends."""
    takes = {"upsert-kafka": Takes.UPSERT, "postgres": Takes.UPSERT, "files": Takes.APPEND}

    def gives(source: Table) -> Mode:
        upsert = source.connector == "upsert-kafka"
        return Upsert(source.primary_key) if upsert else Append()

    return Tables(
        bounded=lambda _: bounded,
        gives=gives,
        takes=lambda t: takes.get(t.connector, Takes.CHANGES),
    )


def upserts() -> n.Scan:
    """Return a scan of an upsert source by k."""
    return scan(table("prices", connector="upsert-kafka", primary_key=("k",), watermark=None))


def schema(text: str) -> Schema:
    """Return a schema from ``a INT, b STRING``."""
    return Schema.of(dict(part.strip().split(" ", 1) for part in text.split(",")))
