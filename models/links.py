"""The links channel: is this first-seen pair one that could have been expected, given who uses what?

A habit that is new for an entity is no surprise when everybody like it has that habit. Fitted from the pairs
of the habit table, for users and for hosts: presence of (entity, value) in all link behaviours of a kind side
by side is factorised by non-negative matrix factorisation (Lee, Seung, "Learning the parts of objects by
non-negative matrix factorization", Nature 401, 1999), one row of factors an entity, so that what somebody
runs helps to tell where they log on. With W and H its factors,

    p(value | entity) = W_e . H_v / sum over values of the behaviour of W_e . H_v
    lift(entity, value) = (1 - b) p(value | entity) / p(value) + b
    evidence = median of ln lift over genuine new pairs - ln lift(entity, value)          in nats

p(value) is the value's share of the pairs of its behaviour. By Bayes' rule the ratio is p(entity | value) /
p(entity) just as well: forward and reverse novelty are one number, and what is merely rare (or merely
popular) for everybody is left to the habit channel. The background b of a behaviour is the share of new pairs
that the factors do not explain; it is the one that makes pairs held out from the fit likeliest, so where new
links follow no structure it goes to 1 and the channel falls silent by itself.

Fitting is `models.link_fitting`; here is what serves: look-ups in sorted arrays, nothing is ever changed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from features.errors import InputError, StateError

if TYPE_CHECKING:
    from features.baselines import Baselines

LINKS = (
    "user.host",
    "user.dst",
    "user.resource",
    "user.process",
    "user.api",
    "user.file",
    "user.domain",
    "host.user",
    "host.dst",
    "host.process",
    "host.domain",
)
"""Behaviours whose values many entities share, so that who uses what can say something about a new pair."""


@dataclass(frozen=True)
class LinkModel:
    """Who may be expected to use what, as of the night it was fitted. Ids are those of the baselines.

    Attributes
    ----------
    names
        Link behaviours, L of them.
    behaviours
        Their places among the baseline's behaviours, int64 (L,).
    entities, entity_factors
        Known entities, int64 (E,) ascending, and W, float32 (E, K).
    values, value_factors
        Known values as link << 32 | value id, int64 (V,) ascending, and H / p(value), float32 (V, K).
    sums
        Sum of H over the values of a link, float64 (L, K).
    background
        b of each link, float64 (L,), in (0, 1].
    usual
        Median of ln lift over held-out pairs, float64 (L,) nats.
    held_out, held_ends
        Evidence (nats) of held-out pairs, float64, link after link, ascending in each; those of link l are
        held_out[held_ends[l]:held_ends[l + 1]], int64 (L + 1,).
    """

    names: tuple[str, ...]
    behaviours: np.ndarray
    entities: np.ndarray
    entity_factors: np.ndarray
    values: np.ndarray
    value_factors: np.ndarray
    sums: np.ndarray
    background: np.ndarray
    usual: np.ndarray
    held_out: np.ndarray
    held_ends: np.ndarray

    @classmethod
    def fitted(cls, baselines: Baselines, seed: int, **options: int) -> LinkModel:
        """The model of all pairs that the baselines know; see `models.link_fitting.fit`."""
        # scikit-learn takes seconds to import, and who only serves never needs it
        from models.link_fitting import fit

        return fit(baselines, seed, **options)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(getattr(self, name).nbytes for name in _ARRAYS)

    def watches(self, behaviour: np.ndarray) -> np.ndarray:
        """Whether places of behaviours are links; bool."""
        return np.isin(behaviour, self.behaviours)

    def evidence(self, behaviour: int, entity: np.ndarray, value: np.ndarray) -> np.ndarray:
        """How much less expected new pairs are than new pairs usually are.

        Parameters
        ----------
        behaviour
            Place of a link behaviour among the baseline's.
        entity, value
            Ids, int (n,). The answer is meant for pairs without any weight of their own; of a pair that is a
            habit it says what it would have said when it was new.

        Returns
        -------
        float64 (n,) nats: 0 is usual, above is stranger, below is more expected, exactly 0 where the entity
        or the value was not known (or has too few pairs) when the model was fitted.

        Raises
        ------
        InputError
            When the behaviour is no link.

        Notes
        -----
        O(n (log E + log V + K)).
        """
        link = self._link(behaviour)
        entity, value = np.asarray(entity, np.int64), np.asarray(value, np.int64)
        out = np.zeros(len(entity))
        row = _places(self.entities, entity)
        column = _places(self.values, np.int64(link) << 32 | value)
        known = np.flatnonzero((row >= 0) & (column >= 0) & (value > 0))
        lift = self._lift(link, row[known], column[known])
        out[known] = self.usual[link] - np.log(lift)
        return out

    def _lift(self, link: int, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        ratio = ratios(self.entity_factors, self.value_factors, self.sums[link], row, column)
        b = self.background[link]
        lift: np.ndarray = (1.0 - b) * ratio + b
        return lift

    def tail_probability(self, behaviour: int, nats: np.ndarray) -> np.ndarray:
        """Share of genuine new pairs that were at least as strange, p = (k + 1) / (n + 1), float64 (n,).

        Conformal as in `models.calibration`, over the pairs held out when the model was fitted; evidence of 0
        and below (what is unknown included) has p = 1.

        Raises
        ------
        InputError
            When the behaviour is no link.
        """
        link = self._link(behaviour)
        held = self.held_out[self.held_ends[link] : self.held_ends[link + 1]]
        nats = np.asarray(nats, np.float64)
        at_least = len(held) - np.searchsorted(held, nats, side="left")
        return np.where(nats > 0.0, (at_least + 1.0) / (len(held) + 1.0), 1.0)

    def _link(self, behaviour: int) -> int:
        found = np.flatnonzero(self.behaviours == behaviour)
        if not len(found):
            raise InputError(f"behaviour {behaviour} is no link; ask `watches` first")
        return int(found[0])

    def renumber(self, entities: np.ndarray, values: np.ndarray) -> LinkModel:
        """The same model under new ids; what was forgotten is dropped.

        entities, values: maps old id -> new id (0: gone) as `Baselines.renumber` returns them.
        """
        new = np.asarray(entities, np.int64)[self.entities]
        kept = np.flatnonzero(new)
        rows = kept[np.argsort(new[kept])]
        link, value = self.values >> 32, np.asarray(values, np.int64)[self.values & 0xFFFFFFFF]
        keys = link << 32 | value
        kept = np.flatnonzero(value)
        columns = kept[np.argsort(keys[kept])]
        return replace(
            self,
            entities=new[rows],
            entity_factors=self.entity_factors[rows],
            values=keys[columns],
            value_factors=self.value_factors[columns],
        )

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, object]]:
        """Arrays and settings of a checkpoint (data only); keys begin with "link"."""
        arrays = {f"link_{name}": getattr(self, name).copy() for name in _ARRAYS}
        return arrays, {"links": list(self.names)}

    @classmethod
    def restored(cls, arrays: dict[str, np.ndarray], settings: dict[str, Any]) -> LinkModel:
        """The model that was exported; StateError when parts are missing or do not fit together."""
        try:
            found = {name: arrays[f"link_{name}"].copy() for name in _ARRAYS}
            names = tuple(str(name) for name in settings["links"])
        except (KeyError, TypeError) as error:
            raise StateError(f"the link model lacks a part ({error!r}); fit it again") from error
        model = cls(names=names, **found)
        links = len(names)
        rank = model.sums.shape[-1]
        shapes = {
            "behaviours": (links,),
            "entity_factors": (len(model.entities), rank),
            "value_factors": (len(model.values), rank),
            "sums": (links, rank),
            "background": (links,),
            "usual": (links,),
            "held_ends": (links + 1,),
        }
        for name, shape in shapes.items():
            if found[name].shape != shape:
                raise StateError(f"the link model's {name} has shape {found[name].shape}; fit it again")
        return model


_ARRAYS = tuple(field.name for field in fields(LinkModel) if field.name != "names")


def ratios(
    entity_factors: np.ndarray,
    value_factors: np.ndarray,
    total: np.ndarray,
    row: np.ndarray,
    column: np.ndarray,
) -> np.ndarray:
    """p(value | entity) / p(value) of pairs of rows and columns, float64 (n,); 0 for an entity of which the
    factors explain nothing in this behaviour.

    total: sum of H over the behaviour's values, float64 (K,).
    """
    out = np.zeros(len(row))
    for start in range(0, len(row), 65_536):  # bounds what the gathered rows take
        part = slice(start, start + 65_536)
        mine = entity_factors[row[part]].astype(np.float64)
        shared = np.einsum("nk,nk->n", mine, value_factors[column[part]].astype(np.float64))
        everything = mine @ total
        np.divide(shared, everything, out=out[part], where=everything > 0.0)
    return out


def _places(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Places of keys in an ascending array, -1 where they are not."""
    if not len(known):
        return np.full(len(wanted), -1, np.int64)
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[place] == wanted, place, -1)
