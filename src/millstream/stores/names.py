"""What a blob may be called, in every store."""

from __future__ import annotations


def checked(name: str) -> str:
    """Return the name; one that leads out of the store, or hides in it, is a mistake of ours."""
    parts = name.split("/")
    fits = all(p and not p.startswith(".") for p in parts)
    assert fits, f"'{name}' names no blob"
    return name
