"""What a method says: a score for every entity-day, brought into one form."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.errors import InputError
from training.pedb.protocol import KINDS

if TYPE_CHECKING:
    import pandas as pd

    from training.pedb.truth import Truth

COLUMNS = ("entity_kind", "entity", "day", "score")
MISSING = np.int64(-1)


class Ranking(NamedTuple):
    """Entity-days of users and hosts with their scores, one row each.

    kind: (n,) "user" or "host". name: (n,) text. day: (n,) int64 days since 1970-01-01 UTC. score: (n,)
    float64, higher is stranger. alerted_ms: (n,) int64, when the entity-day was raised (ms since epoch; -1:
    known at the end of the day only). tail: (n,) float64 probability that an ordinary
    entity-day is as strange (nan: the method states none).
    """

    kind: np.ndarray
    name: np.ndarray
    day: np.ndarray
    score: np.ndarray
    alerted_ms: np.ndarray
    tail: np.ndarray

    def take(self, rows: np.ndarray) -> Ranking:
        """Rows by number or mask."""
        return Ranking(*(column[rows] for column in self))

    def entity_days(self) -> list[tuple[str, str, int]]:
        """(kind, name, day) of each row."""
        return list(zip(self.kind.tolist(), self.name.tolist(), self.day.tolist(), strict=True))


def ranking_of(frame: pd.DataFrame, score: str = "score") -> Ranking:
    """A frame of entity-days as a ranking.

    Parameters
    ----------
    frame
        Columns entity_kind, entity, day (date, text or timestamp, UTC) and the score's; optionally alerted_at
        (timestamp, UTC if naive; missing: known at the end of the day) and tail (probability). Rows of other
        entity kinds are left out.
    score
        Name of the score's column: any finite numbers.

    Raises
    ------
    InputError
        If a column is missing, a score is not finite, or an entity-day occurs twice.
    """
    import pandas as pd

    missing = [name for name in (*COLUMNS[:3], score) if name not in frame.columns]
    if missing:
        raise InputError(
            f"entity-days lack the column {missing[0]!r}; needed: {', '.join(COLUMNS[:3])}, {score}"
        )
    frame = frame[frame["entity_kind"].isin(KINDS)]
    if frame.duplicated(["entity_kind", "entity", "day"]).any():
        twice = frame[frame.duplicated(["entity_kind", "entity", "day"])].iloc[0]
        raise InputError(
            f"{twice['entity_kind']} {twice['entity']} has two rows for {twice['day']}; give one"
        )
    values = frame[score].to_numpy(np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"the score column {score!r} holds missing or infinite values; give finite numbers")
    day = pd.to_datetime(frame["day"]).to_numpy("datetime64[D]").astype(np.int64)
    alerted = np.full(len(frame), MISSING)
    if "alerted_at" in frame.columns:
        stamps = pd.to_datetime(frame["alerted_at"], utc=True)
        known = stamps.notna().to_numpy()
        alerted[known] = stamps[known].dt.tz_localize(None).to_numpy("datetime64[ms]").astype(np.int64)
    tail = frame["tail"].to_numpy(np.float64) if "tail" in frame.columns else np.full(len(frame), np.nan)
    return Ranking(
        frame["entity_kind"].to_numpy(object), frame["entity"].to_numpy(object), day, values, alerted, tail
    )


def completed(ranking: Ranking, truth: Truth, first_day: int, last_day: int) -> Ranking:
    """The ranking of some days (both ends included), without what is withheld, and with the labelled
    entity-days that the method gave no score: those are the least strange of all.
    """
    kept = (ranking.day >= first_day) & (ranking.day <= last_day)
    ranking = ranking.take(kept)
    if truth.withheld:
        ranking = ranking.take(np.array([key not in truth.withheld for key in ranking.entity_days()], bool))
    have = set(ranking.entity_days())
    lacking = sorted(key for key in truth.marks if first_day <= key[2] <= last_day and key not in have)
    if not lacking:
        return ranking
    n = len(lacking)
    kind, name, day = (np.array(part, object) for part in zip(*lacking, strict=True))
    none = Ranking(
        kind, name, day.astype(np.int64), np.full(n, -np.inf), np.full(n, MISSING), np.full(n, np.nan)
    )
    return Ranking(*(np.concatenate(parts) for parts in zip(ranking, none, strict=True)))


def perfect(ranking: Ranking, truth: Truth) -> Ranking:
    """The same entity-days ranked by someone who knows the labels.

    Each day every campaign's first entity-day comes before any campaign's second; campaigns with few labelled
    days first. That is greedy: what can be reached at best is at least this.
    """
    labelled_days = np.zeros(max(len(truth.campaigns), 1), np.int64)
    for numbers in truth.marks.values():
        for number in numbers:
            labelled_days[number] += 1
    score = np.zeros(len(ranking.day))
    turns: dict[tuple[int, int], int] = {}
    rows = [(key, row) for row, key in enumerate(ranking.entity_days()) if key in truth.marks]
    for key, row in sorted(rows):
        best = 0.0
        for number in truth.marks[key]:
            turn = turns.get((key[2], number), 0)
            turns[key[2], number] = turn + 1
            best = max(best, 1.0 / (1.0 + turn) + 1e-3 / float(labelled_days[number]))
        score[row] = best
    unknown = np.full(len(score), MISSING)
    return ranking._replace(score=score, alerted_ms=unknown, tail=np.full(len(score), np.nan))
