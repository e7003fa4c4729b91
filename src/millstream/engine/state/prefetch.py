"""Asks the processor for memory before it is needed.

in      an array and the place in it that is read soon
out     nothing; a place outside of the array does no harm
why     keys are met in no order: where state is larger than the caches a probe waits for memory
        most of its time. Asking for the next dozen probes at once makes them wait together
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

AHEAD = 12
"""So many rows ahead is asked."""
LARGE_WORDS = 1 << 15
"""Smaller arrays are in the caches anyway."""


@intrinsic
def prefetch(_context: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of ``array[index]``, to be read and written."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = context.make_array(signature.args[0])(context, builder, args[0]).data
        byte = ir.IntType(8).as_pointer()
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        asked = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        place = builder.bitcast(builder.gep(pointer, [args[1]]), byte)
        # To be written, kept in all caches, data.
        builder.call(asked, [place, number(1), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate
