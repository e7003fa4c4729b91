"""Prints tables and views as the statements that would create them; secrets are masked."""

from __future__ import annotations

from collections.abc import Mapping

from millstream.plan.table import Computed, Metadata, Table
from millstream.sql.catalog import View

_SECRET_WORDS = ("password", "secret", "token", "credential", "jaas", "private-key", "apikey")


def create_table_text(table: Table, texts: Mapping[str, str]) -> str:
    """Return CREATE TABLE for a table; ``texts`` are its expressions as written, where known."""
    lines: list[str] = []
    for column in table.columns:
        name = _name(column.name)
        if isinstance(column, Computed):
            lines.append(f"{name} AS {texts.get(column.name, column.expr)}")
        elif isinstance(column, Metadata):
            virtual = " VIRTUAL" if column.virtual else ""
            lines.append(f"{name} {column.type} METADATA FROM {_text(column.key)}{virtual}")
        else:
            lines.append(f"{name} {column.type}")
    if table.watermark is not None:
        mark = table.watermark
        lines.append(f"WATERMARK FOR {_name(mark.column)} AS {texts.get('', mark.expr)}")
    if table.primary_key:
        keys = ", ".join(map(_name, table.primary_key))
        lines.append(f"PRIMARY KEY ({keys}) NOT ENFORCED")
    options = {"connector": table.connector, **table.options}
    given = ",\n  ".join(f"{_text(k)} = {_text(_shown(k, v))}" for k, v in options.items())
    comment = f" COMMENT {_text(table.comment)}" if table.comment else ""
    body = ",\n  ".join(lines)
    columns = ", ".join(map(_name, table.partitions))
    parts = f" PARTITIONED BY ({columns})" if columns else ""
    return f"CREATE TABLE {_name(table.name)} (\n  {body}\n){comment}{parts} WITH (\n  {given}\n)"


def create_view_text(name: str, view: View) -> str:
    """Return CREATE VIEW for a view; one given from Python says so."""
    kind, given = "VIEW", ""
    if view.options is not None:
        kind = "MATERIALIZED VIEW"
        said = ", ".join(f"{_text(k)} = {_text(v)}" for k, v in view.options.items())
        given = f" WITH ({said})" if said else ""
    text = view.text or "… -- a stream of the Python program"
    return f"CREATE {kind} {_name(name)}{given} AS {text}"


def _name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _shown(key: str, value: object) -> str:
    return "***" if any(word in key.lower() for word in _SECRET_WORDS) else str(value)
