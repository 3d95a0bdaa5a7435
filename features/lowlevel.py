"""Three machine instructions that numba does not offer (unaligned load, prefetch, wide multiply) and the hash
on top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable

I64 = ir.IntType(64)
I32 = ir.IntType(32)


def _element_pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    view = context.make_array(array_type)(context, builder, array)
    return cgutils.pointer_add(builder, view.data, builder.mul(index, view.itemsize))


@intrinsic
def load_u64(typingctx: Any, array: Any, offset: Any) -> tuple[Any, Callable[..., Any]]:
    """Eight bytes of a uint8 array from `offset` as a little-endian uint64; the caller keeps eight bytes of
    padding.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, args[0])
        pointer = cgutils.pointer_add(
            builder, view.data, args[1]
        )  # bytes: no multiplication by the item size
        return builder.load(builder.bitcast(pointer, I64.as_pointer()), align=1, typ=I64)

    return types.uint64(array, types.int64), codegen


@intrinsic
def prefetch(typingctx: Any, array: Any, index: Any) -> tuple[Any, Callable[..., Any]]:
    """Ask for the cache line of element `index` of a one-dimensional array; never faults, changes nothing."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _element_pointer(context, builder, signature.args[0], args[0], args[1])
        byte_pointer = builder.bitcast(pointer, ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), I32, I32, I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [byte_pointer, I32(0), I32(3), I32(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), codegen


@njit(cache=True, inline="always")
def mix64(value: np.uint64) -> np.uint64:
    """Bijective finaliser of SplitMix64 (Steele, Lea, Flood 2014): each input bit reaches each output bit."""
    value = np.uint64(value)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@intrinsic
def fold_multiply(typingctx: Any, left: Any, right: Any) -> tuple[Any, Callable[..., Any]]:
    """High half xor low half of the 128-bit product of two uint64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        high = builder.trunc(builder.lshr(product, wide(64)), I64)
        return builder.xor(high, builder.trunc(product, I64))

    return types.uint64(types.uint64, types.uint64), codegen


@njit(cache=True)
def hash_bytes(buffer: np.ndarray, start: int, length: int, seed: int) -> np.uint64:
    """64-bit hash of `buffer[start:start + length]`, keyed by `seed`.

    Folded multiplication with both factors keyed (the scheme of wyhash and MUM), so that who does not know
    the seed cannot choose colliding texts; not cryptographic all the same. Reads whole words: the buffer must
    have eight bytes more than any hashed range.
    """
    word_key = mix64(np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15))
    state = mix64(word_key ^ np.uint64(length))
    position = start
    end = start + length
    while position + 8 <= end:
        state = fold_multiply(load_u64(buffer, position) ^ word_key, state) + (state >> np.uint64(17))
        position += 8
    if position < end:
        rest = np.uint64(8 * (8 - (end - position)))
        state = fold_multiply((load_u64(buffer, position) << rest) ^ word_key, state) + (
            state >> np.uint64(17)
        )
    return mix64(state)


@njit(cache=True, nogil=True)
def hash_ranges(
    buffer: np.ndarray, starts: np.ndarray, stops: np.ndarray, seed: int, out: np.ndarray
) -> None:
    """Hash of each byte range of a padded buffer."""
    for i in range(starts.shape[0]):
        out[i] = hash_bytes(buffer, starts[i], stops[i] - starts[i], seed)
