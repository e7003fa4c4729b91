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
_HALF = ir.IntType(32)
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


@intrinsic
def put_word(_: Any, base: Any, index: Any, value: Any) -> Any:
    """Write eight bytes to ``base + index``, in the machine's order."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = builder.inttoptr(builder.add(args[0], args[1]), _WORD.as_pointer())
        builder.store(args[2], address, align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), build


WIDE = 16
"""So many bytes are looked at at once by :func:`first_of`."""
_ALL = ir.IntType(8 * WIDE)
_EACH = int.from_bytes(b"\x01" * WIDE, "little")


@intrinsic
def copy_bytes(_: Any, target: Any, source: Any, size: Any) -> Any:
    """Copy ``size`` bytes; the two places do not overlap."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _BYTE.as_pointer()
        to, source = (builder.inttoptr(a, pointer) for a in args[:2])
        copy = builder.module.declare_intrinsic("llvm.memcpy", [pointer, pointer, _WORD])
        builder.call(copy, [to, source, args[2], ir.IntType(1)(0)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), build


@intrinsic
def first_of(_: Any, base: Any, index: Any, one: Any, other: Any) -> Any:
    """Return which of the ``WIDE`` bytes at ``base + index`` is the first that is one of two.

    ``WIDE`` where none is.
    """

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        several = ir.VectorType(_BYTE, WIDE)
        address = builder.inttoptr(builder.add(args[0], args[1]), several.as_pointer())
        found = builder.load(address, align=1)
        met = None
        for sought in args[2:]:
            # The byte in all places at once, a constant once this is compiled.
            whole = builder.mul(builder.zext(builder.trunc(sought, _BYTE), _ALL), _ALL(_EACH))
            every = builder.bitcast(whole, several)
            same = builder.icmp_unsigned("==", found, every)
            met = same if met is None else builder.or_(met, same)
        bits = builder.zext(builder.bitcast(met, ir.IntType(WIDE)), _HALF)
        stopped = builder.or_(bits, _HALF(1 << WIDE))
        at = builder.cttz(stopped, ir.IntType(1)(1))
        return builder.zext(at, _WORD)

    return types.int64(types.int64, types.int64, types.int64, types.int64), build
