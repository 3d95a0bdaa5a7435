"""Whether the arrays of a checkpoint can be what they say, before compiled kernels see them.

A checkpoint's checksum finds what changed on the way; it does not say that what was written made sense: a
program of another state, a repaired folder, a hand. Kernels check no bounds, so an id beyond a table would be
read from, or written to, somebody else's memory. Here every id is compared with the table that it points
into, and every array with the form that a new detector gives it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from features import sketch
from features.behaviours import BEHAVIOURS
from features.entities import KINDS, UNIT
from features.errors import StateError
from features.measures import WINDOWS
from features.moments import CELL_BITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from models.channels import Channels

MOST_CAPACITY = 1 << 31
_TOGETHER = (
    ("keys", "weights"),
    ("entity_kind", "entity_name", "entity_group"),
    ("voice_entity", "voice"),
    ("moment_keys", "moment_sums"),
    ("above_keys", "above_sums"),
    ("held_slots", "held_columns", "held_time_us", "held_release_us"),
    ("open_entity", "open_kind", "open_five", "open_counts"),
    ("known_first", "known_last", "known_active"),
    ("travel_last_us", "travel_last_country", "travel_jumps"),
    ("pair_tags", "pair_last_us", "pair_day", "pair_first_day", "pair_beat", "pair_today"),
    ("days_entity", "days_day", "days_channel", "days_value", "days_nats", "days_gain", "days_time_us"),
    ("days_repeats_entity", "days_repeats_day", "days_repeats_nats"),
    ("sample/sample_columns", "sample/sample_time_us", "sample/sample_src_ip", "sample/sample_class_uid"),
    ("waiting/batch_columns", "waiting/batch_time_us", "waiting/batch_src_ip", "waiting/uid", "waiting/tag"),
)
"""Arrays that describe the same things, one row each."""
_HASHED = ("pair_tags", "trace_traces")
"""Tables whose slots are found with a mask: as long as a power of two."""
_OTHER_WIDTHS = ("sample/", "ranker/", "links/", "alerts/")
"""Parts whose arrays become wider as days go by; numpy looks after their bounds."""
_ENTITIES = (
    "voice_entity",
    "open_entity",
    "days_entity",
    "days_repeats_entity",
    "links/link_entities",
)
_COLUMNS = ("held_columns", "sample/sample_columns", "waiting/batch_columns")


def check(
    arrays: Mapping[str, np.ndarray],
    settings: Mapping[str, Any],
    reference: Mapping[str, np.ndarray],
    channels: Channels,
) -> None:
    """Refuse arrays that no detector can have exported.

    Parameters
    ----------
    arrays, settings
        Of the checkpoint.
    reference
        What a new detector exports: the form of each array (its length apart).
    channels
        Of the detector, for the lengths of its blocks.

    Raises
    ------
    StateError
        Naming the array, and what to do. KeyError for a part that is missing.

    O(size of the arrays), most of it one pass.
    """
    for name, like in reference.items():
        if name in arrays:
            _form(name, arrays[name], like)
    for names in _TOGETHER:
        lengths = {len(arrays[name]) for name in names if name in arrays}
        if len(lengths) > 1:
            _refuse(names[0], f"has not as many rows as {', '.join(names[1:])}")
    for name in _HASHED:
        if name in arrays and len(arrays[name]) & (len(arrays[name]) - 1):
            _refuse(name, f"has {len(arrays[name])} slots, no power of two")
    values = _strings("value", arrays["value_blob"], arrays["value_offsets"])
    end = len(arrays["entity_kind"])
    _within("entity_kind", arrays["entity_kind"], -1, 3 * KINDS)
    _within("entity_name", arrays["entity_name"], 0, values + 1)
    _within("entity_group", arrays["entity_group"], 0, end)
    if len(arrays["totals"]) != UNIT * end:
        _refuse("totals", f"has {len(arrays['totals'])} cells for {end} ids")
    _habits(arrays, settings, end, values, len(BEHAVIOURS))
    for name in _ENTITIES:
        if name in arrays:
            _within(name, arrays[name], 0, end)
    for name in _COLUMNS:
        if name in arrays:
            _within(name, arrays[name][:, :-KINDS], 0, values + 1)
            _within(name, arrays[name][:, -KINDS:], 0, end)
    _within("held_slots", arrays["held_slots"], 0, len(arrays["event_bins"]))
    _within("open_kind", arrays["open_kind"], 0, KINDS)
    _cells(arrays, channels)
    if "waiting/uid" in arrays:
        known = _strings("waiting/uid", arrays["waiting/uid_blob"], arrays["waiting/uid_offsets"])
        _within("waiting/uid", arrays["waiting/uid"], 0, known + 1)


def _form(name: str, array: np.ndarray, like: np.ndarray) -> None:
    if array.dtype != like.dtype:
        _refuse(name, f"holds {array.dtype}, not {like.dtype}")
    if array.ndim != like.ndim or (array.shape[1:] != like.shape[1:] and not name.startswith(_OTHER_WIDTHS)):
        _refuse(name, f"has the shape {array.shape}, not (n{''.join(f', {n}' for n in like.shape[1:])})")


def _habits(
    arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any], end: int, values: int, behaviours: int
) -> None:
    keys, weights = arrays["keys"], arrays["weights"]
    entity, behaviour, value = sketch.unpack(keys)
    _within("keys", keys, 1, 1 << 62)
    _within("keys", entity, 1, end)
    _within("keys", behaviour, 0, behaviours)
    _within("keys", value, 0, values + 1)
    if len(np.unique(keys)) != len(keys):
        _refuse("keys", "names a habit twice")
    if (arrays["entity_kind"][entity] < 0).any():
        _refuse("keys", "names an entity that is none")
    if not (np.isfinite(weights).all() and np.isfinite(arrays["totals"]).all()):
        _refuse("weights", "holds what is no number")
    capacity = settings["capacity"]
    fits = isinstance(capacity, int) and len(keys) <= capacity * sketch.MAX_LOAD + 1
    if not (fits and capacity < MOST_CAPACITY):
        _refuse("keys", f"{len(keys):,} habits do not fit a table of {capacity}")


def _cells(arrays: Mapping[str, np.ndarray], channels: Channels) -> None:
    """Cells of moments lie in the blocks of their holders."""
    kind = arrays["entity_kind"]
    lengths = channels.cells.per_kind[kind % KINDS] + len(WINDOWS)
    for name in ("moment_keys", "above_keys"):
        keys = arrays.get(name, np.zeros(0, np.int64))
        _within(name, keys >> CELL_BITS, 1, len(kind))
        cell = keys & ((1 << CELL_BITS) - 1)
        if (cell >= lengths[keys >> CELL_BITS]).any() or (kind[keys >> CELL_BITS] < 0).any():
            _refuse(name, "points beyond the block of an entity")


def _strings(name: str, blob: np.ndarray, offsets: np.ndarray) -> int:
    """How many strings there are; each begins with the byte of its name space."""
    if len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != len(blob):
        _refuse(f"{name}_offsets", "does not cover its text")
    if (np.diff(offsets[1:]) < 1).any() or offsets[1] < 0:
        _refuse(f"{name}_offsets", "does not rise")
    return len(offsets) - 2


def _within(name: str, numbers: np.ndarray, low: int, stop: int) -> None:
    """All of low <= number < stop."""
    if numbers.size and not (low <= numbers.min() and numbers.max() < stop):
        _refuse(name, f"holds {_outside(numbers.ravel().tolist(), low, stop)}, beyond what it points into")


def _outside(numbers: Iterable[int], low: int, stop: int) -> int:
    return next(number for number in numbers if not low <= number < stop)


def _refuse(name: str, why: str) -> None:
    raise StateError(
        f"the checkpoint contradicts itself: {name} {why};"
        " restore the folder from a back-up or start a new one"
    )
