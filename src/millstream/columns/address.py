"""Bytes at an address, for kernels that walk a buffer with many small functions.

A NumPy array handed from one compiled function to another is counted, atomically, at every call:
measured, 100 ns for each key of a JSON document. An address is a number and costs nothing. Whoever
takes an address keeps the array alive and inside its bounds; nothing here checks.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

_BYTE = ir.IntType(8)
_WORD = ir.IntType(64)


@intrinsic
def byte_at(_: Any, base: Any, index: Any) -> Any:
    """Return the byte at ``base + index`` as int64."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = builder.inttoptr(builder.add(args[0], args[1]), _BYTE.as_pointer())
        return builder.zext(builder.load(address), _WORD)

    return types.int64(types.int64, types.int64), build


@intrinsic
def put_byte(_: Any, base: Any, index: Any, value: Any) -> Any:
    """Write the low byte of ``value`` to ``base + index``."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = builder.inttoptr(builder.add(args[0], args[1]), _BYTE.as_pointer())
        builder.store(builder.trunc(args[2], _BYTE), address)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), build


@intrinsic
def word_at(_: Any, base: Any, index: Any) -> Any:
    """Return the eight bytes at ``base + index`` as uint64, in the machine's order."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = builder.inttoptr(builder.add(args[0], args[1]), _WORD.as_pointer())
        return builder.load(address, align=1)

    return types.uint64(types.int64, types.int64), build
