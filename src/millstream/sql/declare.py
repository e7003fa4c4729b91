"""From what CREATE TABLE and ALTER TABLE say to a table of the catalog.

in      a statement, the tables it names
out     the :class:`~millstream.plan.table.Table` and its expressions as written
bad     PlanError, UnknownName, TypeMismatch; the session adds the place of the statement
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from millstream.errors import PlanError, TypeMismatch, UnknownName
from millstream.expr.resolve import resolve
from millstream.expr.tree import Column, Expr, columns_of
from millstream.plan.table import ColumnDef, Computed, Metadata, Physical, Table, Watermark
from millstream.sql import statements as s
from millstream.types import Field, Schema, Timestamp, TimestampLtz


@dataclass(frozen=True, slots=True)
class Declaration:
    """A table and its expressions as written: by computed column, the watermark under ``""``."""

    table: Table
    texts: dict[str, str]


def created(
    said: s.CreateTable, like: Declaration | None, fills: Schema | None = None
) -> Declaration:
    """Return the table of CREATE TABLE; ``fills`` are the columns of the query behind AS."""
    base = None if like is None else _liked(like, said.like_options)
    declared = said.declared
    columns: list[ColumnDef] = [] if base is None else list(base.table.columns)
    texts = {} if base is None else dict(base.texts)
    overwritten = {c.name for c in declared.columns if isinstance(c, s.ComputedColumn)}
    columns = [c for c in columns if not (isinstance(c, Computed) and c.name in overwritten)]
    own = {c.name for c in declared.columns}
    filled = [Physical(f.name, f.type) for f in fills or () if f.name not in own]
    columns = [*columns, *_columns(declared.columns, [*columns, *filled]), *filled]
    options: dict[str, str] = {} if base is None else _with_connector(base.table)
    options |= said.options
    connector = options.pop("connector", None)
    if connector is None:
        raise PlanError(
            f"The table '{said.name}' needs the option 'connector'.",
            hint="Add WITH ('connector' = '…'); `millstream connectors` lists them.",
        )
    if not columns:
        raise PlanError(f"The table '{said.name}' has no columns.")
    table = Table(
        name=said.name,
        columns=tuple(columns),
        connector=str(connector),
        options=options,
        places={"": said.place, **said.option_places},
        primary_key=declared.primary_key or (() if base is None else base.table.primary_key),
        partitions=said.partitions or (() if base is None else base.table.partitions),
        comment=said.comment,
    )
    texts |= {c.name: c.text for c in declared.columns if isinstance(c, s.ComputedColumn)}
    found = Declaration(table, texts)
    if declared.watermark is not None:
        return _marked(found, declared.watermark)
    if base is not None and base.table.watermark is not None:
        return replace(found, table=replace(table, watermark=base.table.watermark))
    return found


def changed(was: Declaration, change: s.TableChange) -> Declaration:
    """Return a table after one ALTER TABLE."""
    table = was.table
    match change:
        case s.RenameTable(to=to):
            return replace(was, table=replace(table, name=to))
        case s.RenameColumn(old=old, new=new):
            return _renamed(was, old, new)
        case s.SetOptions(options=options, places=places):
            _refuse_connector(options)
            merged = {**table.options, **options}
            spots = {**table.places, **places}
            return replace(was, table=replace(table, options=merged, places=spots))
        case s.ResetOptions(keys=keys):
            _refuse_connector(keys)
            left = {k: v for k, v in table.options.items() if k not in keys}
            return replace(was, table=replace(table, options=left))
        case s.Redeclare():
            return _redeclared(was, change)
        case s.DropParts():
            return _dropped(was, change)


def _liked(like: Declaration, options: s.LikeOptions) -> Declaration:
    """Return the parts of another table that LIKE takes over."""
    table = like.table

    def taken(part: str) -> bool:
        return options.verb(part) != "EXCLUDING"

    columns = tuple(
        c
        for c in table.columns
        if isinstance(c, Physical) or taken("GENERATED" if isinstance(c, Computed) else "METADATA")
    )
    marked = table.watermark is not None and taken("WATERMARKS")
    kept = replace(
        table,
        columns=columns,
        watermark=table.watermark if marked else None,
        primary_key=table.primary_key if taken("CONSTRAINTS") else (),
        partitions=table.partitions if taken("PARTITIONS") else (),
        connector=table.connector if taken("OPTIONS") else "",
        options=table.options if taken("OPTIONS") else {},
    )
    names = {"", *(c.name for c in columns)}
    return Declaration(kept, {k: v for k, v in like.texts.items() if k in names})


def _with_connector(table: Table) -> dict[str, str]:
    return {"connector": table.connector, **table.options} if table.connector else {}


def _columns(said: Sequence[s.ColumnSpec], others: Sequence[ColumnDef]) -> list[ColumnDef]:
    """Return declared columns; computed ones may read the others too."""
    new = [Field(c.name, c.type) for c in said if not isinstance(c, s.ComputedColumn)]
    names = {f.name for f in new}
    known = [Field(c.name, c.type) for c in others if c.name not in names]
    stored = Schema((*known, *new))
    found: list[ColumnDef] = []
    for column in said:
        match column:
            case s.PhysicalColumn(name=name, type=kind):
                found.append(Physical(name, kind))
            case s.MetadataColumn(name=name, type=kind, key=key, virtual=virtual):
                found.append(Metadata(name, kind, key, virtual))
            case s.ComputedColumn(name=name, expr=expr):
                found.append(Computed(name, resolve(expr, stored)))
    return found


def _marked(found: Declaration, said: s.ComputedColumn) -> Declaration:
    mark = Watermark(said.name, resolve(said.expr, found.table.schema))
    table = replace(found.table, watermark=mark)  # checks the column
    if not isinstance(mark.expr.typed, Timestamp | TimestampLtz):
        raise TypeMismatch(
            f"A watermark is a time, this is {mark.expr.typed}.",
            where=mark.expr.place,
            hint=f"Write WATERMARK FOR {mark.column} AS {mark.column} - INTERVAL '5' SECOND.",
        )
    return Declaration(table, {**found.texts, "": said.text})


def _refuse_connector(keys: Sequence[str] | Mapping[str, str]) -> None:
    if "connector" in keys:
        raise PlanError(
            "A table's connector cannot be changed.", hint="DROP the table and create it anew."
        )


def _readers(table: Table, name: str) -> list[str]:
    """Return what else of a table needs a column."""
    found = [c.name for c in table.computed if name in columns_of(c.expr)]
    mark = table.watermark
    if mark is not None and name in {mark.column, *columns_of(mark.expr)}:
        found.append("the watermark")
    found.extend(["the primary key"] if name in table.primary_key else [])
    found.extend(["PARTITIONED BY"] if name in table.partitions else [])
    return found


def _known(table: Table, name: str) -> None:
    if name not in table.schema:
        raise UnknownName("column", name, available=table.schema.names)


def _renamed(was: Declaration, old: str, new: str) -> Declaration:
    table = was.table
    _known(table, old)
    if new in table.schema:
        raise PlanError(f"There is a column '{new}' already.")

    def name(column: str) -> str:
        return new if column == old else column

    def change(expr: Expr) -> Expr:
        return expr.rewrite(lambda x: replace(x, name=name(x.name)) if isinstance(x, Column) else x)

    if any(old in columns_of(c.expr) for c in table.computed) or (
        table.watermark is not None and old in columns_of(table.watermark.expr)
    ):
        # The text as written would name a column that is gone.
        raise PlanError(
            f"The column '{old}' is read by {' and '.join(_readers(table, old))}.",
            hint="Drop what reads it first, then rename, then add it again.",
        )
    columns = tuple(replace(c, name=name(c.name)) for c in table.columns)
    renamed = replace(
        table,
        columns=columns,
        primary_key=tuple(map(name, table.primary_key)),
        partitions=tuple(map(name, table.partitions)),
    )
    return Declaration(renamed, {name(k): v for k, v in was.texts.items()})


def _redeclared(was: Declaration, change: s.Redeclare) -> Declaration:
    table, said = was.table, change.declared
    names = set(table.schema.names)
    columns = list(table.columns)
    made = _columns(said.columns, columns)
    for column, spot in zip(made, said.spots, strict=True):
        at = next((i for i, c in enumerate(columns) if c.name == column.name), None)
        if change.modifies and at is None:
            raise UnknownName("column", column.name, available=names)
        if not change.modifies and at is not None:
            raise PlanError(
                f"There is a column '{column.name}' already.", hint="Write MODIFY to change it."
            )
        if at is not None:
            del columns[at]
        if spot is None:
            columns.insert(len(columns) if at is None else at, column)
        elif spot.after is None:
            columns.insert(0, column)
        else:
            order = [c.name for c in columns]
            if spot.after not in order:
                raise UnknownName("column", spot.after, available=order)
            columns.insert(order.index(spot.after) + 1, column)
    if said.primary_key and table.primary_key and not change.modifies:
        raise PlanError("The table has a primary key already.", hint="Write MODIFY to change it.")
    texts = was.texts | {c.name: c.text for c in said.columns if isinstance(c, s.ComputedColumn)}
    key = said.primary_key or table.primary_key
    found = Declaration(replace(table, columns=tuple(columns), primary_key=key), texts)
    if said.watermark is None:
        return found
    if table.watermark is not None and not change.modifies:
        raise PlanError("The table has a watermark already.", hint="Write MODIFY to change it.")
    return _marked(found, said.watermark)


def _dropped(was: Declaration, change: s.DropParts) -> Declaration:
    table = was.table
    if change.watermark:
        if table.watermark is None:
            raise PlanError("The table has no watermark.")
        table = replace(table, watermark=None)
    if change.primary_key:
        if not table.primary_key:
            raise PlanError("The table has no primary key.")
        table = replace(table, primary_key=())
    for name in change.columns:
        _known(table, name)
        readers = [r for r in _readers(table, name) if r not in change.columns]
        if readers:
            raise PlanError(
                f"The column '{name}' is read by {' and '.join(readers)}.",
                hint="Drop that first.",
            )
    left = tuple(c for c in table.columns if c.name not in change.columns)
    if not left:
        raise PlanError("A table needs at least one column.")
    texts = {k: v for k, v in was.texts.items() if k not in change.columns}
    if change.watermark:
        texts.pop("", None)
    return Declaration(replace(table, columns=left), texts)
