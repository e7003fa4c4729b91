"""A stream: a plan under construction, with the verbs of a table that never stops growing.

in      a plan node
out     each verb gives a new Stream; nothing runs before a sink is run
bad     every verb checks itself at once: UnknownName, TypeMismatch, PlanError mark the expression
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self

from millstream.errors import PlanError, UnknownName
from millstream.expr import tree
from millstream.frame import ranks
from millstream.frame.alerts import Alerts
from millstream.frame.bind import bind_row
from millstream.frame.expression import Expr, to_tree
from millstream.frame.flat_map import called
from millstream.frame.group import GroupBy
from millstream.frame.meets import Meets
from millstream.frame.pattern import matched
from millstream.frame.process import processed
from millstream.frame.where import here
from millstream.frame.writes import Writes
from millstream.plan import build, changelog, ranking
from millstream.plan import nodes as n
from millstream.plan.derive import late_node
from millstream.types import LogicalType, Schema, parse_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta

    import polars as pl

    from millstream.frame.pattern import Pattern
    from millstream.frame.windows import WindowSpec
    from millstream.plan.windows import Emit
    from millstream.types import LogicalType

SchemaLike = Any
"""A Schema, or a mapping of column names to SQL types (text or LogicalType)."""


class Stream(Alerts, Meets, Writes):
    """Rows that come over time; endless or bounded. Made by ``ms.read_…`` or ``ms.sql``.

    A stream is a description: it holds no rows and can be used any number of times.

    >>> import millstream as ms
    >>> orders = ms.read_memory([{"id": 1, "amount": 5.0}, {"id": 2, "amount": -1.0}])
    >>> orders.filter(ms.col("amount") > 0)
    Stream(id BIGINT, amount DOUBLE)
    """

    __slots__ = ("_node",)

    def __init__(self, node: n.Node):
        self._node = node

    @property
    def node(self) -> n.Node:
        """The plan so far."""
        return self._node

    @property
    def schema(self) -> Schema:
        """The columns with their SQL types, in order.

        >>> import millstream as ms
        >>> str(ms.read_memory([{"id": 1}]).schema)
        'id BIGINT'
        """
        return self._node.schema

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return self.schema.names

    def __repr__(self) -> str:
        return f"Stream({self.schema})"

    def _repr_html_(self) -> str:
        """Show its columns in a notebook."""
        from millstream.frame.notebook import stream_html

        return stream_html(self)

    # ------------------------------------------------------------------ rows
    def filter(self, *predicates: Expr) -> Stream:
        """Keep the rows for which every predicate is TRUE; NULL is not TRUE.

        Args:
            predicates: BOOLEAN expressions.

        Raises:
            TypeMismatch: if one is not BOOLEAN.
            UnknownName: if a column does not exist.

        >>> import millstream as ms
        >>> orders = ms.read_memory([{"id": 1, "amount": 5.0}, {"id": 2, "amount": -1.0}])
        >>> orders.filter(ms.col("amount") > 0).collect().rows()
        [(1, 5.0)]
        """
        node = self._node
        for predicate in predicates:
            bound = bind_row(to_tree(predicate), self.schema, "filter")
            node = ranks.filtered(node, bound)
        return Stream(node)

    def select(self, *columns: Expr | str, **named: Any) -> Stream:
        """Compute columns; what is not named is gone.

        Args:
            columns: names or expressions.
            named: expressions or constants under a new name.

        Raises:
            UnknownName: if a column does not exist.
            PlanError: if two columns have one name.

        >>> import millstream as ms
        >>> orders = ms.read_memory([{"id": 1, "price": 5.0, "qty": 3}])
        >>> orders.select("id", total=ms.col("price") * ms.col("qty")).collect().rows()
        [(1, 15.0)]
        """
        return self._project(_named(columns, named), "select")

    def with_columns(self, *columns: Expr, **named: Any) -> Stream:
        """Add columns, or replace those of the same name in their place.

        Args:
            columns: expressions.
            named: expressions or constants under a name.

        >>> import millstream as ms
        >>> orders = ms.read_memory([{"id": 1, "price": 5.0}])
        >>> orders.with_columns(eur=ms.col("price") * 2).collect().rows()
        [(1, 5.0, 10.0)]
        """
        new = {item.name: item for item in _named(columns, named)}
        kept = [
            new.pop(name) if name in new else tree.Named(name, tree.Column(name))
            for name in self.columns
        ]
        return self._project([*kept, *new.values()], "with_columns")

    def drop(self, *columns: str) -> Stream:
        """Leave columns out.

        >>> import millstream as ms
        >>> ms.read_memory([{"id": 1, "price": 5.0}]).drop("price")
        Stream(id BIGINT)
        """
        self._check_known(columns)
        kept = [tree.Named(c, tree.Column(c)) for c in self.columns if c not in columns]
        return self._project(kept, "drop")

    def rename(self, names: Mapping[str, str]) -> Stream:
        """Give columns other names.

        >>> import millstream as ms
        >>> ms.read_memory([{"id": 1}]).rename({"id": "order_id"})
        Stream(order_id BIGINT)
        """
        self._check_known(names)
        return self._project(
            [tree.Named(names.get(c, c), tree.Column(c)) for c in self.columns], "rename"
        )

    def distinct(self) -> Stream:
        """Keep each different row once; its state grows with the number of different rows.

        >>> import millstream as ms
        >>> ms.read_memory([{"x": 1}, {"x": 1}, {"x": 2}]).distinct().collect().rows()
        [(1,), (2,)]
        """
        return Stream(build.distinct(self._node))

    def limit(self, count: int, *, offset: int = 0) -> Stream:
        """Keep the first ``count`` rows that come, after the first ``offset``.

        >>> import millstream as ms
        >>> ms.read_memory([{"x": 1}, {"x": 2}]).limit(1).collect().rows()
        [(1,)]
        """
        if count < 0 or offset < 0:
            raise PlanError("A limit counts from 0 upwards.", where=here())
        return Stream(n.Limit(input=self._node, count=count, offset=offset))

    def sort(
        self, *by: str, descending: bool | tuple[bool, ...] = False, limit: int | None = None
    ) -> Stream:
        """Give everything in order when the input ends; only for bounded streams.

        Args:
            by: column names, the most important first; NULL is lowest, as in Flink.
            descending: one answer for all, or one per column.
            limit: keep only so many.

        >>> import millstream as ms
        >>> rows = ms.read_memory([{"x": 1}, {"x": 3}, {"x": 2}])
        >>> rows.sort("x", descending=True, limit=2).collect().rows()
        [(3,), (2,)]
        """
        self._check_known(by)
        down = (descending,) * len(by) if isinstance(descending, bool) else descending
        if not by or len(down) != len(by):
            raise PlanError(
                f"{len(by)} columns and {len(down)} answers to descending.",
                where=here(),
                hint="Name the columns: sort('a', 'b', descending=(True, False)).",
            )
        keys = tuple(n.SortKey(c, d) for c, d in zip(by, down, strict=True))
        return Stream(n.Sort(input=self._node, by=keys, limit=limit))

    def top(
        self,
        count: int,
        *,
        by: str | Sequence[str],
        per: str | Sequence[str] = (),
        descending: bool | tuple[bool, ...] = True,
        number: str | None = None,
    ) -> Stream:
        """Keep the first ``count`` rows in some order, of all rows or per key, kept up to date.

        Args:
            count: how many.
            by: column names, the most important first; NULL is lowest. Of equal rows the older.
            per: columns; so many rows for each of their values. With ``window_start`` and
                ``window_end`` among them the rows of a window are given once, when it closes.
            descending: one answer for all of ``by``, or one per column; the highest come first.
            number: a name for a column with the rank, from 1.

        >>> import millstream as ms
        >>> bids = ms.read_memory([{"k": "a", "v": 5}, {"k": "a", "v": 9}, {"k": "b", "v": 1}])
        >>> sorted(bids.top(1, by="v", per="k").collect().rows())
        [('a', 9), ('b', 1)]
        """
        columns, keys = _names(by), _names(per)
        self._check_known((*columns, *keys))
        down = (descending,) * len(columns) if isinstance(descending, bool) else descending
        if not columns or len(down) != len(columns):
            raise PlanError(
                f"{len(columns)} columns and {len(down)} answers to descending.", where=here()
            )
        return Stream(ranks.top(self._node, count, columns, keys, down, number))

    def deduplicate(
        self, *key: str, keep: Literal["first", "last"] = "first", by: str | None = None
    ) -> Stream:
        """Keep one row per key: the first or the last by time.

        The first one by event time is given once, when the watermark says that no earlier one can
        come; the last one is updated by newer ones.

        Args:
            key: the columns that say which rows are the same.
            keep: which one.
            by: the column that says which row is the first; the event time if not said.

        >>> import millstream as ms
        >>> rows = ms.read_memory([{"id": 1, "v": 5}, {"id": 1, "v": 7}, {"id": 2, "v": 6}])
        >>> sorted(rows.deduplicate("id", keep="last", by="v").collect().rows())
        [(1, 7), (2, 6)]
        """
        self._check_known(key)
        if by is not None:
            self._check_known((by,))
        return Stream(ranks.deduplicated(self._node, key, keep, by))

    def match(
        self, pattern: Pattern, *, by: str | Sequence[str] = (), order: str | Sequence[str] = ()
    ) -> Stream:
        """Find sequences of rows that fit a pattern, and give one row for each.

        Args:
            pattern: made by ``ms.pattern``.
            by: columns; rows are looked at apart for each of their values.
            order: what rows are ordered by behind their time, ``"-price"`` for descending; rows
                that agree on all of it keep the order they came in.

        >>> import millstream as ms
        >>> from millstream import col
        >>> uses = ms.read_memory(
        ...     [("c1", 1, "2026-01-01 10:00:00"), ("c1", 900, "2026-01-01 10:00:20")],
        ...     schema={"card": "STRING", "amount": "INT", "ts": "TIMESTAMP(3)"},
        ...     event_time="ts",
        ... )
        >>> probe = ms.pattern("A B").define(A=col("amount") < 5, B=col("amount") > 500)
        >>> probe = probe.measures(amount=ms.var("B")["amount"]).within("10m")
        >>> uses.match(probe, by="card").collect().rows()
        [('c1', 900)]
        """
        keys = _names(by)
        self._check_known(keys)
        self._check_known(tuple(name.removeprefix("-") for name in _names(order)))
        return Stream(matched(self._node, pattern, keys, _names(order), here()))

    def map_batches(
        self,
        function: Callable[[pl.DataFrame], pl.DataFrame],
        *,
        schema: SchemaLike = None,
        accepts_changes: bool = False,
    ) -> Stream:
        """Run your own function from Polars frame to Polars frame on every batch.

        Args:
            function: must treat each row alone: the cut into batches is an accident.
            schema: the columns it gives; without it the same as its input.
            accepts_changes: it may also see rows that are taken back later.

        Raises:
            PlanError: at start, if the input changes rows and ``accepts_changes`` is not said.

        >>> import millstream as ms, polars as pl
        >>> def double(frame: pl.DataFrame) -> pl.DataFrame:
        ...     return frame.with_columns(pl.col("x") * 2)
        >>> ms.read_memory([{"x": 21}]).map_batches(double).collect().rows()
        [(42,)]
        """
        if not callable(function):
            raise PlanError("map_batches needs a function from frame to frame.", where=here())
        gives = self.schema if schema is None else schema_of(schema)
        return Stream(
            n.MapBatches(
                input=self._node, fn=function, gives=gives, accepts_changes=accepts_changes
            )
        )

    def flat_map(
        self,
        function: Any,
        *args: Expr | str,
        outer: bool = False,
        names: Sequence[str] | None = None,
    ) -> Stream:
        """Call a table function for each row: the row once per row it gives, beside its columns.

        Args:
            function: what :func:`udtf` made.
            args: what it is called with: names of columns, or expressions.
            outer: a row for which nothing comes stays, with NULLs.
            names: other names for the columns the function gives.

        Returns:
            the stream with the function's columns behind its own.

        Raises:
            PlanError: if a column of that name is there already.

        >>> import millstream as ms
        >>> @ms.udtf(result={"word": "STRING"})
        ... def words(text: str):
        ...     yield from text.split()
        >>> lines = ms.read_memory([{"line": "to be"}, {"line": ""}])
        >>> lines.flat_map(words, "line", outer=True).collect().rows()
        [('to be', 'to'), ('to be', 'be'), ('', None)]
        """
        return Stream(called(self._node, function, args, outer=outer, names=names or ()))

    def process(
        self,
        fn: Any,
        *,
        key: str | Sequence[str],
        gives: SchemaLike = None,
        time: str | None = None,
        keep_time: str | None = None,
        ttl: str | timedelta | None = None,
        **args: Any,
    ) -> Stream:
        """Call a class of yours for each row of each key, with state and timers.

        ``on_row(self, row, state, ctx)`` gives rows: it yields tuples, dicts or, for one column,
        values. ``row`` is a dict of the columns, ``state`` a dict of your own that belongs to the
        key; it holds plain values (numbers, texts, datetimes, lists, dicts …) and is in every
        checkpoint. ``ctx`` has ``key``, ``time``, ``mark`` (the watermark), ``timer(at)``,
        ``cancel(at)``, ``late()``, ``clear()``. ``on_timer(self, t, state, ctx)`` is called when
        the watermark comes to ``t``, before the row that comes next, and at the end of the input.
        If a call raises, its row is rejected and what it gave is dropped.

        Args:
            fn: the class, or what :func:`process_function` made of it.
            key: the columns whose rows have one state; ``()`` for one state of all.
            gives: the columns it gives behind those of the key.
            time: the event or processing time that timers run by; the stream's event time
                without, the clock where it has none.
            keep_time: the name of a column with the time of each row given, for windows above.
            ttl: the state of a key that nothing happens to for so long is forgotten.
            args: arguments of the class.

        Returns:
            the stream of the key's columns and what the function gives.

        Raises:
            PlanError: at start, if the input changes rows.

        >>> import millstream as ms
        >>> class Changes:
        ...     gives = {"before": "INT", "now": "INT"}
        ...
        ...     def on_row(self, row, state, ctx):
        ...         if row["level"] != state.get("level"):
        ...             yield state.get("level"), row["level"]
        ...         state["level"] = row["level"]
        >>> levels = ms.read_memory([{"id": "a", "level": v} for v in (1, 1, 3)])
        >>> levels.process(Changes, key="id").collect().rows()
        [('a', None, 1), ('a', 1, 3)]
        """
        made = processed(
            self._node, fn, key, gives=gives, time=time, keep_time=keep_time, ttl=ttl, args=args
        )
        return Stream(made)

    # ------------------------------------------------------------------ changes
    def to_changelog(
        self, op: str = changelog.DEFAULT_COLUMN, *, codes: Mapping[str, str] | None = None
    ) -> Stream:
        """Give every change as a new row that says what kind of change it is.

        Args:
            op: the name of the column that says it; it comes first.
            codes: what it says of each kind (INSERT, UPDATE_BEFORE, UPDATE_AFTER, DELETE; several
                with commas between); kinds without a code are left out. Their names without.

        Raises:
            PlanError: if there is a column ``op`` already.

        >>> import millstream as ms
        >>> ms.read_memory([{"x": 1}]).to_changelog(codes={"INSERT, UPDATE_AFTER": "put"})
        Stream(op STRING, x BIGINT)
        """
        said = changelog.SAME_NAMES if codes is None else changelog.codes_of_kinds(codes)
        return Stream(changelog.ToChanges(input=self._node, column=op, codes=said))

    def from_changelog(
        self,
        op: str = changelog.DEFAULT_COLUMN,
        *,
        key: str | Sequence[str] = (),
        kinds: Mapping[str, str] | None = None,
    ) -> Stream:
        """Take rows as changes of a table; rows whose kind is unknown are rejected.

        Args:
            op: the column that says the kind of change; it is left out.
            key: columns of which the table has one row each. With it an UPDATE_AFTER replaces the
                row of its key where the old one is not taken back by an UPDATE_BEFORE.
            kinds: which kind (INSERT, UPDATE_BEFORE, UPDATE_AFTER, DELETE) each value is; several
                values with commas between: ``{"c, r": "INSERT"}``. The names of kinds without.

        Raises:
            PlanError: if a new row would never take the old one back and there is no key.

        >>> import millstream as ms
        >>> told = ms.read_memory([{"op": "INSERT", "x": 1}, {"op": "DELETE", "x": 1}])
        >>> told.from_changelog()
        Stream(x BIGINT)
        """
        meant = changelog.SAME_NAMES if kinds is None else changelog.kinds_of_codes(kinds)
        keys = (key,) if isinstance(key, str) else tuple(key)
        self._check_known([op])
        return Stream(changelog.FromChanges(input=self._node, column=op, kinds=meant, key=keys))

    # ------------------------------------------------------------------ groups
    def group_by(
        self, *keys: Expr | str, window: WindowSpec | None = None, emit: Emit | None = None
    ) -> GroupBy:
        """Group rows, for ``agg``; with a window each group is closed by the watermark.

        Args:
            keys: names or expressions; none of them groups everything together.
            window: ``ms.tumble``, ``ms.hop``, ``ms.cumulate`` or ``ms.session``; without one
                the results are updated with every row.
            emit: with a window, when results also come before its end or after it: ``ms.emit``.

        Returns:
            a GroupBy, whose ``agg`` gives the stream.

        Raises:
            PlanError: if there is a window and the stream has no event time.

        >>> import millstream as ms
        >>> orders = ms.read_memory(
        ...     [
        ...         {"k": "a", "v": 1, "ts": "2026-01-01 00:00:05"},
        ...         {"k": "a", "v": 2, "ts": "2026-01-01 00:00:59"},
        ...     ],
        ...     schema={"k": "STRING", "v": "BIGINT", "ts": "TIMESTAMP(3)"},
        ...     event_time="ts",
        ... )
        >>> totals = orders.group_by("k", window=ms.tumble("1m")).agg(total=ms.col("v").sum())
        >>> totals.select("k", "total").collect().rows()
        [('a', 3)]
        """
        return GroupBy(self._node, tuple(_named(keys, {})), window, Stream, emit)

    # ------------------------------------------------------------------ what fell aside
    @property
    def late(self) -> Stream:
        """The rows that came too late for the nearest window below, with its input columns.

        Raises:
            PlanError: at start, if no step below can have late rows.
        """
        return Stream(n.LateRows(input=late_node(self._node)))

    @property
    def rejected(self) -> Stream:
        """The rows that could not be read or computed up to here, with reason and position.

        Columns: reason, operator, split, offset, raw (the bytes), row (the columns as JSON).
        """
        return Stream(n.RejectedRows(input=self._node))

    def named(self, name: str) -> Stream:
        """Name the last step: its state keeps this id in checkpoints, whatever else changes."""
        return Stream(replace(self._node, name=name))

    # ------------------------------------------------------------------ helpers
    def _over(self, node: n.Node) -> Self:
        return type(self)(node)

    def _project(self, columns: list[tree.Named], what: str) -> Stream:
        bound = [bind_row(c.expr, self.schema, what) for c in columns]
        node, exprs = ranking.with_overs(self._node, bound)
        made = (tree.Named(c.name, expr) for c, expr in zip(columns, exprs, strict=True))
        return Stream(n.Project(input=node, columns=tuple(made)))

    def _check_known(self, names: Any) -> None:
        for name in names:
            if name not in self.schema:
                raise UnknownName("column", name, available=self.columns, where=here())


def _names(said: str | Sequence[str]) -> tuple[str, ...]:
    """Return one name or several as a tuple."""
    return (said,) if isinstance(said, str) else tuple(said)


def _named(columns: tuple[Expr | str, ...], named: Mapping[str, Any]) -> list[tree.Named]:
    place = here()
    made: list[tree.Named] = []
    for column in columns:
        if isinstance(column, str):
            made.append(tree.Named(column, tree.Column(column, place=place)))
        elif isinstance(column, Expr):
            made.append(column.named())
        else:
            raise PlanError(
                f"{column!r} is not a column.",
                where=place,
                hint="Give a name, an expression, or a constant under a name: x=1.",
            )
    made.extend(tree.Named(name, to_tree(value)) for name, value in named.items())
    return made


def schema_of(given: SchemaLike) -> Schema:
    """Return the schema that a user's value describes."""
    if isinstance(given, Schema):
        return given
    return Schema.of({name: _type_of(name, kind) for name, kind in dict(given).items()})


_PYTHON_TYPES = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE", str: "STRING", bytes: "BYTES"}


def _type_of(name: str, kind: Any) -> LogicalType:
    if isinstance(kind, type) and kind in _PYTHON_TYPES:
        return parse_type(_PYTHON_TYPES[kind])
    if isinstance(kind, LogicalType):
        return kind
    if isinstance(kind, str):
        try:
            return parse_type(kind)
        except PlanError as error:
            error.where = here()  # the line of the program says more than the place in the type
            raise
    from millstream.columns.physical import logical_type

    try:
        return logical_type(kind() if isinstance(kind, type) else kind)
    except (TypeError, AttributeError, KeyError, PlanError):
        raise PlanError(
            f"The type of the column '{name}' is {kind!r}.",
            where=here(),
            hint="Write a SQL type: 'BIGINT', 'STRING', 'DOUBLE', 'TIMESTAMP(3)' …",
        ) from None
