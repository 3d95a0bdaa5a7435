"""Cursors of lists that are read page by page: the order, the values of the page's last row, and its id."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import msgspec

from features.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


def written(sort: str, values: Sequence[Any], row_id: str) -> str:
    """The cursor of a row; `values`: numbers, one for each column of the order."""
    return urlsafe_b64encode(msgspec.json.encode([sort, *values, row_id])).decode().rstrip("=")


def read(text: str, sort: str, columns: int) -> tuple[list[Any], str]:
    """Values and id that a cursor holds; InputError if it is none of this order."""
    try:
        padded = text + "=" * (-len(text) % 4)
        own, *values, row_id = msgspec.json.decode(urlsafe_b64decode(padded))
    except (ValueError, TypeError, msgspec.DecodeError) as error:
        raise InputError("after: no cursor; take `next` of the page before, or begin anew") from error
    numbers = all(isinstance(value, int | float) and abs(value) < 1 << 62 for value in values)
    if not (own == sort and len(values) == columns and numbers and isinstance(row_id, str)):
        raise InputError("after: a cursor of another order; begin anew")
    return values, row_id
