"""What a tenant's state machine gives, and who takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from features.errors import StateError
from serving.learned import NUMBERED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import pyarrow as pa

    from features.columns import Batch
    from models.detector import Detector
    from models.engine import Scores
    from serving.incidents.keeping import Told
    from serving.journal import Entry
    from serving.learned import Window
    from serving.outputs import ScoredRows
    from serving.tenant import TenantState


class Aside(NamedTuple):
    """A record for the quarantine."""

    entry: Entry
    record: int
    reason: str
    raw: bytes


class Sinks(Protocol):
    """Takes what the state machine gives. A replay gives the same again: sinks must not mind."""

    def scored(self, state: TenantState, batch: Batch, scores: Scores, rows: ScoredRows) -> None:
        """Events that were scored, in that order; `rows` are what people are told of them."""

    def aside(self, tenant: str, records: Sequence[Aside]) -> None:
        """Records that could not be read."""

    def closed(self, tenant: str, day: int, frame: pd.DataFrame) -> None:
        """Entity-days (see `models.days.DayBook.frame`) of days before `day`, which has begun."""

    def receipts(self, tenant: str, made: list[dict[str, Any]]) -> None:
        """What alerts are made of, see `serving.receipts`; newer ones take the place of older ones."""

    def incidents(self, tenant: str, told: Sequence[Told]) -> None:
        """Incidents that changed, as they are now; newer ones take the place of older ones."""

    def renumbering(self, state: TenantState) -> None:
        """Ids are about to be given anew: whoever keeps some makes text of them now."""

    def recall(self, state: TenantState, window: Window) -> pa.Table:
        """What was learned of a window, see `serving.learned.Learned.recall`."""

    def behind(self, state: TenantState, number: int) -> pa.Table:
        """What was learned from a number on, see `serving.learned.Learned.behind`."""

    def prepared(self, place: str) -> Detector:
        """A model that was prepared to stand beside the serving one; StateError when it is not there."""


class Nowhere:
    """Sinks of a copy whose results nobody keeps."""

    def scored(self, state: TenantState, batch: Batch, scores: Scores, rows: ScoredRows) -> None:
        """See `Sinks`."""

    def aside(self, tenant: str, records: Sequence[Aside]) -> None:
        """See `Sinks`."""

    def closed(self, tenant: str, day: int, frame: pd.DataFrame) -> None:
        """See `Sinks`."""

    def receipts(self, tenant: str, made: list[dict[str, Any]]) -> None:
        """See `Sinks`."""

    def incidents(self, tenant: str, told: Sequence[Told]) -> None:
        """See `Sinks`."""

    def renumbering(self, state: TenantState) -> None:
        """See `Sinks`."""

    def recall(self, state: TenantState, window: Window) -> pa.Table:
        """See `Sinks`."""
        return NUMBERED.empty_table()

    def behind(self, state: TenantState, number: int) -> pa.Table:
        """See `Sinks`."""
        return NUMBERED.empty_table()

    def prepared(self, place: str) -> Detector:
        """See `Sinks`."""
        raise StateError(f"{place}: nobody keeps models here")
