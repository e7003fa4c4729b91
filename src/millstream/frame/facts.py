"""What is known of a stream before it runs: does it end, does it change, what is its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream.plan.derive import Append, Mode, Retract, Tables, Takes, Upsert, Upwards
from millstream.ports import registry
from millstream.ports.connector import Changes

if TYPE_CHECKING:
    from millstream.plan.derive import Facts
    from millstream.plan.nodes import Node
    from millstream.plan.table import Table

_TAKES = {
    Changes.APPEND: Takes.APPEND,
    Changes.UPSERT: Takes.UPSERT,
    Changes.RETRACT: Takes.CHANGES,
}


def facts_of(node: Node) -> Facts:
    """Return the facts of a node, asking the connectors of its tables but no system."""
    return Upwards(known_tables()).of(node)


def known_tables() -> Tables:
    """Return what connectors say of tables; no system is asked."""
    return Tables(_bounded, _gives, _takes)


def _bounded(table: Table) -> bool:
    found, config, _ = registry.config_of(table)
    return found.bounded(config)


def _gives(table: Table) -> Mode:
    match registry.changes_of(table)[0]:
        case Changes.UPSERT:
            return Upsert(table.primary_key)
        case Changes.RETRACT:
            return Retract()
        case _:
            return Append()


def _takes(table: Table) -> Takes:
    return _TAKES[registry.changes_of(table)[1]]
