"""What /v1/score answers: the scores of several submissions, told apart by the tags of their events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from serving.submission import EventScore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.channels import Channel
    from serving.journal import Entry
    from serving.outputs import ScoredRows
    from serving.results import Aside

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RECORD_BITS = 31
"""Of a tag, above the bit that says whether the event was late; the submission's place is above them."""


def tag_of(place: np.ndarray, record: np.ndarray) -> np.ndarray:
    """Tags, int64 (n,), of events that are asked for; others have none above the lowest bit.

    place: int64 (n,) of the submission among those that are scored together. record: its number in it.
    """
    tags: np.ndarray = (place << RECORD_BITS | record + 1) << 1
    return tags


class Answers:
    """Collects what became of the records of some submissions.

    Parameters
    ----------
    entries
        The submissions; none, when nobody asks.
    """

    def __init__(self, entries: Sequence[Entry] = ()) -> None:
        self._place = {entry.seq: place for place, entry in enumerate(entries)}
        self._found: list[dict[int, EventScore]] = [{} for _ in entries]

    def refuse(self, records: Sequence[Aside]) -> None:
        """Records that were put aside."""
        for aside in records:
            place = self._place.get(aside.entry.seq)
            if place is not None:
                self._found[place][aside.record] = _unscored(aside.reason, "quarantined")

    def take(
        self, tag: np.ndarray, rows: ScoredRows, held: np.ndarray, channels: tuple[Channel, ...]
    ) -> None:
        """Events that were scored; those without a tag belong to nobody who asks."""
        for row in np.flatnonzero(tag >> 1).tolist() if self._found else ():
            whose = int(tag[row]) >> 1
            top = int(rows.top[row])
            moment = EPOCH + timedelta(microseconds=int(rows.time_us[row]))
            self._found[whose >> RECORD_BITS][(whose & (1 << RECORD_BITS) - 1) - 1] = EventScore(
                rows.uids[row],
                moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                float(rows.risk[row]),
                float(rows.evidence[row]),
                float(rows.p_value[row]),
                channels[top].name if top >= 0 else "",
                rows.reasons[row],
                bool(held[row]),
                "late" if tag[row] & 1 else "scored",
            )

    def of(self, place: int, received: int) -> list[EventScore]:
        """One a record, in the order of the submission."""
        found = self._found[place]
        count = max([received, *(record + 1 for record in found)])
        return [found.get(record) or _unscored("", "duplicate") for record in range(count)]


def _unscored(reason: str, outcome: str) -> EventScore:
    return EventScore("", "", 0.0, 0.0, 1.0, "", reason, held=False, outcome=outcome)
