"""The processes of a run from Kafka to Kafka: asking them, and ending them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

ANSWER_S = 120.0
"""A part that is silent for so long is broken, not slow."""
BEGIN_AFTER_S = 0.05
END_S = 10.0


def answer(pipe: Any, limit_s: float = ANSWER_S) -> Any:
    """Return what a part says next."""
    if not pipe.poll(limit_s):
        raise SystemExit("a part of the benchmark gave no answer")
    return pipe.recv()


@contextmanager
def ended(parts: Sequence[Any]) -> Iterator[None]:
    """Wait for processes that were told to end; what is left of them is ended."""
    try:
        yield
        for part in parts:
            part.join(END_S)
    finally:
        for part in parts:
            if part.is_alive():
                part.terminate()
