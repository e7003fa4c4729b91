"""Expressions over columns: what ``col("amount") * 2`` gives.

in      columns, constants, operators and method calls, in the spelling of Polars
out     an immutable tree; it gets its types when a stream uses it
bad     PlanError at once for what can never mean anything (``and`` instead of ``&``); unknown
        columns and types that do not fit are told by the stream that uses the expression

Values follow SQL: NULL is unknown, a comparison with NULL is NULL, integers wrap around. The
operators ``/ // %`` and ``mean()`` follow Python: ``7 / 2`` is 3.5, ``-7 // 2`` is -4. For SQL's
own division write ``ms.call("/", a, b)``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from millstream.errors import PlanError
from millstream.expr import tree
from millstream.frame.ranks import over_tree
from millstream.frame.where import here
from millstream.types import LogicalType, parse_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from millstream.frame.namespaces import DateTimeMethods, StringMethods

Value = Any
"""What may stand beside an operator: an Expr or a constant."""

TRUE_DIVIDE, FLOOR_DIVIDE, FLOOR_MODULO, PLUS, MEAN = (
    "$TRUE_DIVIDE", "$FLOOR_DIVIDE", "$FLOOR_MODULO", "$PLUS", "$MEAN",
)  # fmt: skip
"""Python's own meanings; millstream.frame.bind turns them into SQL once the types are known."""


def to_tree(value: Value) -> tree.Expr:
    """Return the tree of an expression, or of a constant."""
    if isinstance(value, Expr):
        return value._tree
    if isinstance(value, tree.Expr):
        return value
    return tree.Literal(value, place=here())


def call(function: str, *args: Value) -> Expr:
    """Call any function of the catalogue by its SQL name.

    Args:
        function: the name as in SQL, upper or lower case; operators such as ``"||"`` too.
        args: expressions or constants.

    Returns:
        an expression of the type the function gives.

    Raises:
        UnknownName: when a stream uses it and there is no such function.

    >>> import millstream as ms
    >>> ms.call("LPAD", ms.col("code"), 5, "0")
    LPAD(code, 5, '0')
    """
    return Expr(tree.Call(function.upper(), tuple(map(to_tree, args)), place=here()))


def aggregate(function: str, *args: Value, distinct: bool = False) -> Expr:
    """Call any aggregate function by its SQL name, for ``agg``.

    Args:
        function: the name as in SQL, upper or lower case.
        args: expressions or constants.
        distinct: look at each different value once.

    >>> import millstream as ms
    >>> ms.aggregate("LISTAGG", ms.col("code"), ";")
    LISTAGG(code, ';')
    """
    found = tree.AggCall(function.upper(), tuple(map(to_tree, args)), distinct, place=here())
    return Expr(found)


