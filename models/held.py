"""Events that wait in an engine (`models.engine`: held), taken out of it and put back, in order of their
release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.kernel import class_slots
from models.engine import FIRST, HELD_ARRAYS, LAST, Held

if TYPE_CHECKING:
    from features.columns import Batch
    from models.engine import Engine


def _order(engine: Engine) -> np.ndarray:
    held = engine.held
    return np.arange(held.ends[FIRST], held.ends[LAST]) % len(held.slots)


def take_held(engine: Engine, batch: Batch) -> np.ndarray:
    """Take out what waits and equals an event of the batch (time and all columns).

    Returns int64 (n,): when each would have been learned, microseconds; -1 for those that do not wait.
    """
    held = engine.held
    waiting: dict[tuple[int, bytes], list[int]] = {}
    for index in _order(engine).tolist():
        waiting.setdefault((int(held.time_us[index]), held.columns[index].tobytes()), []).append(index)
    release_us = np.full(len(batch.time_us), -1, np.int64)
    gone = []
    for row, time_us in enumerate(batch.time_us.tolist()):
        found = waiting.get((time_us, batch.columns[row].tobytes()))
        if found:
            index = found.pop(0)
            gone.append(index)
            release_us[row] = held.release_us[index]
    if gone:
        _replace(engine, np.setdiff1d(_order(engine), gone, assume_unique=True), None, None)
    return release_us


def put_held(engine: Engine, batch: Batch, release_us: np.ndarray) -> None:
    """Let events wait again. release_us: int64 (n,), as `take_held` gave them."""
    _replace(engine, _order(engine), batch, release_us)


def _replace(engine: Engine, kept: np.ndarray, batch: Batch | None, release_us: np.ndarray | None) -> None:
    """Fill the ring anew with those kept (places) and the batch, by release and then by time."""
    arrays = {name: getattr(engine.held, name)[kept] for name in HELD_ARRAYS}
    if batch is not None and release_us is not None:
        more = {
            "columns": batch.columns,
            "slots": class_slots(engine.baselines.program, batch.class_uid),
            "time_us": batch.time_us,
            "release_us": release_us,
        }
        arrays = {name: np.concatenate([arrays[name], more[name]]) for name in HELD_ARRAYS}
    order = np.argsort(arrays["release_us"], kind="stable")
    count = len(order)
    room = max(len(engine.held.slots), 2 * count)
    ring = Held(
        **{name: np.zeros((room, *array.shape[1:]), array.dtype) for name, array in arrays.items()},
        ends=np.array([0, count], np.int64),
    )
    for name in HELD_ARRAYS:
        getattr(ring, name)[:count] = arrays[name][order]
    engine.held = ring
