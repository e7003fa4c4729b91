"""One text in two dialects: what Flink and millstream read, and what DuckDB reads.

in      templates with ``{}`` for parts that are such pairs themselves
out     :class:`Both`
table   every place where DuckDB spells or means it otherwise is in this file:

        ======================  ==============================  ================================
        meaning                 Flink                           DuckDB
        ======================  ==============================  ================================
        integer division        a / 2 (towards zero)            a // 2 (towards zero as well)
        double to integer       CAST cuts off                   trunc first: its CAST rounds
        AVG of integers         AVG, an integer                 SUM // COUNT
        length of a text        CHAR_LENGTH                     length
        text type               STRING                          VARCHAR
        cut a time              FLOOR(ts TO MINUTE)             date_trunc('minute', ts)
        NULLs in an order       first where ascending           said with NULLS FIRST and LAST
        windows                 functions with DESCRIPTOR       arithmetic on milliseconds
        late rows               dropped by the engine           dropped by ``mark_``, a column
        ======================  ==============================  ================================
"""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_SERIES = {
    # kind -> the starts and the ends, in milliseconds, of the windows of a row at `ms`
    "TUMBLE": ("ms // {size} * {size}", "ws + {size}"),
    "HOP": (
        "unnest(generate_series(ms // {step} * {step} - {size} + {step}, ms, {step}))",
        "ws + {size}",
    ),
    "CUMULATE": (
        "ms // {size} * {size}",
        "unnest(generate_series(ms // {step} * {step} + {step}, ws + {size}, {step}))",
    ),
}
NEVER_MS = -(1 << 60)


@dataclass(frozen=True, slots=True)
class Both:
    """The same in two dialects."""

    flink: str
    duck: str


def same(text: str) -> Both:
    """Return a text that both read alike."""
    return Both(text, text)


def put(template: str, *parts: Both, duck: str | None = None) -> Both:
    """Put parts into a template; ``duck`` is DuckDB's where it is another one.

    >>> put("CHAR_LENGTH({})", same("s"), duck="length({})")
    Both(flink='CHAR_LENGTH(s)', duck='length(s)')
    """
    return Both(
        template.format(*(part.flink for part in parts)),
        (duck or template).format(*(part.duck for part in parts)),
    )


def listed(parts: list[Both], by: str = ", ") -> Both:
    """Join parts."""
    return Both(by.join(p.flink for p in parts), by.join(p.duck for p in parts))


def order_key(column: Both, *, descending: bool) -> Both:
    """Return a sort key; NULL is lower than any value."""
    if descending:
        return put("{} DESC", column, duck="{} DESC NULLS LAST")
    return put("{} ASC", column, duck="{} ASC NULLS FIRST")


def seconds(ms: int) -> str:
    """Return an interval."""
    return f"INTERVAL '{ms // 1000}' SECOND"


def fixed_windows(kind: str, table: str, time: str, size_ms: int, step_ms: int) -> Both:
    """Return a table with window_start, window_end and window_time; ``step_ms`` is not TUMBLE's."""
    lengths = seconds(size_ms) if kind == "TUMBLE" else f"{seconds(step_ms)}, {seconds(size_ms)}"
    starts, ends = (t.format(size=size_ms, step=step_ms) for t in WINDOW_SERIES[kind])
    rows = f"SELECT *, epoch_ms({time}) AS ms FROM {table}"
    rows = f"SELECT *, {starts} AS ws FROM ({rows})"
    rows = f"SELECT *, {ends} AS we FROM ({rows})"
    return Both(
        f"TABLE({kind}(TABLE {table}, DESCRIPTOR({time}), {lengths}))",
        f"(SELECT *, {_BOUNDS} FROM ({rows}) WHERE we - 1 > coalesce(mark_, {NEVER_MS}))",
    )


_BOUNDS = (
    "make_timestamp(ws * 1000) AS window_start, make_timestamp(we * 1000) AS window_end, "
    "make_timestamp(we * 1000 - 1000) AS window_time"
)


def session_windows(table: str, time: str, gap_ms: int, keys: list[str]) -> Both:
    """Return a table with sessions; rows that touch belong together, none may be late."""
    by = f" PARTITION BY {', '.join(keys)}" if keys else ""
    said = f" PARTITION BY ({', '.join(keys)})" if len(keys) > 1 else by
    rows = f"SELECT *, epoch_ms({time}) AS ms FROM {table}"
    far = f"ms - lag(ms) OVER ({by} ORDER BY ms) > {gap_ms}"
    rows = f"SELECT *, CASE WHEN {far} THEN 1 ELSE 0 END AS jump FROM ({rows})"
    rows = f"SELECT *, SUM(jump) OVER ({by} ORDER BY ms) AS island FROM ({rows})"
    inside = f"PARTITION BY {', '.join([*keys, 'island'])}"
    rows = (
        f"SELECT *, min(ms) OVER ({inside}) AS ws, max(ms) OVER ({inside}) + {gap_ms} AS we "
        f"FROM ({rows})"
    )
    return Both(
        f"TABLE(SESSION(TABLE {table}{said}, DESCRIPTOR({time}), {seconds(gap_ms)}))",
        f"(SELECT *, {_BOUNDS} FROM ({rows}))",
    )
