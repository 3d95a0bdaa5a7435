"""Simpler rankings of the same evidence: what the ranker and each of its members have to show for themselves.

None of them needs another replay. They order the same entity-days by something simpler than the ranker does.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.ranking.ranker import Ranker, combined
from models.ranking.settings import MEMBERS, RankerSettings
from training.judging import rarity_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from models.days import DayTable
    from models.ranking.settings import RankScores
    from training.pedb.vectors import DayMatrix


Key = tuple[str, str, int]
"""Kind, name and day (since 1970, UTC) of an entity-day."""


class RememberingRanker(Ranker):
    """A ranker that remembers what its members said of each closed day, and of the last day it was asked
    about.
    """

    def __init__(self, settings: RankerSettings | None = None) -> None:
        super().__init__(settings)
        self._closed: list[dict[str, np.ndarray]] = []
        self._last: RankScores | None = None

    def score(self, days: DayTable) -> RankScores:
        """As `Ranker.score`."""
        self._last = super().score(days)
        return self._last

    def learn_day(self, days: DayTable, scores: RankScores | None = None) -> None:
        """As `Ranker.learn_day`."""
        if scores is not None:
            self._closed.append(scores.members)
        super().learn_day(days, scores)

    def said(self, rows: int) -> dict[str, np.ndarray]:
        """Nats by member, float64 (rows,), NaN where a member had nothing to go by: closed days in their
        order, then the open day.

        Raises
        ------
        ValueError
            When the last day asked about does not make up what closed days leave of the rows.
        """
        parts = [*self._closed, {} if self._last is None else self._last.members]
        out = {
            name: np.concatenate([part[name] for part in parts if name in part])
            for name in self.settings.members
        }
        if wrong := [name for name, nats in out.items() if len(nats) != rows]:
            raise ValueError(f"members have said nothing, or too much, of some of {rows} rows: {wrong}")
        return out


def keys_of(vectors: DayMatrix) -> list[Key]:
    """Of each row."""
    return list(zip(vectors.kind.tolist(), vectors.name.tolist(), vectors.day.tolist(), strict=True))


def by_entity_day(days: pd.DataFrame, values: np.ndarray) -> dict[Key, float]:
    """A value of each scored entity-day."""
    number = days["day"].to_numpy("datetime64[D]").astype(np.int64).tolist()
    names = zip(days["entity_kind"], days["entity"], number, strict=True)
    return dict(zip(names, values.tolist(), strict=True))


class Signals(NamedTuple):
    """What a ranking is made of, n entity-days.

    vectors: evidence and counts. members: float64 (n,) nats by member, NaN where it has nothing to go by.
    news: float64 (n,), the share of its rarity that an entity-day keeps after what people were told.
    """

    vectors: DayMatrix
    members: dict[str, np.ndarray]
    news: np.ndarray

    @classmethod
    def of(cls, days: pd.DataFrame, vectors: DayMatrix, members: dict[str, np.ndarray]) -> Signals:
        """From scored entity-days (columns risk and rarity) and vectors, which have the same ones."""
        rarity = rarity_of(days)
        kept = np.where(rarity > 0, days["risk"].to_numpy(np.float64) / np.where(rarity > 0, rarity, 1), 1)
        news = by_entity_day(days, kept)
        return cls(vectors, members, np.array([news.get(key, 1.0) for key in keys_of(vectors)]))

    def save_members(self, path: Path) -> None:
        """Write what members said as .npz (data only)."""
        np.savez_compressed(path, **{name: nats.astype(np.float32) for name, nats in self.members.items()})


def load_members(path: Path) -> dict[str, np.ndarray]:
    """Read what `Signals.save_members` wrote."""
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name].astype(np.float64) for name in found.files}


def excess_sum(signals: Signals) -> np.ndarray:
    """Sum of the evidence over causes: what the ranker has to beat."""
    return signals.vectors.evidence.sum(axis=1, dtype=np.float64)


def strongest_cause(signals: Signals) -> np.ndarray:
    """Evidence of the strongest cause alone, as Tippett's smallest p of an event does."""
    return signals.vectors.evidence.max(axis=1, initial=0).astype(np.float64)


def number_of_causes(signals: Signals) -> np.ndarray:
    """How many causes have any evidence; the sum decides between equals."""
    total = excess_sum(signals)
    return (signals.vectors.evidence > 0).sum(axis=1) + total / (1.0 + total)


def busiest(signals: Signals) -> np.ndarray:
    """Total of the day's counts: no detector at all."""
    return np.log1p(signals.vectors.counts).sum(axis=1, dtype=np.float64)


def cause_nats(vectors: DayMatrix) -> np.ndarray:
    """float64 (n, causes): -ln p of each cause's evidence among entity-days of the same kind on days before,

    p = (1 + earlier entity-days with at least as much) / (1 + earlier entity-days)
    """
    out = np.zeros(vectors.evidence.shape)
    for kind in np.unique(vectors.kind.astype(str)):
        rows = np.flatnonzero(vectors.kind == kind)
        rows = rows[np.argsort(vectors.day[rows], kind="stable")]
        starts = np.unique(vectors.day[rows], return_index=True)[1]
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True):
            past, today = np.sort(vectors.evidence[rows[:start]], axis=0), rows[start:end]
            for cause in range(out.shape[1]):
                least = np.searchsorted(past[:, cause], vectors.evidence[today, cause], "left")
                out[today, cause] = -np.log((1.0 + start - least) / (1.0 + start))
    return out


def fisher(signals: Signals) -> np.ndarray:
    """Sum over causes of -ln p (Fisher, "Statistical Methods for Research Workers", 1932), nothing capped."""
    return np.asarray(cause_nats(signals.vectors).sum(axis=1))


def tippett(signals: Signals) -> np.ndarray:
    """-ln of the smallest p of any cause (Tippett, "The Methods of Statistics", 1931); Fisher's sum decides
    between equals.
    """
    nats = cause_nats(signals.vectors)
    total = nats.sum(axis=1)
    return np.asarray(nats.max(axis=1, initial=0) + 1e-6 * total)


def alone(member: str, signals: Signals) -> np.ndarray:
    """One member's word."""
    return np.nan_to_num(signals.members[member]) * signals.news


def without_say(member: str, signals: Signals) -> np.ndarray:
    """All that have a say but one, which the combiner goes on seeing."""
    weights = [(name, weight) for name, weight in RankerSettings().weights if name != member]
    return combined(weights, signals.members, len(signals.news)) * signals.news


def told_or_not(signals: Signals) -> np.ndarray:
    """The ranker's own order, what people were told before left out of account."""
    return combined(RankerSettings().weights, signals.members, len(signals.news))


RANKINGS: dict[str, Callable[[Signals], np.ndarray]] = {
    "ranking: sum of evidence": excess_sum,
    "ranking: strongest cause": strongest_cause,
    "ranking: number of causes": number_of_causes,
    "ranking: Fisher over causes": fisher,
    "ranking: Tippett over causes": tippett,
    "ranking: busiest": busiest,
    "ranking: whoever was told of counts in full": told_or_not,
    **{f"no say: {name}": partial(without_say, name) for name, _ in RankerSettings().weights},
    **{f"alone: {name}": partial(alone, name) for name in MEMBERS},
}
