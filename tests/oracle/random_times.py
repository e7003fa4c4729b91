"""Operators of event time: windows, sessions, joins of near times, frames over time.

in      a :class:`~tests.oracle.random_writer.Writer`; they stand on tables, or on windows
out     a relation whose times are values again
late    windows and frames over time drop late rows, and so does DuckDB's side; where two inputs
        meet, or a session might be bridged, only tables without late rows are read
"""

from __future__ import annotations

from tests.oracle.dialects import NEVER_MS, Both, fixed_windows, listed, put, same, session_windows
from tests.oracle.random_expressions import BIGINT, BOOLEAN, INT, STRING, TIMESTAMP, Column
from tests.oracle.random_shapes import JOIN_WORDS, join
from tests.oracle.random_writer import KEY_TYPES, NUMBERS, Relation, Writer

WINDOW_MS = ((10_000, 5_000), (20_000, 10_000), (30_000, 10_000), (60_000, 20_000))


def windowed(w: Writer, depth: int) -> Relation:
    """Aggregates over windows of time."""
    del depth  # windows stand near their table: what is above has no time
    relation, _ = _windows(w, _fixed(w, tidy=False))
    return relation


def windows_again(w: Writer) -> Relation:
    """A window's result that carries its time on."""
    relation, time = _windows(w, _fixed(w, tidy=False), time=True)
    columns = tuple(c for c in relation.columns if c.type != TIMESTAMP or c.name == time)
    text = put("SELECT * FROM ({}) AS r", relation.text,
               duck="SELECT *, NULL AS mark_ FROM ({}) AS r")  # fmt: skip
    w.kinds.append("windows_again")
    return Relation(text, columns, time)


def sessions(w: Writer, depth: int) -> Relation:
    """Aggregates over sessions."""
    del depth
    below = w.timed(tidy=True)
    known = below.of(STRING, INT, BOOLEAN)
    keys = w.chance.sample(known, min(len(known), w.chance.choice((0, 1, 1, 2))))
    gap = w.chance.choice((2_000, 5_000, 10_000))
    windows = session_windows(w.share(below), below.time, gap, [key.name for key in keys])
    relation, _ = _windows(w, (below, windows), keys)
    return relation


def near(w: Writer, depth: int) -> Relation:
    """An interval join: rows whose times are near each other."""
    del depth
    left, right = w.timed(tidy=True), w.timed(tidy=True)
    low, high = w.chance.choice(((0, 10), (5, 5), (20, 0), (30, -5)))
    bounds = f"r.{right.time} - INTERVAL '{low}' SECOND AND r.{right.time} + "
    bounds += f"INTERVAL '{high}' SECOND"
    if high < 0:
        bounds = f"r.{right.time} - INTERVAL '{low}' SECOND AND r.{right.time} - "
        bounds += f"INTERVAL '{-high}' SECOND"
    equal = _equal(w, left, right)
    if not equal:
        equal = [same("1 = 1")]
    between = same(f"l.{left.time} BETWEEN {bounds}")
    return join(w, w.chance.choice(JOIN_WORDS), left, right, [*equal, between])


def same_window(w: Writer, depth: int) -> Relation:
    """A window join: rows of the same window."""
    del depth
    kind = w.chance.choice(("TUMBLE", "HOP", "CUMULATE"))
    size, step = w.chance.choice(WINDOW_MS)
    parts: list[Relation] = []
    for _ in range(2):
        below = w.timed(tidy=True)
        name = w.share(below)
        windows = fixed_windows(kind, name, below.time, size, step)
        text = put("SELECT * FROM {}", windows)
        bounds = (Column("window_start", TIMESTAMP), Column("window_end", TIMESTAMP))
        plain = tuple(c for c in below.columns if c.name != below.time)
        parts.append(Relation(text, (*plain, *bounds), below.time))
    left, right = parts
    equal = [same(f"l.{bound} = r.{bound}") for bound in ("window_start", "window_end")]
    more = _equal(w, left, right)
    return join(w, w.chance.choice(JOIN_WORDS), left, right, [*equal, *more])


def _equal(w: Writer, left: Relation, right: Relation) -> list[Both]:
    """Return one equality of columns that are no times."""
    pairs = [(a, b) for a in left.of(*KEY_TYPES) for b in right.of(a.type)]
    return [same(f"l.{a.name} = r.{b.name}") for a, b in w.chance.sample(pairs, 1 if pairs else 0)]


def _fixed(w: Writer, *, tidy: bool) -> tuple[Relation, Both]:
    below = w.timed(tidy=tidy)
    name = w.share(below)
    kind = w.chance.choice(("TUMBLE", "HOP", "CUMULATE"))
    size, step = w.chance.choice(WINDOW_MS)
    return below, fixed_windows(kind, name, below.time, size, step)


def _windows(
    w: Writer,
    source: tuple[Relation, Both],
    keys: list[Column] | None = None,
    *,
    time: bool = False,
) -> tuple[Relation, str]:
    below, windows = source
    draw = w.draw(below)
    if keys is None:
        known = below.of(STRING, INT, BOOLEAN)
        keys = w.chance.sample(known, min(len(known), w.chance.choice((0, 1, 1, 2))))
    bounds = ["window_start", "window_end", *(["window_time"] if time else [])]
    names = [w.fresh() for _ in bounds]
    shown = [same(f"{bound} AS {name}") for bound, name in zip(bounds, names, strict=True)]
    columns = [Column(name, TIMESTAMP) for name in names]
    for key in keys:
        columns.append(Column(w.fresh(), key.type))
        shown.append(same(f"{key.name} AS {columns[-1].name}"))
    for _ in range(w.chance.randint(1, 3)):
        call, kind = w.aggregate(draw, below)
        columns.append(Column(w.fresh(), kind, small=False))
        shown.append(put(f"{{}} AS {columns[-1].name}", call))
    groups = ", ".join([*bounds, *(key.name for key in keys)])
    sums = any(f"{call}(DISTINCT" in each.flink for each in shown for call in ("SUM", "AVG"))
    if sums and "HOP(" in windows.flink:
        w.flink = False  # it has no plan for distinct sums of sliding windows
    where = put(" WHERE {}", draw.condition()) if w.chance.random() < 0.2 else same("")
    if where.flink and "SESSION(" in windows.flink:
        w.flink = False  # it filters first and makes sessions of what is left
    having = " HAVING COUNT(*) > 1" if w.chance.random() < 0.15 else ""
    text = put(
        f"SELECT {{}} FROM {{}}{{}} GROUP BY {groups}{having}", listed(shown), windows, where
    )
    return Relation(text, tuple(columns)), names[-1]


def frames(w: Writer, depth: int) -> Relation:
    """Aggregates over the rows of some time before each row."""
    del depth
    tidy = w.chance.random() < 0.5
    below = w.timed(tidy=tidy)
    if not tidy:
        w.flink = False  # what is late there depends on the rows of the key
    plain = [c for c in below.columns if c.name != below.time]
    keys = w.chance.sample(plain, min(len(plain), w.chance.choice((0, 1, 1))))
    by = f"PARTITION BY {', '.join(c.name for c in keys)} " if keys else ""
    length = w.chance.choice(("UNBOUNDED", "INTERVAL '5' SECOND", "INTERVAL '20' SECOND"))
    over = f"OVER ({by}ORDER BY {below.time} RANGE BETWEEN {length} PRECEDING AND CURRENT ROW)"
    columns = [Column(w.fresh(), c.type, c.small) for c in plain]
    shown = [f"r.{c.name} AS {new.name}" for c, new in zip(plain, columns, strict=True)]
    numbers = below.of(*NUMBERS)
    for _ in range(w.chance.choice((1, 2))):
        call = w.chance.choice(("COUNT", "SUM", "MIN", "MAX") if numbers else ("COUNT",))
        value = w.chance.choice(numbers or plain or list(below.columns))
        kind = BIGINT if call == "COUNT" else value.type
        columns.append(Column(w.fresh(), kind, small=False))
        shown.append(f"{call}(r.{value.name}) {over} AS {columns[-1].name}")
    text = put(
        f"SELECT {', '.join(shown)} FROM ({{}}) AS r",
        below.text,
        duck=f"SELECT {', '.join(shown)} FROM ({{}}) AS r "
        f"WHERE epoch_ms(r.{below.time}) > coalesce(r.mark_, {NEVER_MS})",
    )
    return Relation(text, tuple(columns))


def newest(w: Writer, depth: int) -> Relation:
    """The first or the last row of each key; what is given out is the same in ties."""
    del depth
    below = w.timed(tidy=True)
    keys = below.of(*KEY_TYPES)
    if not keys:
        return windowed(w, 0)
    key = w.chance.choice(keys)
    down = w.chance.choice(("ASC", "DESC"))
    place = f"ROW_NUMBER() OVER (PARTITION BY {key.name} ORDER BY {below.time} {down})"
    columns = (Column(w.fresh(), key.type, key.small), Column(w.fresh(), TIMESTAMP))
    time = f"CAST(r.{below.time} AS TIMESTAMP(3))"
    shown = same(f"r.{key.name} AS {columns[0].name}, {time} AS {columns[1].name}")
    text = put(f"SELECT *, {place} AS place FROM ({{}}) AS r", below.text)
    return Relation(put("SELECT {} FROM ({}) AS r WHERE place = 1", shown, text), columns)
