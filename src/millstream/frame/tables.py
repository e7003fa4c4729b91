"""Tables from Python arguments: schema, event time, watermark, options.

in      the arguments of ``read_…`` and ``write_…``
out     a checked Table; its connector's config has been read once, so that a wrong option is told
        where it was written and not when the pipeline starts
bad     UnknownName, OptionError, TypeMismatch with the place of the call
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from millstream.errors import MillstreamError, PlanError
from millstream.expr import tree
from millstream.frame.bind import bind_row
from millstream.frame.expression import Expr
from millstream.frame.where import here
from millstream.plan.table import Computed, Metadata, Physical, Table, Watermark
from millstream.ports import registry
from millstream.ports.options import options_of
from millstream.types import IntervalDay, Schema, Timestamp, TimestampLtz, parse_type
from millstream.types.time import duration_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from millstream.ports.connector import Connector

_SIGNS = str.maketrans("-.", "__")


def source_table(
    connector: str,
    name: str,
    schema: Schema,
    options: Mapping[str, Any],
    *,
    event_time: str | None = None,
    watermark: Any = "0s",
    computed: Mapping[str, Expr] | None = None,
    metadata: Mapping[str, str] | None = None,
    primary_key: Sequence[str] = (),
) -> Table:
    """Build and check the table a stream is read from."""
    try:
        found = registry.connector(connector)
        columns: list[Physical | Metadata | Computed] = [Physical(f.name, f.type) for f in schema]
        columns += _metadata(found, metadata or {})
        seen = Schema.of({c.name: c.type for c in columns})
        columns += [
            Computed(n, bind_row(e.as_tree, seen, f"the computed column '{n}'"))
            for n, e in (computed or {}).items()
        ]
        table = Table(
            name,
            tuple(columns),
            found.name,
            given_options(found, options),
            primary_key=tuple(primary_key),
        )
        if event_time is not None:
            table = replace(table, watermark=_watermark(table.schema, event_time, watermark))
        registry.config_of(table)
        registry.check_metadata(table, found)
        if found.source is None:
            raise PlanError(f"The connector '{found.name}' cannot be read.")
    except MillstreamError as error:
        raise placed(error) from None
    return table


def sink_table(
    connector: str,
    name: str,
    schema: Schema,
    options: Mapping[str, Any],
    *,
    primary_key: Sequence[str] = (),
) -> Table:
    """Build and check the table a stream is written to; it has the stream's columns."""
    try:
        found = registry.connector(connector)
        table = Table(
            name,
            tuple(Physical(f.name, f.type) for f in schema),
            found.name,
            given_options(found, options),
            primary_key=tuple(primary_key),
        )
        registry.config_of(table)
        if found.sink is None:
            raise PlanError(f"The connector '{found.name}' cannot be written.")
    except MillstreamError as error:
        raise placed(error) from None
    return table


def placed(error: MillstreamError) -> MillstreamError:
    """Return the error with the place of the user's call, where it has none better."""
    place = here()
    if error.where is None:
        error.where = place
    elif isinstance(error.where, str) and place is not None:
        error.where = f"{error.where}, {place.file}:{place.line}"
    return error


def given_options(found: Connector, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options under their own names: ``scan_startup_mode`` is ``scan.startup.mode``.

    None means not given. An unknown name passes as it is; reading the config tells the near ones.
    """
    by_python_name = {
        o.option.name.translate(_SIGNS): o.option.name for o in options_of(found.config)
    }
    return {
        by_python_name.get(name, name): value for name, value in given.items() if value is not None
    }


def _metadata(found: Connector, wanted: Mapping[str, str]) -> list[Metadata]:
    made: list[Metadata] = []
    for column, key in wanted.items():
        text = found.metadata.get(key)
        # An unknown key is told by check_metadata, with the keys there are.
        dtype = parse_type(text) if text is not None else parse_type("STRING")
        made.append(Metadata(column, dtype, key, virtual=True))
    return made


def _watermark(schema: Schema, column: str, given: Any) -> Watermark:
    dtype = schema.type_of(column)
    if not isinstance(dtype, Timestamp | TimestampLtz):
        raise PlanError(
            f"The event-time column '{column}' is {dtype}.",
            hint="Event time is a TIMESTAMP(3). From milliseconds since 1970: "
            f"computed={{'event_time': ms.call('TO_TIMESTAMP_LTZ', ms.col('{column}'), 3)}}, "
            "event_time='event_time'.",
        )
    if isinstance(given, Expr):
        return Watermark(column, bind_row(given.as_tree, schema, "a watermark"))
    delay_ms = duration_ms(given)
    at: tree.Expr = tree.Column(column)
    if delay_ms:
        delay = tree.Literal(delay_ms, type=IntervalDay(nullable=False))
        at = tree.Call("-", (at, delay))
    return Watermark(column, bind_row(at, schema, "a watermark"))
