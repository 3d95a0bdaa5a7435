"""What /v1/score answers: the scores of several submissions, told apart by the tags of their events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from serving.submission import EventScore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.channels import Channel
    from serving.journal import Entry
    from serving.outputs import ScoredRows
    from serving.results import Aside

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
        chosen = np.flatnonzero(tag >> 1 if self._found else np.zeros(0, np.int64))
        if not len(chosen):
            return
        whose = tag[chosen] >> 1
        moments = np.datetime_as_string(rows.time_us[chosen].astype("datetime64[us]"), "us")
        for row, place, record, moment, risk, evidence, p_value, top, is_held, is_late in zip(
            chosen.tolist(),
            (whose >> RECORD_BITS).tolist(),
            ((whose & (1 << RECORD_BITS) - 1) - 1).tolist(),
            moments.tolist(),
            rows.risk[chosen].tolist(),
            rows.evidence[chosen].tolist(),
            rows.p_value[chosen].tolist(),
            rows.top[chosen].tolist(),
            held[chosen].tolist(),
            (tag[chosen] & 1).tolist(),
            strict=True,
        ):
            self._found[place][record] = EventScore(
                rows.uids[row],
                f"{moment}Z",
                risk,
                evidence,
                p_value,
                channels[top].name if top >= 0 else "",
                rows.reasons[row],
                is_held,
                "late" if is_late else "scored",
            )

    def of(self, place: int, received: int) -> list[EventScore]:
        """One a record, in the order of the submission."""
        found = self._found[place]
        count = max([received, *(record + 1 for record in found)])
        return [found.get(record) or _unscored("", "duplicate") for record in range(count)]


def _unscored(reason: str, outcome: str) -> EventScore:
    return EventScore("", "", 0.0, 0.0, 1.0, "", reason, held=False, outcome=outcome)
