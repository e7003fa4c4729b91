"""``millstream connectors [NAME]``: what there is, from the typed configs themselves."""

from __future__ import annotations

import json
import sys
from enum import Enum
from typing import Any

from millstream.cli.failure import Exit
from millstream.errors import MissingExtra
from millstream.ports import registry
from millstream.ports.connector import Connector, SinkOptions
from millstream.ports.lookup import LookupOptions
from millstream.ports.options import OptionField, options_of
from millstream.settings import Settings

MADE = "<!-- Made by `millstream {command} --format markdown`; a test compares. -->\n"
CONNECTORS_HEAD = f"""# Connectors

{MADE.format(command="connectors")}
What a table can be read from and written to. In SQL an option stands in `WITH`, in Python it is a
keyword (`scan_startup_mode` for `scan.startup.mode`). `millstream connectors NAME` shows the same.

"""
FOLDERS = """
# Folders by column values

A table of the connector `filesystem` that is `PARTITIONED BY` columns keeps its rows in folders
named after their values, as Hive, Spark and Flink do: `dt=2026-01-05/hm=10%3A30/`.

<!-- looked at, not run: it names a folder of its own -->
```sql
CREATE TABLE log (line STRING, dt STRING, hm STRING) PARTITIONED BY (dt, hm) WITH (
  'connector' = 'filesystem', 'path' = '/data/log', 'format' = 'csv',
  'sink.partition-commit.trigger' = 'partition-time',
  'sink.partition-commit.delay' = '1 min',
  'sink.partition-commit.policy.kind' = 'success-file',
  'partition.time-extractor.timestamp-pattern' = '$dt $hm:00');
INSERT INTO log VALUES ('started', '2026-01-05', '10:30');
```

* **Write**: the columns are not in the files, only in the path. Characters with a meaning in paths
  are written as `%XX`; NULL and the empty text as `partition.default-name`, read back as NULL.
* **Complete**: with the policy `success-file` an empty `_SUCCESS` tells that a folder is complete:
  when the watermark is past the folder's time plus the delay (`partition-time`), or so long after
  its first row (`process-time`), and at the end of the input. A folder that gets late rows is
  marked anew. Which folders are still open is kept in `.millstream`, over crashes and restarts.
* **Read**: the values come from the path, cast to the columns' types. A `WHERE` that compares such
  a column with a constant leaves out whole folders before any file is opened.

"""
CHANGELOG_FORMATS = """
# Changelog formats

Documents that tell of changes, as tools that read the logs of databases write them. With such a
`format` (in Kafka also as `value.format`) a table gives and takes inserts, updates and deletes:

<!-- looked at, not run: it needs servers -->
```sql
CREATE TABLE customers (id BIGINT, name STRING, PRIMARY KEY (id) NOT ENFORCED) WITH (
  'connector' = 'kafka', 'topic' = 'shop.customers', 'format' = 'debezium-json',
  'properties.bootstrap.servers' = 'localhost:9092', 'scan.startup.mode' = 'earliest-offset');
CREATE TABLE shown (id BIGINT, name STRING) WITH ('connector' = 'print');
INSERT INTO shown SELECT * FROM customers;
```

* **Read**: an insert gives `+I`, an update `-U` with the old row and `+U` with the new one, a
  delete `-D`. A document that does not say enough (an update without its old row, a change nobody
  knows) goes to `rejected` with its bytes; a tombstone of Kafka, which only repeats a delete, is
  skipped.
* **Write**: `+I` and `+U` become inserts, `-U` and `-D` deletes, as Flink writes them. A reader
  that keeps one row per key is better served by `upsert-kafka`.
* As `key.format`, and with `upsert-kafka`, they are refused.
* Options stand behind the name of the format: `'debezium-json.schema-include' = 'true'`.

"""
LOOKUPS = """
# Lookup

A table that is joined `FOR SYSTEM_TIME AS OF` a processing time is asked for the rows of each key,
as they are at that moment:

<!-- looked at, not run: it needs servers -->
```sql
CREATE TABLE orders (id INT, user_id INT, pt AS PROCTIME()) WITH ('connector' = 'datagen');
CREATE TABLE users (id INT, name STRING) WITH (
  'connector' = 'http', 'url' = 'http://users.example/{id}', 'lookup.cache' = 'PARTIAL',
  'lookup.partial-cache.expire-after-write' = '10min');
CREATE TABLE named (id INT, name STRING) WITH ('connector' = 'print');
INSERT INTO named
SELECT o.id, u.name FROM orders AS o
LEFT JOIN users FOR SYSTEM_TIME AS OF o.pt AS u ON u.id = o.user_id;
```

* Connectors that say "look up" above are asked by key: a batch of rows is one question with its
  different keys (databases: one query; HTTP: one request a key, several at a time).
* Every other table that ends (files, memory …) is read whole and kept (`'lookup.cache' = 'FULL'`),
  and read again every `lookup.full-cache.periodic-reload.interval`.
* Rows wait for their answers in the order they came while later batches are asked for already (see
  `table.exec.async-lookup.*` in the settings); watermarks wait behind them, so nothing becomes late
  by it. Rows that wait are part of a checkpoint and are asked for again after a restart; caches
  are not part of it.
* A question that still fails after `lookup.max-retries` stops the pipeline: no row is lost, and
  none goes on as if it had no partner.

"""
SETTINGS_HEAD = f"""# Settings

{MADE.format(command="settings")}
The limits and intervals of one pipeline: `SET 'name' = 'value'` in SQL, `--set name=value` on the
command line, `ms.run(settings={{"name": value}})` in Python.

"""


