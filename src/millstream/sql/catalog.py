"""The tables, views, functions and settings of a session.

state   names; a table's Scan and a view's node are made once, so that every reader shares them
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from millstream.expr.tree import Function
from millstream.plan.nodes import Node, Scan
from millstream.plan.table import Table


@dataclass(frozen=True, slots=True)
class View:
    """A view: its node, and its query as written (None for a stream given from Python)."""

    node: Node
    text: str | None
    options: Mapping[str, str] | None = None
    """Of a materialized view: what WITH says of it."""


@dataclass
class Catalog:
    """What a script has declared so far."""

    tables: dict[str, Table] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    texts: dict[str, dict[str, str]] = field(default_factory=dict)
    """By table and column: computed columns as written; the watermark under ``""``."""
    _scans: dict[str, Scan] = field(default_factory=dict)

    def relation(self, name: str) -> Node | None:
        """Return the node of a table or view, the same object each time; None = no such name."""
        if name in self.views:
            return self.views[name].node
        table = self.tables.get(name)
        if table is None:
            return None
        if name not in self._scans:
            self._scans[name] = Scan(table=table)
        return self._scans[name]

    def relation_names(self) -> Iterable[str]:
        """Return every table and view there is."""
        return [*self.tables, *self.views]

    def add_table(self, table: Table, texts: dict[str, str] | None = None) -> None:
        """Declare a table; the caller has checked that the name is free."""
        self.tables[table.name] = table
        self.texts[table.name] = texts or {}
        self._scans.pop(table.name, None)

    def drop_table(self, name: str) -> None:
        """Forget a table; plans made of it stay."""
        del self.tables[name]
        self._scans.pop(name, None)
