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
FEW = 8
"""And by :func:`first_of_few`, where a document has no more."""
MANY = 64
"""And by :func:`all_of`: as many as a word has bits."""


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
        return _first_of(builder, args, WIDE)

    return types.int64(types.int64, types.int64, types.int64, types.int64), build


@intrinsic
def first_of_few(_: Any, base: Any, index: Any, one: Any, other: Any) -> Any:
    """Do what :func:`first_of` does with ``FEW`` bytes."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _first_of(builder, args, FEW)

    return types.int64(types.int64, types.int64, types.int64, types.int64), build


@intrinsic
def all_of(_: Any, base: Any, index: Any, sought: Any) -> Any:
    """Return a bit for each of the ``MANY`` bytes at ``base + index``: set where it is this one."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = _vector_at(builder, args, MANY)
        undefined = ir.Constant(found.type, ir.Undefined)
        first = builder.insert_element(undefined, builder.trunc(args[2], _BYTE), _HALF(0))
        nowhere = ir.Constant(ir.VectorType(_HALF, MANY), None)
        whole = builder.shuffle_vector(first, undefined, nowhere)
        return builder.bitcast(builder.icmp_unsigned("==", found, whole), _WORD)

    return types.int64(types.int64, types.int64, types.int64), build


@intrinsic
def high_of(_: Any, base: Any, index: Any) -> Any:
    """Return a bit for each of the ``MANY`` bytes at ``base + index``: set where it is no ASCII."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = _vector_at(builder, args, MANY)
        nothing = ir.Constant(found.type, None)
        return builder.bitcast(builder.icmp_signed("<", found, nothing), _WORD)

    return types.int64(types.int64, types.int64), build


@intrinsic
def lowest_of(_: Any, bits: Any) -> Any:
    """Return the place of the lowest bit that is set; there must be one."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.int64(types.int64), build


def _first_of(builder: Any, args: Any, width: int) -> Any:
    found = _vector_at(builder, args, width)
    all_bits = ir.IntType(8 * width)
    each = all_bits(int.from_bytes(b"\x01" * width, "little"))
    met = None
    for sought in args[2:]:
        # The byte in all places at once, a constant once this is compiled.
        whole = builder.mul(builder.zext(builder.trunc(sought, _BYTE), all_bits), each)
        same = builder.icmp_unsigned("==", found, builder.bitcast(whole, found.type))
        met = same if met is None else builder.or_(met, same)
    return _first_set(builder, met, width)


@intrinsic
def first_no_digit(_: Any, base: Any, index: Any) -> Any:
    """Return which of the ``WIDE`` bytes at ``base + index`` is the first that is no digit.

    ``WIDE`` where all are.
    """

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = _vector_at(builder, args, WIDE)
        above_zero = builder.sub(found, found.type([_BYTE(0x30)] * WIDE))
        other = builder.icmp_unsigned(">", above_zero, found.type([_BYTE(9)] * WIDE))
        return _first_set(builder, other, WIDE)

    return types.int64(types.int64, types.int64), build


def _vector_at(builder: Any, args: Any, width: int) -> Any:
    """Load the bytes at the sum of the first two arguments."""
    several = ir.VectorType(_BYTE, width)
    address = builder.inttoptr(builder.add(args[0], args[1]), several.as_pointer())
    return builder.load(address, align=1)


def _first_set(builder: Any, flags: Any, width: int) -> Any:
    """Return the place of the first flag that is set, ``width`` where none is."""
    bits = builder.zext(builder.bitcast(flags, ir.IntType(width)), _HALF)
    stopped = builder.or_(bits, _HALF(1 << width))
    return builder.zext(builder.cttz(stopped, ir.IntType(1)(1)), _WORD)
