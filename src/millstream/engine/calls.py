"""Which functions of the user are being called, and by which thread.

in      `with Call(function):` around one call, in whatever thread makes it
out     the calls under way, for whoever watches (watchdog.py)
why     looking into the frames of a thread that runs is not safe: CPython gives their memory to the
        next call meanwhile. What is watched is told instead, for some 200 ns a call
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ClassVar


class Call:
    """One call, from its begin to its end; calls of a thread may stand inside each other."""

    __slots__ = ("_before", "_thread", "function")
    under_way: ClassVar[dict[int, Call]] = {}
    """The innermost call of each thread. Read a copy: a dict's copy is made in one step."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __enter__(self) -> None:
        self._thread = threading.get_ident()
        self._before = self.under_way.get(self._thread)
        self.under_way[self._thread] = self

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            self.under_way.pop(self._thread, None)
        else:
            self.under_way[self._thread] = self._before

    def __str__(self) -> str:
        function = getattr(self.function, "__func__", self.function)
        name = getattr(function, "__name__", type(function).__name__)
        code = getattr(function, "__code__", None)
        return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code else name
