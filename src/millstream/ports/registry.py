"""Connectors and formats by name, loaded when first asked for.

Third parties add their own through the entry point groups ``millstream.connectors`` and
``millstream.formats``; an entry point names a module attribute that is a Connector or a Format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import quote

from millstream.errors import OptionError, PlanError, UnknownName
from millstream.expr.casts import check_cast
from millstream.plan.table import Condition, Table
from millstream.ports.connector import (
    Changes,
    Connector,
    Home,
    Sink,
    SinkOptions,
    SinkSpec,
    Source,
    SourceSpec,
)
from millstream.ports.format import Decoder, Encoder, Format, PartDecoder
from millstream.ports.lookup import PREFIX, CacheKind, Lookup, LookupOptions, LookupSpec
from millstream.ports.options import options_of, read_options
from millstream.settings import DeliveryChoice, OnReject, Settings
from millstream.types import LogicalType, Schema, parse_type

CONNECTORS: dict[str, str] = {
    "alerts": "millstream.connect.alerts",
    "blackhole": "millstream.connect.blackhole",
    "datagen": "millstream.connect.datagen",
    "duckdb": "millstream.connect.duckdb",
    "filesystem": "millstream.connect.files",
    "http": "millstream.connect.http",
    "http-events": "millstream.connect.http_events",
    "kafka": "millstream.connect.kafka",
    "memory": "millstream.connect.memory",
    "nexmark": "millstream.connect.nexmark",
    "nycflights": "millstream.connect.nycflights",
    "postgres": "millstream.connect.postgres",
    "print": "millstream.connect.print",
    "replay": "millstream.connect.replay",
    "socket": "millstream.connect.socket",
    "sqlite": "millstream.connect.sqlite",
    "stdio": "millstream.connect.stdio",
    "upsert-kafka": "millstream.connect.upsert_kafka",
    "view": "millstream.connect.view",
}
ON_REJECT = "on-reject"
"""The option of any table: whether a row of it that cannot be used stops the pipeline."""
CONNECTOR_ALIASES = {"files": "filesystem", "jdbc": "postgres", "console": "print"}
_SINK_OPTIONS = frozenset(o.option.name for o in options_of(SinkOptions))
FORMATS: dict[str, str] = {
    "canal-json": "millstream.formats.canal",
    "csv": "millstream.formats.csv",
    "debezium-json": "millstream.formats.debezium",
    "json": "millstream.formats.json",
    "maxwell-json": "millstream.formats.maxwell",
    "parquet": "millstream.formats.parquet",
    "raw": "millstream.formats.raw",
}


@cache
def connector(name: str) -> Connector:
    """Return a connector by name."""
    name = CONNECTOR_ALIASES.get(name, name)
    if name in CONNECTORS:
        found = import_module(CONNECTORS[name]).CONNECTOR
        assert isinstance(found, Connector), f"{CONNECTORS[name]}.CONNECTOR is no Connector"
        return found
    known = [*CONNECTORS, *CONNECTOR_ALIASES]
    plugin = _plugin("millstream.connectors", "connector", name, known)
    assert isinstance(plugin, Connector), f"the plugin '{name}' is no Connector"
    return plugin


@cache
def format_named(name: str) -> Format:
    """Return a format by name."""
    if name in FORMATS:
        found = import_module(FORMATS[name]).FORMAT
        assert isinstance(found, Format), f"{FORMATS[name]}.FORMAT is no Format"
        return found
    plugin = _plugin("millstream.formats", "format", name, list(FORMATS))
    assert isinstance(plugin, Format), f"the plugin '{name}' is no Format"
    return plugin


def connector_names() -> list[str]:
    """Return the names of all connectors, own and installed."""
    return sorted({*CONNECTORS, *(e.name for e in entry_points(group="millstream.connectors"))})


def config_of(table: Table) -> tuple[Connector, Any, dict[str, Any]]:
    """Return a table's connector, its typed config and the format options, all checked."""
    try:
        found = connector(table.connector)
        owner = _owner(table, found)
        given = {k: v for k, v in table.options.items() if k != ON_REJECT}
        _check_on_reject(table)
        if can_be_asked(found):
            given = {k: v for k, v in given.items() if not k.startswith(PREFIX)}
            lookup_options(table)
        if found.sink is not None:
            given = {k: v for k, v in given.items() if k not in _SINK_OPTIONS}
            sink_options(table)
        own, formats = _split_options(found, given, owner)
        _check_partitions(table, found)
        return found, read_options(found.config, own, owner=owner), formats
    except (UnknownName, OptionError) as error:
        # A table of a SQL text knows where each of its options is written.
        if isinstance(error, UnknownName):
            named = error.kind if error.kind in ("connector", "format") else error.name
        else:
            named = error.option or ""
        error.where = table.places.get(named) or table.places.get("") or error.where
        raise


def _check_on_reject(table: Table) -> None:
    """Check what a table of any connector says of rows that cannot be used."""
    said = table.options.get(ON_REJECT)
    if said is not None and str(said).lower() not in (policy.value for policy in OnReject):
        wrong = OptionError(
            f"The option '{ON_REJECT}' cannot be '{said}'.",
            where=f"table '{table.name}'",
            hint="'reject' keeps such a row of this table aside, 'fail' stops the pipeline.",
        )
        wrong.option = ON_REJECT
        raise wrong


def _check_partitions(table: Table, found: Connector) -> None:
    if table.partitions and not found.partitions:
        raise OptionError(
            f"The connector '{found.name}' has no partitions of columns.",
            hint="Leave PARTITIONED BY out; a message's key is the option 'key.fields' of kafka.",
        )


def changes_of(table: Table) -> tuple[Changes, Changes]:
    """Return what a table gives when it is read and takes when it is written.

    Its connector says it, unless rows travel in a format whose documents are changes themselves.
    """
    found = connector(table.connector)
    name = table.options.get("value.format", table.options.get("format"))
    if found.payload and name is not None and format_named(str(name)).changelog:
        return Changes.RETRACT, Changes.RETRACT
    return found.gives, found.takes


def narrows(table: Table) -> bool:
    """Tell whether the source of a table can leave out fields of its ROW columns."""
    found = connector(table.connector)
    name = table.options.get("value.format", table.options.get("format"))
    return found.narrows or (name is not None and format_named(str(name)).narrows)


def source_for(
    table: Table,
    wanted: tuple[str, ...] | None = None,
    conditions: tuple[Condition, ...] = (),
    home: Home | None = None,
) -> Source:
    """Build the source of a table; ``wanted`` are the physical and metadata columns needed.

    ``conditions``: rows that do not meet them all may be left out. ``home``: see :func:`home_of`.
    """
    found, config, formats = config_of(table)
    if found.source is None:
        raise PlanError(
            f"The connector '{found.name}' cannot be read.", where=f"table '{table.name}'"
        )
    check_metadata(table, found)
    physical, metadata = table.physical, table.metadata
    if wanted is not None:
        physical = Schema(tuple(f for f in physical if f.name in wanted))
        metadata = tuple(m for m in metadata if m.name in wanted)
    return found.source(
        SourceSpec(
            table=table,
            config=config,
            physical=physical,
            metadata=metadata,
            formats=formats,
            conditions=conditions,
            home=home or Home(),
        )
    )


def home_of(settings: Settings) -> Home:
    """Return where the sources of a pipeline keep what is their own.

    >>> home_of(Settings(checkpoint_dir="state")).folder
    'state'
    >>> home_of(Settings(pipeline_name="shop", checkpoint_dir="s3://bucket/shop")).folder
    '.millstream/shop'
    """
    kept, name = settings.checkpoint_dir, settings.pipeline_name
    if kept is not None and (folder := kept.removeprefix("file://")).find("://") < 0:
        return Home(folder, pipeline=name)
    return Home(f".millstream/{quote(name, safe='')}", commits=kept is not None, pipeline=name)


def sink_for(table: Table, *, updating: bool, exactly_once: bool | None = None) -> Sink:
    """Build the sink of a table; without ``exactly_once`` the table's own option says it."""
    found, config, formats = config_of(table)
    if found.sink is None:
        raise PlanError(
            f"The connector '{found.name}' cannot be written.", where=f"table '{table.name}'"
        )
    if exactly_once is None:
        exactly_once = sink_options(table).delivery is not DeliveryChoice.AT_LEAST_ONCE
    return found.sink(
        SinkSpec(
            table=table,
            config=config,
            writable=table.writable,
            primary_key=table.primary_key,
            updating=updating,
            formats=formats,
            exactly_once=exactly_once,
        )
    )


def sink_options(table: Table) -> SinkOptions:
    """Return how a table is written, checked."""
    given = {k: v for k, v in table.options.items() if k in _SINK_OPTIONS}
    return read_options(SinkOptions, given, owner=_owner(table, connector(table.connector)))


def can_be_asked(found: Connector) -> bool:
    """Tell whether tables of a connector can be looked up, if only by reading them whole."""
    return found.lookup is not None or found.source is not None


def lookup_options(table: Table) -> LookupOptions:
    """Return how a table is asked, checked."""
    found = connector(table.connector)
    given = {k: v for k, v in table.options.items() if k.startswith(PREFIX)}
    options = read_options(LookupOptions, given, owner=_owner(table, found))
    if options.cache is not None:
        return options
    kind = CacheKind.FULL if found.lookup is None else CacheKind.NONE
    return replace(options, cache=kind)