def list_connectors(name: str | None, shape: str) -> Exit:
    """Print all connectors, or the options of one."""
    if shape == "markdown":
        names = registry.connector_names() if name is None else [name]
        pages = [_markdown(describe(registry.connector(n))) for n in names]
        tail = FOLDERS + _lookups() + _changelog_formats()
        head, tail = (CONNECTORS_HEAD, tail) if name is None else ("", "")
        print(head + "\n".join(pages) + tail, end="")
        return Exit.OK
    if name is None:
        found = [_short(n) for n in registry.connector_names()]
        if shape == "json":
            print(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            _table([(c["name"], c["directions"], c["about"]) for c in found],
                   ("connector", "", "about"))  # fmt: skip
            print("\nmillstream connectors NAME shows its options.", file=sys.stderr)
        return Exit.OK
    full = describe(registry.connector(name))
    if shape == "json":
        print(json.dumps(full, indent=2, ensure_ascii=False))
    else:
        _print_full(full)
    return Exit.OK


def list_settings(shape: str) -> Exit:
    """Print every setting of a pipeline."""
    found = [_option(o) for o in options_of(Settings)]
    if shape == "json":
        print(json.dumps(found, indent=2, ensure_ascii=False))
    elif shape == "markdown":
        print(SETTINGS_HEAD + _markdown_options(found))
    else:
        _print_options(found)
    return Exit.OK


def describe(found: Connector) -> dict[str, Any]:
    """Return everything that can be said of a connector, as plain values."""
    return {
        "name": found.name,
        "about": found.doc,
        "directions": _directions(found),
        "extra": found.extra,
        "guarantee": found.guarantee,
        "gives": found.gives.value if found.source else None,
        "takes": found.takes.value if found.sink else None,
        "formats": sorted(registry.FORMATS) if found.payload else [],
        "metadata": dict(found.metadata),
        "options": [_option(o) for o in _options(found)],
    }


def _options(found: Connector) -> list[OptionField]:
    every = list(options_of(found.config))
    return every if found.sink is None else [*every, *options_of(SinkOptions)]


def _short(name: str) -> dict[str, Any]:
    try:
        found = registry.connector(name)
    except MissingExtra as error:
        # The list is for choosing: what is not installed is listed with how to get it.
        return {"name": name, "directions": "", "about": f"not installed: {error.hint}"}
    return {"name": name, "directions": _directions(found), "about": found.doc}


def _directions(found: Connector) -> str:
    every = (("read", found.source), ("write", found.sink), ("look up", found.lookup))
    ways = [w for w, there in every if there]
    return ", ".join(ways)


def _option(o: OptionField) -> dict[str, Any]:
    return {
        "name": o.option.name,
        "kind": o.option.kind,
        "required": o.required,
        "default": None if o.required else _plain(o.default),
        "choices": _choices(o),
        "secret": o.option.secret,
        "about": o.option.doc,
    }


def _choices(o: OptionField) -> list[str]:
    if o.option.kind != "enum":
        return []
    kinds = [o.type, *getattr(o.type, "__args__", ())]
    found = next((k for k in kinds if isinstance(k, type) and issubclass(k, Enum)), None)
    return [] if found is None else [str(m.value) for m in found]


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, str | int | float | bool | list | dict) else None


