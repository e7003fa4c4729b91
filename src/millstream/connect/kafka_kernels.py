"""Kernels over messages that librdkafka owns: read their fields, copy their bytes, free them.

in      addresses of messages (``rd_kafka_message_t``), and of the library's functions
out     NumPy arrays of ours, filled
memory  a message's address, and those of its value and key, are good until ``free_all``; nothing
        here keeps one. Whoever calls keeps the arrays alive whose addresses it passes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from millstream.columns.address import word_at
from millstream.columns.jit import kernel
from millstream.connect.librdkafka import AT_ERROR, AT_PARTITION, AT_PRIVATE, AT_TOPIC

FIELDS = AT_PRIVATE // 8
"""The words of a message before its private one."""
HALVES = AT_ERROR // 8, AT_PARTITION // 8
KINDS = AT_ERROR // 8, AT_PARTITION // 8, AT_TOPIC // 8
_POINTER = ir.IntType(8).as_pointer()


@intrinsic  # type: ignore[untyped-decorator]
def _copy_bytes(_: Any, target: Any, origin: Any, size: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, of = (builder.inttoptr(a, _POINTER) for a in args[:2])
        cgutils.raw_memcpy(builder, to, of, args[2], itemsize=1, align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), build


def _caller(result: Any, *arguments: Any) -> Any:
    """Make an intrinsic that calls a C function at an address with addresses as arguments."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        returned = ir.VoidType() if result is types.void else context.get_value_type(result)
        shape = ir.FunctionType(returned, [_POINTER] * len(arguments))
        function = builder.inttoptr(args[0], shape.as_pointer())
        given = builder.call(function, [builder.inttoptr(a, _POINTER) for a in args[1:]])
        return context.get_dummy_value() if result is types.void else given

    return result(types.int64, *arguments), build


@intrinsic  # type: ignore[untyped-decorator]
def _call_void(_: Any, function: Any, argument: Any) -> Any:
    return _caller(types.void, types.int64)


@intrinsic  # type: ignore[untyped-decorator]
def _call_int32(_: Any, function: Any, argument: Any) -> Any:
    return _caller(types.int32, types.int64)


@intrinsic  # type: ignore[untyped-decorator]
def _call_int64(_: Any, function: Any, first: Any, second: Any) -> Any:
    return _caller(types.int64, types.int64, types.int64)


@kernel
def read_fields(messages: np.ndarray, fields: np.ndarray, runs: np.ndarray) -> int:
    """Write the words of every message, a row of ``fields`` for each of them.

    ``runs`` gets where messages of another topic, partition or error begin; how many is returned.
    """
    count = 0
    for i in range(len(messages)):
        for k in range(FIELDS):
            fields[k, i] = np.int64(word_at(messages[i], 8 * k))
        for k in HALVES:
            fields[k, i] = np.int64(np.int32(fields[k, i]))  # the upper half is padding
        same = i > 0
        for k in KINDS:
            same = same and fields[k, i] == fields[k, i - 1]
        if not same:
            runs[count] = i
            count += 1
    return count


@kernel
def lay_out(payloads: np.ndarray, sizes: np.ndarray, places: np.ndarray) -> int:
    """Write where each payload comes to lie, and the end; returns how many there are not."""
    places[0] = missing = 0
    for i in range(len(payloads)):
        there = payloads[i] != 0
        missing += not there
        places[i + 1] = places[i] + (sizes[i] if there else 0)
    return missing


@kernel
def copy_payloads(payloads: np.ndarray, places: np.ndarray, target: int) -> None:
    """Copy bytes from each address to its place behind ``target``; an address of 0 has none."""
    for i in range(len(payloads)):
        size = places[i + 1] - places[i]
        if payloads[i] != 0 and size > 0:
            _copy_bytes(target + places[i], payloads[i], size)


@kernel
def read_times(messages: np.ndarray, function: int, times: np.ndarray, kinds: int) -> None:
    """Write each message's time, and to the int32s at ``kinds`` what kind of time it is."""
    for i in range(len(messages)):
        times[i] = _call_int64(function, messages[i], kinds + 4 * i)


@kernel
def read_epochs(messages: np.ndarray, function: int, epochs: np.ndarray) -> None:
    """Write each message's leader epoch."""
    for i in range(len(messages)):
        epochs[i] = _call_int32(function, messages[i])


@kernel
def free_all(messages: np.ndarray, function: int) -> None:
    """Give every message back; its address is 0 from then on, so that it is freed once."""
    for i in range(len(messages)):
        if messages[i] != 0:
            _call_void(function, messages[i])
            messages[i] = 0