def check_lookup(table: Table, keys: Iterable[str]) -> LookupOptions:
    """Refuse a table that cannot be asked by these columns; returns how it is asked."""
    found, config, _ = config_of(table)
    options, where = lookup_options(table), f"table '{table.name}'"
    if options.cache is CacheKind.FULL:
        if found.source is None or not found.bounded(config):
            raise PlanError(
                "The table has no end, so it cannot be read whole for a lookup.",
                where=where,
                hint="Look up a table of a database, of files, of memory or of a HTTP service; or "
                "join it FOR SYSTEM_TIME AS OF an event time.",
            )
        check_metadata(table, found)
        return options
    if found.lookup is None:
        raise PlanError(
            f"The connector '{found.name}' cannot be asked for single keys.",
            where=where,
            hint="Say 'lookup.cache' = 'FULL', or leave it out, to read the whole table.",
        )
    for key in keys:
        if key not in table.physical:
            raise PlanError(
                f"The column '{key}' is not stored: the table cannot be asked by it.",
                where=where,
                hint="Compare a stored column"
                + (", or say 'lookup.cache' = 'FULL'." if found.source is not None else "."),
            )
    return options


def lookup_for(table: Table, keys: Schema, wanted: Schema) -> Lookup:
    """Build what answers questions to a table that :func:`check_lookup` lets pass."""
    found, config, formats = config_of(table)
    assert found.lookup is not None, "check_lookup refuses tables that cannot be asked"
    return found.lookup(
        LookupSpec(
            table=table,
            config=config,
            keys=keys,
            wanted=wanted,
            options=lookup_options(table),
            formats=formats,
        )
    )


def check_metadata(table: Table, found: Connector) -> None:
    """Refuse metadata keys the connector does not have and types it cannot give."""
    for column in table.metadata:
        if column.key not in found.metadata:
            raise UnknownName(
                "metadata key",
                column.key,
                available=found.metadata,
                where=f"table '{table.name}', column '{column.name}'",
            )
        gives = metadata_type(found, column.key)
        try:
            check_cast(gives, column.type, None)
        except PlanError:
            raise PlanError(
                f"The metadata '{column.key}' is {gives}, the column says {column.type}.",
                where=f"table '{table.name}', column '{column.name}'",
                hint=f"Declare it as {gives}, or as a type it can be cast to.",
            ) from None


def metadata_type(found: Connector, key: str) -> LogicalType:
    """Return the type in which a connector gives a metadata column; the scan casts it."""
    return parse_type(found.metadata[key])


def decoder_for(
    schema: Schema,
    formats: Mapping[str, Any],
    *,
    owner: str,
    option: str = "format",
    whole: Schema | None = None,
) -> Decoder:
    """Build the decoder that the option ``format`` (or ``key.format`` …) names.

    ``whole`` are all columns a payload holds, where ``schema`` is only the part that is wanted.
    """
    found, config = format_of(formats, owner, option)
    if found.decoder is None:
        raise PlanError(f"The format '{found.name}' cannot be read.", where=owner)
    if found.positional and whole is not None and whole.names != schema.names:
        return PartDecoder(found.decoder(whole, config), schema.names)
    return found.decoder(schema, config)


def encoder_for(
    schema: Schema, formats: Mapping[str, Any], *, owner: str, option: str = "format"
) -> Encoder:
    """Build the encoder that the option ``format`` (or ``key.format`` …) names."""
    found, config = format_of(formats, owner, option)
    if found.encoder is None:
        raise PlanError(f"The format '{found.name}' cannot be written.", where=owner)
    return found.encoder(schema, config)


def format_of(formats: Mapping[str, Any], owner: str, option: str = "format") -> tuple[Format, Any]:
    """Return the format that ``option`` names, and its config."""
    if option not in formats:
        raise OptionError(
            f"The option '{option}' is missing.",
            where=owner,
            hint=f"Name one: {', '.join(sorted(FORMATS))}.",
        )
    found = format_named(str(formats[option]))
    lead = option.removesuffix("format") + found.name + "."
    given = {k.removeprefix(lead): v for k, v in formats.items() if k.startswith(lead)}
    return found, read_options(found.config, given, owner=f"{owner}, format '{found.name}'")


def _owner(table: Table, found: Connector) -> str:
    return f"table '{table.name}' (connector '{found.name}')"


def _split_options(
    found: Connector, options: Mapping[str, Any], owner: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell a connector's own options from those of its formats."""
    if not found.payload:
        return dict(options), {}
    selectors = ("format", "key.format", "value.format")
    formats = {k: v for k, v in options.items() if k in selectors}
    leads = tuple(
        selector.removesuffix("format") + format_named(str(name)).name + "."
        for selector, name in formats.items()
    )
    own: dict[str, Any] = {}
    for name, value in options.items():
        if name in formats or (leads and name.startswith(leads)):
            formats[name] = value
        else:
            own[name] = value
    known = {o.option.name for o in options_of(found.config)}
    near = [*known, *selectors, *(_SINK_OPTIONS if found.sink is not None else ())]
    for name in own:
        if name not in known and not any(
            k.endswith(".*") and name.startswith(k[:-1]) for k in known
        ):
            raise UnknownName("option", name, available=near, where=owner)
    return own, formats


def _plugin(group: str, kind: str, name: str, own: list[str]) -> Any:
    installed = {entry.name: entry for entry in entry_points(group=group)}
    if name not in installed:
        raise UnknownName(kind, name, available=[*own, *installed])
    return installed[name].load()
