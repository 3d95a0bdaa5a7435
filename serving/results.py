"""What a tenant's state machine gives, and who takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from serving.learned import NUMBERED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from features.columns import Batch
    from models.engine import Scores
    from serving.journal import Entry
    from serving.learned import Window
    from serving.tenant import TenantState


class Aside(NamedTuple):
    """A record for the quarantine."""

    entry: Entry
    record: int
    reason: str
    raw: bytes


class Sinks(Protocol):
    """Takes what the state machine gives. A replay gives the same again: sinks must not mind."""

    def scored(self, state: TenantState, batch: Batch, uids: np.ndarray, scores: Scores) -> None:
        """Events that were scored, in that order."""

    def aside(self, tenant: str, records: Sequence[Aside]) -> None:
        """Records that could not be read."""

    def closed(self, tenant: str, day: int, frame: pd.DataFrame) -> None:
        """Entity-days (see `models.days.DayBook.frame`) of days before `day`, which has begun."""

    def renumbering(self, state: TenantState) -> None:
        """Ids are about to be given anew: whoever keeps some makes text of them now."""

    def recall(self, state: TenantState, window: Window) -> pa.Table:
        """What was learned of a window, see `serving.learned.Learned.recall`."""


class Listening:
    """Sinks that also note which records of one submission were put aside."""

    def __init__(self, sinks: Sinks, asides: dict[int, str]) -> None:
        self._sinks = sinks
        self._asides = asides

    def scored(self, state: TenantState, batch: Batch, uids: np.ndarray, scores: Scores) -> None:
        """See `Sinks`."""
        self._sinks.scored(state, batch, uids, scores)

    def aside(self, tenant: str, records: Sequence[Aside]) -> None:
        """See `Sinks`."""
        self._asides.update({record.record: record.reason for record in records})
        self._sinks.aside(tenant, records)

    def closed(self, tenant: str, day: int, frame: pd.DataFrame) -> None:
        """See `Sinks`."""
        self._sinks.closed(tenant, day, frame)

    def renumbering(self, state: TenantState) -> None:
        """See `Sinks`."""
        self._sinks.renumbering(state)

    def recall(self, state: TenantState, window: Window) -> pa.Table:
        """See `Sinks`."""
        return self._sinks.recall(state, window)


class Nowhere:
    """Sinks of a copy whose results nobody keeps."""

    def scored(self, state: TenantState, batch: Batch, uids: np.ndarray, scores: Scores) -> None:
        """See `Sinks`."""

    def aside(self, tenant: str, records: Sequence[Aside]) -> None:
        """See `Sinks`."""

    def closed(self, tenant: str, day: int, frame: pd.DataFrame) -> None:
        """See `Sinks`."""

    def renumbering(self, state: TenantState) -> None:
        """See `Sinks`."""

    def recall(self, state: TenantState, window: Window) -> pa.Table:
        """See `Sinks`."""
        return NUMBERED.empty_table()
