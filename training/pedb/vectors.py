"""Entity-day vectors with names: what peers, ablations and the supervised frame are fitted on.

The same numbers that the detector's own members see, cut loose from its ids, so that the vectors of several
organisations can be laid together and kept on disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from features.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

SHRINKAGE_DAYS = 5.0
"""An entity's own mean and deviation weigh as much as its kind's after so many days."""

DEVIATION_FLOOR = 0.1
"""In units of log1p(count): less spread than that is not known from a few weeks of small counts."""


ARRAYS = ("kind", "name", "entity", "day", "age_days", "counts", "evidence")
"""Fields of a matrix with one row an entity-day."""


class DayMatrix(NamedTuple):
    """n entity-days of users, hosts and addresses.

    kind: (n,) text "user", "host" or "src_ip". name: (n,) text. entity: (n,) int64, equal for equal (kind,
    name). day: (n,) int64 days since 1970-01-01 UTC. age_days: (n,) int64 since the entity was first seen.
    counts: (n, C) float32, what the entity did that day, by `columns`. evidence: (n, E) float32 nats beyond
    the everyday, by `causes`.
    """

    kind: np.ndarray
    name: np.ndarray
    entity: np.ndarray
    day: np.ndarray
    age_days: np.ndarray
    counts: np.ndarray
    evidence: np.ndarray
    columns: tuple[str, ...]
    causes: tuple[str, ...]

    def take(self, rows: np.ndarray) -> DayMatrix:
        """Rows by number or mask."""
        return self._replace(**{name: getattr(self, name)[rows] for name in ARRAYS})

    def save(self, path: Path) -> None:
        """Write as .npz (data only)."""
        arrays: dict[str, Any] = {name: getattr(self, name) for name in ARRAYS}
        arrays |= {"kind": self.kind.astype(str), "name": self.name.astype(str)}
        np.savez_compressed(path, **arrays, columns=np.array(self.columns), causes=np.array(self.causes))

    @classmethod
    def load(cls, path: Path) -> DayMatrix:
        """Read what `save` wrote; InputError when it is not that."""
        try:
            with np.load(path, allow_pickle=False) as found:
                arrays = {name: found[name] for name in ARRAYS}
                columns, causes = (tuple(found[name].tolist()) for name in ("columns", "causes"))
        except (OSError, KeyError, ValueError) as error:
            raise InputError(f"{path}: not a file of entity-day vectors ({error})") from error
        arrays |= {name: arrays[name].astype(object) for name in ("kind", "name")}
        return cls(**arrays, columns=columns, causes=causes)

    def column(self, name: str) -> np.ndarray:
        """(n,) one count; InputError when there is no such column."""
        if name not in self.columns:
            raise InputError(f"the day counts have no column {name!r}; they have {', '.join(self.columns)}")
        count: np.ndarray = self.counts[:, self.columns.index(name)]
        return count

    def frame(self, score: np.ndarray) -> pd.DataFrame:
        """Entity-days with a method's scores, as `ranking.ranking_of` takes them; rows without one (nan) are
        left out.
        """
        import pandas as pd

        frame = pd.DataFrame(
            {
                "entity_kind": self.kind,
                "entity": self.name,
                "day": pd.to_datetime(self.day, unit="D"),
                "score": score,
            }
        )
        scored: pd.DataFrame = frame[~np.isnan(score)].reset_index(drop=True)
        return scored


def numbered(kind: np.ndarray, name: np.ndarray) -> np.ndarray:
    """(n,) int64 numbers of (kind, name) pairs, in order of first appearance."""
    known: dict[tuple[str, str], int] = {}
    pairs = zip(kind.tolist(), name.tolist(), strict=True)
    return np.array([known.setdefault(pair, len(known)) for pair in pairs], np.int64)


def entity_z(days: DayMatrix) -> np.ndarray:
    """(n, C) float64: log1p counts in deviations from the entity's own past days.

    Mean and variance of the entity's days before that day are shrunk to those of all entity-days of its kind
    before that day, as if these were `SHRINKAGE_DAYS` more days. On a kind's first day all are 0. Only
    the past is used, so the same row has the same z whatever comes after it. Cost: linear in the rows.
    """
    x = np.log1p(np.maximum(days.counts, 0).astype(np.float64))
    z: np.ndarray = np.zeros_like(x)
    width = x.shape[1]
    entities = int(days.entity.max()) + 1 if len(x) else 0
    own = np.zeros((3, entities, width))
    for kind in np.unique(days.kind.astype(str)):
        total = np.zeros((3, width))
        of_kind = np.flatnonzero(days.kind == kind)
        order = of_kind[np.argsort(days.day[of_kind], kind="stable")]
        starts = np.flatnonzero(np.r_[True, np.diff(days.day[order]) > 0])
        for rows in np.split(order, starts[1:]):
            today, who = x[rows], days.entity[rows]
            if total[0, 0] > 0:
                mean_kind = total[1] / total[0]
                square_kind = total[2] / total[0]
                n = own[0, who] + SHRINKAGE_DAYS
                mean = (own[1, who] + SHRINKAGE_DAYS * mean_kind) / n
                square = (own[2, who] + SHRINKAGE_DAYS * square_kind) / n
                z[rows] = (today - mean) / np.sqrt(np.maximum(square - mean**2, DEVIATION_FLOOR**2))
            for power, part in enumerate((np.ones_like(today), today, today**2)):
                np.add.at(own[power], who, part)
                total[power] += part.sum(axis=0)
    return z
