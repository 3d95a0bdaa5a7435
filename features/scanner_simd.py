"""What the byte scanner needs and numba does not offer: looking at 32 bytes at once, on every LLVM target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from features import lowlevel

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

BLOCK = 32
"""Bytes that one step looks at."""

KERNEL: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
"""How the scanner's functions are compiled: without the interpreter's lock and without counting references.

The arrays belong to the caller for the whole call; counting the references to them around every helper made
the scanner six times slower.
"""
INLINED: dict[str, Any] = KERNEL | {"forceinline": True}
"""The same for functions that are compiled into each of their callers."""

_I64 = ir.IntType(64)
_BYTES = ir.VectorType(ir.IntType(8), BLOCK)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Address of one byte of a uint8 array. Without the item size, which LLVM does not know to be one."""
    view = context.make_array(array_type)(context, builder, array)
    return cgutils.pointer_add(builder, view.data, index)


def _block(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    pointer = _pointer(context, builder, array_type, array, index)
    return builder.load(builder.bitcast(pointer, _BYTES.as_pointer()), align=1, typ=_BYTES)


def _first(builder: Any, hits: Any) -> Any:
    """Index of the first true lane, BLOCK if there is none."""
    mask = builder.zext(builder.bitcast(hits, ir.IntType(BLOCK)), _I64)
    mask = builder.or_(mask, ir.Constant(_I64, 1 << BLOCK))
    return builder.cttz(mask, ir.Constant(ir.IntType(1), 1))


def _all(value: int) -> Any:
    return ir.Constant(_BYTES, [value] * BLOCK)


@intrinsic
def _byte_at(typingctx: Any, array: Any, offset: Any) -> tuple[Any, Callable[..., Any]]:
    """One byte of a uint8 array as an integer; no check of the offset, negative ones included."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        return builder.zext(builder.load(pointer), _I64)

    return types.int64(array, types.int64), codegen


@intrinsic
def _first_special(typingctx: Any, array: Any, offset: Any) -> tuple[Any, Callable[..., Any]]:
    """Distance (0-31) from `offset` to the first quote, backslash, control or non-ASCII byte; 32 if there
    is none.

    Reads 32 bytes whatever it finds; the caller keeps them inside of the array.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        block = _block(context, builder, signature.args[0], args[0], args[1])
        # As signed bytes, control characters and everything that is not ASCII lie below the space.
        hits = builder.icmp_signed("<", block, _all(0x20))
        hits = builder.or_(hits, builder.icmp_signed("==", block, _all(0x22)))
        hits = builder.or_(hits, builder.icmp_signed("==", block, _all(0x5C)))
        return _first(builder, hits)

    return types.int64(array, types.int64), codegen


@intrinsic
def _first_newline(typingctx: Any, array: Any, offset: Any) -> tuple[Any, Callable[..., Any]]:
    """Distance (0-31) from `offset` to the first newline; 32 if there is none. Reads 32 bytes."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        block = _block(context, builder, signature.args[0], args[0], args[1])
        return _first(builder, builder.icmp_signed("==", block, _all(0x0A)))

    return types.int64(array, types.int64), codegen


@intrinsic
def _word_at(typingctx: Any, array: Any, offset: Any) -> tuple[Any, Callable[..., Any]]:
    """Eight bytes of a uint8 array as a little-endian number, like `features.lowlevel.load_u64`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        return builder.load(builder.bitcast(pointer, _I64.as_pointer()), align=1, typ=_I64)

    return types.uint64(array, types.int64), codegen


@intrinsic
def _copy_block(
    typingctx: Any, target: Any, target_offset: Any, source: Any, source_offset: Any
) -> tuple[Any, Callable[..., Any]]:
    """Copy 32 bytes between uint8 arrays, or within one; both ranges must lie inside."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        block = _block(context, builder, signature.args[2], args[2], args[3])
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        builder.store(block, builder.bitcast(pointer, _BYTES.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64), codegen


# The same for people and type checkers: without the compiler's own first argument.
byte_at = cast("Callable[[np.ndarray, int], int]", _byte_at)
first_special = cast("Callable[[np.ndarray, int], int]", _first_special)
first_newline = cast("Callable[[np.ndarray, int], int]", _first_newline)
copy_block = cast("Callable[[np.ndarray, int, np.ndarray, int], None]", _copy_block)
word_at = cast("Callable[[np.ndarray, int], np.uint64]", _word_at)
prefetch = cast("Callable[[np.ndarray, int], None]", lowlevel.prefetch)
