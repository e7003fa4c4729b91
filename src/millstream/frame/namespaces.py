"""What ``.str`` and ``.dt`` offer: the common functions under the names Polars gives them.

Everything else of the catalogue is reached with ``ms.call("NAME", …)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream.frame.expression import call

if TYPE_CHECKING:
    from millstream.frame.expression import Expr, Value


class StringMethods:
    """Functions of text.

    >>> from millstream import col
    >>> col("country").str.upper()
    UPPER(country)
    """

    __slots__ = ("_of",)

    def __init__(self, of: Expr):
        self._of = of

    def _call(self, function: str, *args: Value) -> Expr:
        return _keep_name(self._of, call(function, self._of, *args))

    def upper(self) -> Expr:
        """Return it in upper case."""
        return self._call("UPPER")

    def lower(self) -> Expr:
        """Return it in lower case."""
        return self._call("LOWER")

    def length(self) -> Expr:
        """Count its characters."""
        return self._call("CHAR_LENGTH")

    def strip(self) -> Expr:
        """Remove spaces at both ends."""
        return self._call("TRIM")

    def strip_start(self) -> Expr:
        """Remove spaces at the start."""
        return self._call("LTRIM")

    def strip_end(self) -> Expr:
        """Remove spaces at the end."""
        return self._call("RTRIM")

    def starts_with(self, prefix: Value) -> Expr:
        """TRUE where it starts with ``prefix``."""
        return self._call("STARTSWITH", prefix)

    def ends_with(self, suffix: Value) -> Expr:
        """TRUE where it ends with ``suffix``."""
        return self._call("ENDSWITH", suffix)

    def contains(self, part: Value) -> Expr:
        """TRUE where ``part`` stands in it, letter by letter; ``matches`` takes a pattern."""
        return _keep_name(self._of, call("POSITION", part, self._of) > 0)

    def like(self, pattern: str) -> Expr:
        """TRUE where SQL's LIKE pattern fits: ``%`` any text, ``_`` any character."""
        return self._call("LIKE", pattern)

    def matches(self, pattern: str) -> Expr:
        """TRUE where the regular expression is found somewhere in it."""
        return self._call("REGEXP", pattern)

    def extract(self, pattern: str, group: int = 1) -> Expr:
        """Return a group of the first match of a regular expression, NULL without one."""
        return self._call("REGEXP_EXTRACT", pattern, group)

    def replace(self, old: str, new: str) -> Expr:
        """Replace every ``old``, letter by letter."""
        return self._call("REPLACE", old, new)

    def replace_regex(self, pattern: str, new: str) -> Expr:
        """Replace every match of a regular expression."""
        return self._call("REGEXP_REPLACE", pattern, new)

    def slice(self, offset: int, length: int | None = None) -> Expr:
        """Return a part of it; ``offset`` counts from 0, negative ones from the end.

        >>> from millstream import col
        >>> col("code").str.slice(0, 2)
        SUBSTRING(code, 1, 2)
        """
        start = offset + 1 if offset >= 0 else offset
        return self._call("SUBSTRING", start, *(() if length is None else (length,)))

    def split_item(self, separator: str, index: int) -> Expr:
        """Return the part with this index (from 0) between separators, NULL where there is none."""
        return self._call("SPLIT_INDEX", separator, index)

    def pad_start(self, length: int, fill: str = " ") -> Expr:
        """Fill up (or cut) to ``length`` characters at the start."""
        return self._call("LPAD", length, fill)

    def pad_end(self, length: int, fill: str = " ") -> Expr:
        """Fill up (or cut) to ``length`` characters at the end."""
        return self._call("RPAD", length, fill)

    def join(self, separator: str = ",") -> Expr:
        """Aggregate: all texts of the group with a separator between them (LISTAGG)."""
        from millstream.frame.expression import aggregate

        return _keep_name(self._of, aggregate("LISTAGG", self._of, separator))

    def to_timestamp(self, pattern: str = "yyyy-MM-dd HH:mm:ss") -> Expr:
        """Read a TIMESTAMP(3); patterns as in SQL's TO_TIMESTAMP."""
        return self._call("TO_TIMESTAMP", pattern)

    def to_date(self, pattern: str = "yyyy-MM-dd") -> Expr:
        """Read a DATE."""
        return self._call("TO_DATE", pattern)

    def json_value(self, path: str) -> Expr:
        """Return a scalar inside a JSON text, as text: ``.json_value("$.user.id")``."""
        return self._call("JSON_VALUE", path)


class DateTimeMethods:
    """Functions of dates and times; parts are BIGINT.

    >>> from millstream import col
    >>> col("ts").dt.hour()
    HOUR(ts)
    """

    __slots__ = ("_of",)

    def __init__(self, of: Expr):
        self._of = of

    def _call(self, function: str, *args: Value) -> Expr:
        return _keep_name(self._of, call(function, self._of, *args))

    def year(self) -> Expr:
        """Return the year."""
        return self._call("YEAR")

    def quarter(self) -> Expr:
        """Return the quarter, 1 to 4."""
        return self._call("QUARTER")

    def month(self) -> Expr:
        """Return the month, 1 to 12."""
        return self._call("MONTH")

    def week(self) -> Expr:
        """Return the ISO week, 1 to 53."""
        return self._call("WEEK")

    def day(self) -> Expr:
        """Return the day of the month."""
        return self._call("DAYOFMONTH")

    def weekday(self) -> Expr:
        """Return the day of the week as SQL counts: 1 is Sunday."""
        return self._call("DAYOFWEEK")

    def ordinal_day(self) -> Expr:
        """Return the day of the year, 1 to 366."""
        return self._call("DAYOFYEAR")

    def hour(self) -> Expr:
        """Return the hour, 0 to 23."""
        return self._call("HOUR")

    def minute(self) -> Expr:
        """Return the minute, 0 to 59."""
        return self._call("MINUTE")

    def second(self) -> Expr:
        """Return the second, 0 to 59."""
        return self._call("SECOND")

    def format(self, pattern: str) -> Expr:
        """Write it as text: ``col("ts").dt.format("yyyy-MM-dd HH:mm")``."""
        return self._call("DATE_FORMAT", pattern)

    def date(self) -> Expr:
        """Return the day without the time."""
        return self._of.cast("DATE")


def _keep_name(of: Expr, made: Expr) -> Expr:
    """Give a derived column the alias of what it was asked of, where that has one."""
    return made if of.alias_name is None else made.alias(of.alias_name)