def _print_full(full: dict[str, Any]) -> None:
    print(f"{full['name']}: {full['about']}")
    print(f"  {full['directions']}; delivery: {full['guarantee'] or 'see the docs'}")
    if full["extra"]:
        print(f"  needs: pip install 'millstream[{full['extra']}]'")
    if full["formats"]:
        print(f"  format: {', '.join(full['formats'])}")
    print()
    _print_options(full["options"])
    if full["metadata"]:
        print()
        _table(list(full["metadata"].items()), ("metadata", "type"))


def _print_options(options: list[dict[str, Any]]) -> None:
    _table([_cells(o) for o in options], ("option", "kind", "default", "about"))


def _cells(o: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return an option as name, kind, default, meaning."""
    default = "required" if o["required"] else _shown(o["default"])
    kind = " | ".join(o["choices"]) if o["choices"] else o["kind"].removesuffix("_ms")
    return o["name"], kind, default, o["about"]


def _markdown(full: dict[str, Any]) -> str:
    lines = [f"## {full['name']}", "", full["about"], ""]
    lines.append(f"* {full['directions']}" + (f" (gives {full['gives']})" if full["gives"] else ""))
    if full["guarantee"]:
        lines.append(f"* delivery: {full['guarantee']}")
    if full["takes"]:
        lines.append(f"* the sink takes: {full['takes']}")
    if full["formats"]:
        lines.append(f"* `format`: {', '.join(full['formats'])}")
    if full["extra"]:
        lines.append(f"* needs `pip install 'millstream[{full['extra']}]'`")
    if full["metadata"]:
        keys = ", ".join(f"`{key}` {kind}" for key, kind in full["metadata"].items())
        lines.append(f"* metadata columns: {keys}")
    lines.append("")
    return "\n".join(lines) + "\n" + _markdown_options(full["options"])


def _changelog_formats() -> str:
    found = [registry.format_named(name) for name in sorted(registry.FORMATS)]
    pages = [
        f"## {f.name}\n\n{f.doc}\n\n"
        + _markdown_options([_option(o) for o in options_of(f.config)])
        for f in found
        if f.changelog
    ]
    return CHANGELOG_FORMATS + "\n".join(pages)


def _lookups() -> str:
    return LOOKUPS + _markdown_options([_option(o) for o in options_of(LookupOptions)])


def _markdown_options(options: list[dict[str, Any]]) -> str:
    if not options:
        return "No options.\n"
    lines = ["| option | kind | default | meaning |", "|---|---|---|---|"]
    for o in options:
        name, kind, default, about = (part.replace("|", "\\|") for part in _cells(o))
        lines.append(f"| `{name}` | {kind} | {default} | {about} |")
    return "\n".join(lines) + "\n"


def _shown(default: Any) -> str:
    if default is None or default in ([], {}):
        return "-"
    return str(default).lower() if isinstance(default, bool) else str(default)


def _table(rows: list[tuple[Any, ...]], heads: tuple[str, ...]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold cyan")
    for index, head in enumerate(heads):
        table.add_column(head, no_wrap=index == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console()
    # A reader that is no terminal gets whole lines: nothing is cut to a width it has not.
    Console(width=console.width if console.is_terminal else 160).print(table)
