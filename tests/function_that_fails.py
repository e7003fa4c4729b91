"""A module of a user that fails when it is imported."""

from __future__ import annotations

SHARE = 1 / 0  # what the case is about


def share(value: int) -> int:
    return value
