"""JSON: tests, extraction by path, construction. JSON is text (STRING), as in Flink.

How a front end hands over the clauses (all of them literals, upper case, one blank between words):

* ``x IS JSON [VALUE|OBJECT|ARRAY|SCALAR]`` is ``Call("IS JSON VALUE", (x,))``, and so on for
  ``IS JSON OBJECT``, ``IS JSON ARRAY``, ``IS JSON SCALAR``; ``IS NOT JSON …`` is NOT around it.
* ``JSON_EXISTS(x, path [b ON ERROR])`` is ``(x, path)`` or ``(x, path, b)``,
  b one of TRUE FALSE UNKNOWN ERROR; left out it is FALSE.
* ``JSON_VALUE(x, path …)`` is ``(x, path)`` or all seven of
  ``(x, path, returning, on_empty, empty_default, on_error, error_default)``: ``returning`` is a
  type's text, ``on_empty`` and ``on_error`` are NULL ERROR DEFAULT, a default that was not
  written is ``Literal(None)`` (it may be any expression where it was written).
  Left out: STRING, NULL, NULL.
* ``JSON_QUERY(x, path …)`` is ``(x, path)`` or all six of
  ``(x, path, returning, wrapper, on_empty, on_error)``: ``returning`` is STRING or ARRAY<STRING>,
  ``wrapper`` is WITHOUT CONDITIONAL UNCONDITIONAL (``WITH WRAPPER`` alone means UNCONDITIONAL),
  the last two are NULL, EMPTY ARRAY, EMPTY OBJECT, ERROR. Left out: STRING, WITHOUT, NULL, NULL.
* ``JSON_OBJECT(KEY k VALUE v, … [n ON NULL])`` is ``(n, k, v, …)``, n one of NULL ABSENT;
  the front end writes NULL where the clause is left out.
* ``JSON_ARRAY(v, … [n ON NULL])`` is ``(n, v, …)``; ABSENT where the clause is left out.
"""

from __future__ import annotations

from millstream.expr.function import Function

FUNCTIONS: tuple[Function, ...] = ()