class Expr:
    """A column, a constant or a computation over them.

    Build one with :func:`col`, :func:`lit`, :func:`when`, :func:`call` or a function made by
    :func:`udf`; combine them with operators and methods. An expression never changes.

    >>> from millstream import col
    >>> (col("price") * col("qty")).alias("total")
    (price * qty) AS total
    """

    __slots__ = ("_name", "_tree")
    __hash__ = None  # type: ignore[assignment] # == builds an expression

    def __init__(self, of: tree.Expr, name: str | None = None):
        self._tree = of
        self._name = name

    @property
    def name(self) -> str:
        """The name of the column it gives: its alias, else that of its first column.

        >>> from millstream import col
        >>> (col("a") + col("b")).name
        'a'
        """
        if self._name is not None:
            return self._name
        first = next((n for n in self._tree.walk() if isinstance(n, tree.Column)), None)
        if first is not None:
            return first.name
        if isinstance(self._tree, tree.AggCall):
            return self._tree.function.lower()
        return "literal" if isinstance(self._tree, tree.Literal) else "expression"

    @property
    def alias_name(self) -> str | None:
        """The name given with :meth:`alias`, if one was."""
        return self._name

    @property
    def as_tree(self) -> tree.Expr:
        """The expression as plain data."""
        return self._tree

    def named(self) -> tree.Named:
        """Return the expression with its name, as a projection takes it."""
        return tree.Named(self.name, self._tree)

    def alias(self, name: str) -> Expr:
        """Give the resulting column a name.

        >>> from millstream import col
        >>> col("a").sum().alias("total")
        SUM(a) AS total
        """
        return Expr(self._tree, name)

    def __repr__(self) -> str:
        shown = _shown(self._tree)
        return shown if self._name is None else f"{shown} AS {self._name}"

    def __bool__(self) -> NoReturn:
        raise PlanError(
            "An expression has no truth value before it meets rows.",
            where=here(),
            hint="Write & for and, | for or, ~ for not, col.is_in([…]) for in, "
            "ms.when(…).then(…).otherwise(…) for if.",
        )

    def __iter__(self) -> NoReturn:
        raise PlanError("An expression cannot be iterated.", where=here())

    # ------------------------------------------------------------------ operators
    def _call(self, function: str, *args: Value) -> Expr:
        return Expr(
            tree.Call(function, (self._tree, *map(to_tree, args)), place=here()), self._name
        )

    def _reverse(self, function: str, left: Value) -> Expr:
        return Expr(tree.Call(function, (to_tree(left), self._tree), place=here()), self._name)

    def __add__(self, other: Value) -> Expr:
        return self._call(PLUS, other)

    def __radd__(self, other: Value) -> Expr:
        return self._reverse(PLUS, other)

    def __sub__(self, other: Value) -> Expr:
        return self._call("-", other)

    def __rsub__(self, other: Value) -> Expr:
        return self._reverse("-", other)

    def __mul__(self, other: Value) -> Expr:
        return self._call("*", other)

    def __rmul__(self, other: Value) -> Expr:
        return self._reverse("*", other)

    def __truediv__(self, other: Value) -> Expr:
        return self._call(TRUE_DIVIDE, other)

    def __rtruediv__(self, other: Value) -> Expr:
        return self._reverse(TRUE_DIVIDE, other)

    def __floordiv__(self, other: Value) -> Expr:
        return self._call(FLOOR_DIVIDE, other)

    def __rfloordiv__(self, other: Value) -> Expr:
        return self._reverse(FLOOR_DIVIDE, other)

    def __mod__(self, other: Value) -> Expr:
        return self._call(FLOOR_MODULO, other)

    def __rmod__(self, other: Value) -> Expr:
        return self._reverse(FLOOR_MODULO, other)

    def __pow__(self, other: Value) -> Expr:
        return self._call("POWER", other)

    def __neg__(self) -> Expr:
        return self._call("NEGATE")

    def __eq__(self, other: object) -> Expr:  # type: ignore[override] # builds an expression
        return self._call("=", other)

    def __ne__(self, other: object) -> Expr:  # type: ignore[override] # builds an expression
        return self._call("<>", other)

    def __lt__(self, other: Value) -> Expr:
        return self._call("<", other)

    def __le__(self, other: Value) -> Expr:
        return self._call("<=", other)

    def __gt__(self, other: Value) -> Expr:
        return self._call(">", other)

    def __ge__(self, other: Value) -> Expr:
        return self._call(">=", other)

    def __and__(self, other: Value) -> Expr:
        return self._call("AND", other)

    def __rand__(self, other: Value) -> Expr:
        return self._reverse("AND", other)

    def __or__(self, other: Value) -> Expr:
        return self._call("OR", other)

    def __ror__(self, other: Value) -> Expr:
        return self._reverse("OR", other)

    def __invert__(self) -> Expr:
        return self._call("NOT")

    # ------------------------------------------------------------------ values
    def cast(self, to: LogicalType | str) -> Expr:
        """Convert to another SQL type; a row whose value cannot be converted is rejected.

        >>> from millstream import col
        >>> col("qty").cast("BIGINT")
        CAST(qty AS BIGINT)
        """
        return self._cast(to, safe=False)

    def try_cast(self, to: LogicalType | str) -> Expr:
        """Convert to another SQL type; what cannot be converted becomes NULL.

        >>> from millstream import col
        >>> col("qty").try_cast("BIGINT")
        TRY_CAST(qty AS BIGINT)
        """
        return self._cast(to, safe=True)

    def _cast(self, to: LogicalType | str, *, safe: bool) -> Expr:
        dtype = parse_type(to) if isinstance(to, str) else to
        return Expr(tree.Cast(self._tree, dtype, safe, place=here()), self._name)

    def is_null(self) -> Expr:
        """TRUE where the value is NULL."""
        return self._call("IS NULL")

    def is_not_null(self) -> Expr:
        """TRUE where there is a value."""
        return self._call("IS NOT NULL")

    def fill_null(self, value: Value) -> Expr:
        """Put another value where this one is NULL.

        >>> from millstream import col
        >>> col("country").fill_null("?")
        COALESCE(country, '?')
        """
        return self._call("COALESCE", value)

    def is_in(self, values: Iterable[Value]) -> Expr:
        """TRUE where the value is one of ``values``; NULL among them makes misses unknown (SQL).

        >>> from millstream import col
        >>> col("country").is_in(["de", "fr"])
        IN(country, 'de', 'fr')
        """
        given = tuple(values)
        if not given:
            return Expr(tree.Literal(False, place=here()), self._name)
        return self._call("IN", *given)

    def is_between(self, low: Value, high: Value) -> Expr:
        """TRUE from ``low`` to ``high``, both included.

        >>> from millstream import col
        >>> col("qty").is_between(1, 9)
        ((qty >= 1) AND (qty <= 9))
        """
        above, below = self._call(">=", low), self._call("<=", high)
        return above & below

    def abs(self) -> Expr:
        """Return the value without its sign."""
        return self._call("ABS")

    def round(self, decimals: int = 0) -> Expr:
        """Round half up to so many decimals.

        >>> from millstream import col
        >>> col("price").round(2)
        ROUND(price, 2)
        """
        return self._call("ROUND", decimals)

    def floor(self) -> Expr:
        """Return the greatest whole number not above it."""
        return self._call("FLOOR")

    def ceil(self) -> Expr:
        """Return the least whole number not below it."""
        return self._call("CEIL")

    def sqrt(self) -> Expr:
        """Return the square root."""
        return self._call("SQRT")

    def log(self) -> Expr:
        """Return the natural logarithm."""
        return self._call("LN")

    def exp(self) -> Expr:
        """Return e to the power of it."""
        return self._call("EXP")

    # ------------------------------------------------------------------ aggregates
    def _agg(self, function: str, *, distinct: bool = False) -> Expr:
        return Expr(
            tree.AggCall(function, (self._tree,), distinct=distinct, place=here()), self._name
        )

    def sum(self) -> Expr:
        """Sum of the values that are not NULL; NULL where there is none.

        >>> from millstream import col
        >>> (col("price") * col("qty")).sum()
        SUM((price * qty))
        """
        return self._agg("SUM")

    def mean(self) -> Expr:
        """Arithmetic mean; integers give a DOUBLE (SQL's AVG would give an integer)."""
        return self._agg(MEAN)

    def min(self) -> Expr:
        """Return the least value."""
        return self._agg("MIN")

    def max(self) -> Expr:
        """Return the greatest value."""
        return self._agg("MAX")

    def count(self) -> Expr:
        """Count the values that are not NULL; ``ms.count()`` counts rows."""
        return self._agg("COUNT")

    def n_unique(self) -> Expr:
        """Count the different values, NULL not among them."""
        return self._agg("COUNT", distinct=True)

    def std(self) -> Expr:
        """Standard deviation of a sample (n - 1)."""
        return self._agg("STDDEV_SAMP")

    def var(self) -> Expr:
        """Variance of a sample (n - 1)."""
        return self._agg("VAR_SAMP")

    def first(self) -> Expr:
        """Return the value that came first, NULLs left out."""
        return self._agg("FIRST_VALUE")

    def last(self) -> Expr:
        """Return the value that came last, NULLs left out."""
        return self._agg("LAST_VALUE")

    def filter(self, predicate: Expr) -> Expr:
        """Let an aggregate see only some rows.

        Raises:
            PlanError: if this is not an aggregate.

        >>> import millstream as ms
        >>> ms.count().filter(ms.col("delay") > 15)
        COUNT(*) FILTER (WHERE (delay > 15))
        """
        if not isinstance(self._tree, tree.AggCall):
            raise PlanError(
                f"Only an aggregate has a filter, this is {self!r}.",
                where=here(),
                hint="Filter the stream: stream.filter(…), or aggregate first: "
                "col('x').sum().filter(…).",
            )
        return Expr(replace(self._tree, filter=to_tree(predicate)), self._name)

    def over(
        self,
        partition_by: str | Expr | Sequence[str | Expr] = (),
        *,
        order_by: str | Expr | Sequence[str | Expr],
        descending: bool | tuple[bool, ...] = False,
        rows: int | None = None,
        range: str | timedelta | None = None,  # noqa: A002
    ) -> Expr:
        """Compute the aggregates in this expression for every row, over the rows before it.

        Ordered by event time each row is given once, when the watermark passes it; ordered by
        anything else the results are updated when a row comes in between.

        Args:
            partition_by: columns; only rows equal in them are looked at.
            order_by: columns that say which rows come before a row.
            descending: one answer for all of ``order_by``, or one per column.
            rows: look at the row and so many before it; without it and ``range`` at all of them.
            range: look at the rows of this time span before the row, and those of its own time.

        >>> import millstream as ms
        >>> sales = ms.read_memory([{"t": 1, "v": 5}, {"t": 2, "v": 7}])
        >>> so_far = sales.select("t", total=ms.col("v").sum().over(order_by="t"))
        >>> sorted(so_far.collect().rows())
        [(1, 5), (2, 12)]
        """
        by = _columns(order_by)
        down = (descending,) * len(by) if isinstance(descending, bool) else descending
        if not by or len(down) != len(by):
            raise PlanError(
                f"{len(by)} columns and {len(down)} answers to descending.", where=here()
            )
        order = tuple((column, d, None) for column, d in zip(by, down, strict=True))
        made = over_tree(self._tree, _columns(partition_by), order, rows, range)
        return Expr(made, self._name)

    # The last two: what follows them in this class could not name the type `str`.
    @property
    def str(self) -> StringMethods:
        """Methods on text: ``col("name").str.upper()``."""
        from millstream.frame.namespaces import StringMethods

        return StringMethods(self)

    @property
    def dt(self) -> DateTimeMethods:
        """Methods on dates and times: ``col("ts").dt.hour()``."""
        from millstream.frame.namespaces import DateTimeMethods

        return DateTimeMethods(self)


_SIGNS = {TRUE_DIVIDE: "/", FLOOR_DIVIDE: "//", FLOOR_MODULO: "%", PLUS: "+"}


def _columns(said: str | Expr | Sequence[str | Expr]) -> tuple[tree.Expr, ...]:
    """Return names and expressions as trees."""
    several = (said,) if isinstance(said, str | Expr) else tuple(said)
    return tuple(tree.Column(c, place=here()) if isinstance(c, str) else c._tree for c in several)


def _shown(node: tree.Expr) -> str:
    """Spell a tree as the user wrote it: Python's own operators by their sign."""

    def spelled(part: tree.Expr) -> tree.Expr:
        if isinstance(part, tree.Call) and part.function in _SIGNS:
            return replace(part, function=_SIGNS[part.function])
        if isinstance(part, tree.AggCall) and part.function == MEAN:
            return replace(part, function="AVG")
        # The tree prints words as functions; between two terms they read better.
        if isinstance(part, tree.Call) and part.function in ("AND", "OR"):
            return tree.Column(f"({part.args[0]} {part.function} {part.args[1]})")
        if isinstance(part, tree.Call) and part.function == "NEGATE":
            return tree.Column(f"-{part.args[0]}")
        return part

    return str(node.rewrite(spelled))
