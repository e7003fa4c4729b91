"""Starts a process that owns a sink, talks to it, stops it and wakes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]


class SinkChild:
    """One process with one sink; killed at the end of the block."""

    def __init__(self, connector: str, options: Mapping[str, Any]) -> None:
        command = [sys.executable, "-m", "tests.faults.sink_child", connector]
        self._process = subprocess.Popen(
            [*command, json.dumps(dict(options))],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._process.kill()
        self._process.communicate()

    def tell(self, do: str, **more: Any) -> None:
        """Give a command; it need not be awake."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for the next answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the child has ended"
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, do: str, **more: Any) -> Any:
        """Give a command and wait for its result, which is no error."""
        self.tell(do, **more)
        answer = self.answer()
        assert "ok" in answer, answer
        return answer["ok"]

    def sleep(self) -> None:
        """Stop it in the middle of whatever it does."""
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def wake(self) -> None:
        """Let it go on as if nothing had happened."""
        os.kill(self._process.pid, signal.SIGCONT)

    def die(self) -> None:
        """End it at once, as a machine does that loses power."""
        self._process.kill()
        self._process.wait()
