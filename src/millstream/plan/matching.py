"""Builds pattern recognition: what SQL and Python say becomes a Match node.

in      a node, a :class:`Said`: its expressions name columns of rows as ``Column('price')`` or
        ``FIELD(Column('A'), 'price')``, where A is a variable, and use FIRST, LAST, aggregates,
        MATCH_ROWTIME and MATCH_PROCTIME
out     a Match node, below a projection where a measure is the processing time
bad     PlanError, Unsupported, UnknownName with the place of the part that is wrong
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeVar

from millstream import types as t
from millstream.errors import MillstreamError, Place, PlanError, UnknownName, Unsupported
from millstream.expr.resolve import cast_to, resolve
from millstream.expr.tree import AggCall, Call, Column, Expr, Literal, Named
from millstream.plan import nodes as n
from millstream.plan.derive import Tables, Upwards
from millstream.plan.facts import Facts
from millstream.plan.legality import is_deterministic
from millstream.plan.match import ROWTIME, Fold, Look, Match, Skip, SkipTo, Variable
from millstream.types.logical import Integer

_PROCTIME = "MATCH_PROCTIME"
_ABSENT = {
    "PREV": "Look back within the match: LAST(A.price, 1) is the row of A before its last.",
    "NEXT": "Name the row that follows by a variable of its own.",
    "CLASSIFIER": "Ask which variable took rows: COUNT(A.price) > 0.",
    "MATCH_NUMBER": "Number the matches outside: ROW_NUMBER() OVER (…).",
}
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Said:
    """What a user said of a pattern; expressions are not resolved."""

    pattern: tuple[Variable, ...]
    partition: tuple[str, ...]
    order: tuple[n.SortKey, ...]
    defines: tuple[Named, ...]
    measures: tuple[Named, ...]
    skip: Skip = field(default_factory=Skip)
    within_ms: int | None = None
    place: Place | None = None
    order_place: Place | None = None
    skip_place: Place | None = None


Typed = Callable[[Expr, t.Schema], Expr]


def match(node: n.Node, said: Said, typed: Typed = resolve) -> n.Node:
    """Return the matches of a pattern in the rows of ``node``; ``typed`` resolves expressions."""
    below = Upwards(Tables()).of(node)
    _check_pattern(said)
    _check_order(node, said, below)
    _check_skip(said)
    names = [v.name for v in said.pattern]
    for defined in said.defines:
        if defined.name not in names:
            raise UnknownName(
                "pattern variable", defined.name, available=names, where=defined.expr.place
            )
    by_clock = said.order[0].column not in below.times
    reader = _Reader(node, tuple(names), said.order[0].column, by_clock, typed)
    defines = tuple(Named(d.name, reader.condition(d.expr, d.name)) for d in said.defines)
    clocks = [m.name for m in said.measures if _is_proctime(m.expr)]
    measures = tuple(
        Named(m.name, reader.measure(m.expr)) for m in said.measures if m.name not in clocks
    )
    if not measures and not said.partition:
        # A match must have a column; the projection above drops it.
        measures = (Named(ROWTIME, reader.measure(Call("MATCH_ROWTIME", ()))),)
    made = Match(
        input=node, partition=said.partition, by=said.order, pattern=said.pattern,
        defines=defines, measures=measures, looks=tuple(reader.looks), folds=tuple(reader.folds),
        skip=said.skip, within_ms=said.within_ms,
    )  # fmt: skip
    if not clocks and len(made.schema) == len(said.partition) + len(said.measures):
        return made
    wanted = [*said.partition, *(m.name for m in said.measures)]
    columns = (
        Named(name, resolve(Call("PROCTIME", ()), made.schema))
        if name in clocks
        else Named(name, Column(name, type=made.schema.type_of(name)))
        for name in wanted
    )
    return n.Project(input=made, columns=tuple(columns))


# ---------------------------------------------------------------- checks


def _check_pattern(said: Said) -> None:
    seen: set[str] = set()
    for variable in said.pattern:
        if variable.name in seen:
            raise Unsupported(
                f"The variable '{variable.name}' stands twice in the pattern.",
                where=variable.place,
                hint="Give the second one another name and the same condition.",
            )
        seen.add(variable.name)
        if variable.most is not None and (variable.most < variable.least or variable.most < 1):
            raise PlanError(
                f"'{variable}' takes at least {variable.least} and at most {variable.most} rows.",
                where=variable.place,
                hint="Write {n,m} with n <= m and m > 0.",
            )
        if not variable.greedy and (variable.least, variable.most) == (0, 1):
            raise Unsupported(
                f"'{variable}', a reluctant optional variable.",
                where=variable.place,
                hint=f"Write {variable.name}?, which tries both ways.",
            )
    if all(v.least == 0 for v in said.pattern):
        raise Unsupported(
            "A pattern that no row at all fits.",
            where=said.pattern[0].place or said.place,
            hint="At least one variable must take a row: A+ instead of A*.",
        )
    for greedy, following in pairwise(said.pattern):
        # So does Flink; {0,n} behind a greedy one it takes.
        if greedy.swallows and following.least == 0 and following.most in (None, 1):
            raise Unsupported(
                f"'{following}', which may take no row, behind the greedy '{greedy}'.",
                where=following.place,
                hint=f"Write {greedy}? to take as few rows as possible, or let {following.name} "
                "take at least one row.",
            )
    last = said.pattern[-1]
    if last.swallows:
        raise Unsupported(
            f"The last variable '{last}' is greedy: what ends it is never known.",
            where=last.place,
            hint=f"Write {last}? to take as few rows as possible, or end the pattern with a "
            f"variable whose condition is NOT that of {last.name}.",
        )


def _check_order(node: n.Node, said: Said, below: Facts) -> None:
    if not said.order:
        raise PlanError(
            "MATCH_RECOGNIZE needs an ORDER BY: patterns are sequences.",
            where=said.place,
            hint=f"Write ORDER BY {(*below.times, *below.clocks, 'ts')[0]}.",
        )
    first = said.order[0]
    timed = (*below.times, *below.clocks)
    if first.column not in timed:
        known = (
            f"The event time here is '{timed[0]}'."
            if timed
            else (
                "Declare WATERMARK FOR … where the table is created, or a column pt AS PROCTIME()."
            )
        )
        raise PlanError(
            f"Rows are ordered by '{first.column}' first, which is no event time and no "
            "processing time.",
            where=said.order_place or said.place,
            hint=known,
        )
    if first.descending:
        raise PlanError(
            f"Rows are ordered by '{first.column}' descending, but time only goes on.",
            where=said.order_place or said.place,
            hint=f"Write ORDER BY {first.column} ASC.",
        )
    if said.within_ms is not None and said.within_ms < 1:
        raise PlanError("WITHIN needs a length of at least a millisecond.", where=said.place)


def _check_skip(said: Said) -> None:
    wanted = said.skip.variable
    if wanted is None:
        return
    names = [v.name for v in said.pattern]
    if wanted not in names:
        raise UnknownName("pattern variable", wanted, available=names, where=said.skip_place)
    first = said.pattern[0]
    only = first.most == 1 or said.skip.to is SkipTo.FIRST
    if wanted == first.name and first.least > 0 and only:
        raise PlanError(
            f"SKIP {said.skip} would find the same match again: it begins with a row of {wanted}.",
            where=said.skip_place,
            hint="Write SKIP TO NEXT ROW, or name a variable further on.",
        )


def _is_proctime(expr: Expr) -> bool:
    return isinstance(expr, Call) and expr.function.upper() == _PROCTIME and not expr.args


# ---------------------------------------------------------------- expressions


@dataclass
class _Reader:
    """Turns expressions over rows of a match into expressions over looks and folds."""

    node: n.Node
    variables: tuple[str, ...]
    time: str
    by_clock: bool
    typed: Typed
    looks: list[Look] = field(default_factory=list)
    folds: list[Fold] = field(default_factory=list)

    def condition(self, expr: Expr, variable: str) -> Expr:
        """Return the condition of a variable."""
        meant = self._resolved(self._values(expr, asked=variable), expr.place)
        if isinstance(meant.typed, t.Null):
            return cast_to(meant, t.Boolean())
        if not isinstance(meant.typed, t.Boolean):
            raise PlanError(
                f"The condition of {variable} is {meant.typed}, not BOOLEAN.",
                where=expr.place,
                hint="Compare the value with something, for instance … > 0.",
            )
        return meant

    def measure(self, expr: Expr) -> Expr:
        """Return a measure."""
        return self._resolved(self._values(expr, asked=None), expr.place)

    def _resolved(self, expr: Expr, place: Place | None) -> Expr:
        fields = [t.Field(x.name, x.type) for x in self.looks]
        fields += [t.Field(x.name, x.type) for x in self.folds]
        time = t.Field(ROWTIME, self.node.schema.type_of(self.time))
        meant = _placed(lambda: self.typed(expr, t.Schema((*fields, time))), place)
        _check_steady(meant)
        return meant

    def _values(self, expr: Expr, asked: str | None) -> Expr:
        """Return ``expr`` over names of looks and folds; ``asked``: the variable of DEFINE."""
        match expr:
            case AggCall():
                return self._fold(expr)
            case Call(function=name) if name.upper() in ("FIRST", "LAST"):
                return self._look(expr)
            case Call(function="FIELD", args=(Column() as head, Literal(value=str() as key))):
                if head.name in self.variables:
                    return self._looked(head.name, Column(key, place=expr.place), expr.place)
                if head.name not in self.node.schema.names:
                    raise UnknownName(
                        "pattern variable", head.name, available=self.variables, where=head.place
                    )
            case Call(function=name, args=args) if name.upper() == "MATCH_ROWTIME":
                return self._rowtime(expr, args, asked)
            case Call(function=name) if name.upper() in _ABSENT:
                raise Unsupported(
                    f"{name.upper()} in MATCH_RECOGNIZE.",
                    where=expr.place,
                    hint=_ABSENT[name.upper()],
                )
            case Call(function=name) if name.upper() == _PROCTIME:
                raise Unsupported(
                    f"{_PROCTIME}() inside an expression.",
                    where=expr.place,
                    hint="Make it a measure of its own and compute with that outside.",
                )
            case Column():
                return self._looked(None, expr, expr.place)
            case _:
                pass
        children = expr.children()
        if not children:
            return expr
        return expr.with_children(tuple(self._values(c, asked) for c in children))

    def _rowtime(self, said: Expr, args: tuple[Expr, ...], asked: str | None) -> Expr:
        if self.by_clock:
            raise PlanError(
                f"MATCH_ROWTIME is an event time, but rows are ordered by '{self.time}', a "
                "processing time.",
                where=said.place,
                hint="Write MATCH_PROCTIME().",
            )
        if args and not (len(args) == 1 and isinstance(args[0], Column)
                         and args[0].name == self.time):  # fmt: skip
            raise PlanError(
                f"MATCH_ROWTIME takes the event time '{self.time}' or nothing.", where=said.place
            )
        if asked is not None:
            return self._looked(asked, Column(self.time, place=said.place), said.place)
        return Column(ROWTIME, place=said.place)

    def _look(self, call: Call) -> Expr:
        says = f"It is {call.function.upper()}(A.price) or {call.function.upper()}(A.price, 1)."
        if not 1 <= len(call.args) <= 2:
            raise PlanError(
                f"{call.function.upper()} takes a value and a number of rows.",
                where=call.place, hint=says,
            )  # fmt: skip
        offset = 0
        if len(call.args) == 2:
            count = _placed(lambda: resolve(call.args[1], t.Schema(())), call.args[1].place)
            fits = isinstance(count, Literal) and isinstance(count.typed, Integer)
            if not fits or not isinstance(count, Literal) or count.value < 0:
                raise PlanError(
                    f"The second argument of {call.function.upper()} is a constant number of rows.",
                    where=call.args[1].place,
                    hint=says,
                )
            offset = int(count.value)
        variable, inner = self._over_one(call.args[0], call.function.upper())
        last = call.function.upper() == "LAST"
        return self._looked(variable, inner, call.place, last=last, offset=offset)

    def _looked(
        self,
        variable: str | None,
        inner: Expr,
        place: Place | None,
        *,
        last: bool = True,
        offset: int = 0,
    ) -> Expr:
        expr = _placed(lambda: self.typed(inner, self.node.schema), place)
        _check_steady(expr)
        shown = str(expr) if variable is None else f"{variable}.{expr}"
        if not last or offset:
            word = "LAST" if last else "FIRST"
            shown = f"{word}({shown}{f', {offset}' if offset else ''})"
        made = Look(shown, variable, last, offset, expr)
        for known in self.looks:
            if replace(known, name=shown) == made:
                return Column(known.name, place=place)
        made = replace(made, name=self._free(shown))
        self.looks.append(made)
        return Column(made.name, place=place)

    def _fold(self, call: AggCall) -> Expr:
        if call.distinct:
            raise Unsupported(
                "DISTINCT aggregates in MATCH_RECOGNIZE.",
                where=call.place,
                hint="Leave DISTINCT out, or aggregate the rows outside.",
            )
        if call.filter is not None:
            raise Unsupported(
                "FILTER in MATCH_RECOGNIZE.",
                where=call.place,
                hint="Put the condition into the aggregate: SUM(CASE WHEN … THEN A.x END).",
            )
        variables: set[str | None] = set()
        args = tuple(self._inner(a, call.function, variables) for a in call.args)
        variable = self._only(variables, call, call.function)
        made = _placed(lambda: self.typed(replace(call, args=args), self.node.schema), call.place)
        assert isinstance(made, AggCall), "an aggregate stays one"
        _check_steady(made)
        shown = str(made) if variable is None else f"{made} OF {variable}"
        for known in self.folds:
            if known.variable == variable and known.call == made:
                return Column(known.name, place=call.place)
        fold = Fold(self._free(shown), variable, made)
        self.folds.append(fold)
        return Column(fold.name, place=call.place)

    def _over_one(self, expr: Expr, what: str) -> tuple[str | None, Expr]:
        variables: set[str | None] = set()
        inner = self._inner(expr, what, variables)
        return self._only(variables, expr, what), inner

    def _inner(self, expr: Expr, what: str, variables: set[str | None]) -> Expr:
        """Return an expression over one row without its variable, which is noted."""
        match expr:
            case Call(function="FIELD", args=(Column() as head, Literal(value=str() as key))) if (
                head.name in self.variables
            ):
                variables.add(head.name)
                return Column(key, place=expr.place)
            case Column():
                variables.add(None)
                return expr
            case AggCall():
                raise PlanError(f"An aggregate inside {what}.", where=expr.place)
            case Call(function=name) if name.upper() in ("FIRST", "LAST"):
                raise PlanError(f"{name.upper()} inside {what}.", where=expr.place)
            case _:
                children = expr.children()
                if not children:
                    return expr
                return expr.with_children(tuple(self._inner(c, what, variables) for c in children))

    def _only(self, variables: set[str | None], said: Expr, what: str) -> str | None:
        if len(variables) > 1:
            names = sorted(v if v is not None else "no variable" for v in variables)
            raise PlanError(
                f"{what} is computed over the rows of one variable, here are {', '.join(names)}.",
                where=said.place,
                hint="Combine values of several variables outside of it.",
            )
        return next(iter(variables), None)

    def _free(self, name: str) -> str:
        taken = {ROWTIME, *(x.name for x in self.looks), *(x.name for x in self.folds)}
        while name in taken:
            name += "'"
        return name


def _check_steady(expr: Expr) -> None:
    if is_deterministic(expr):
        return
    wrong = [x for x in expr.walk() if not is_deterministic(x)][-1]
    raise Unsupported(
        f"{wrong} in MATCH_RECOGNIZE: it is another value each time it is computed.",
        where=wrong.place or expr.place,
        hint="Compute it in a sub-query below MATCH_RECOGNIZE.",
    )


def _placed(make: Callable[[], _Made], place: Place | None) -> _Made:
    try:
        return make()
    except MillstreamError as error:
        if isinstance(error, PlanError) and error.where is None:
            error.where = place
        raise
