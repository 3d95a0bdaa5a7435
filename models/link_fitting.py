"""Fitting the links channel; see `models.links` for the model.

Chosen on a simulated organisation of 244 users and 247 hosts: 28 days learned, the new pairs of the next 7
against values drawn by popularity; area under the curve, mean over behaviours (Internet names, a third of
them, follow no structure there and stay near .5), users / hosts:

    popularity alone                                               .50 / .50, by construction
    non-negative factorisation, rank 16, all behaviours together   .73 / .67, the choice
    rank 8; rank 32 (both at BALANCE 0.5)                          .70 / .66; .70 / .63
    a factorisation a behaviour, rank 8; 16                        .71 / .65; .67 / .63
    logarithms of weights instead of presence                      .67 / .60
    truncated SVD of presence, rank 16                             .71 / .66
    topic mixture (PLSA), rank 16, mean of three                   .69 / .58
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.behaviours import ENTITY_KINDS
from features.pairs import Pairs, behaviour_numbers, entity_pairs, placed
from models.links import LINKS, LinkModel, ratios

if TYPE_CHECKING:
    from features.baselines import Baselines

RANK = 16
SWEEPS, RESUMED_SWEEPS = 30, 10
"""Passes over the factors: for the fit without held-out pairs, and for the one that goes on from it with
all.
"""
BALANCE = 0.25
"""Each behaviour's presence is scaled by its number of pairs to the power -BALANCE: 0 lets the one with most
pairs decide (users .70, hosts .66), 0.5 treats all alike (.73, .65).
"""
LEAST_WEIGHT = 0.1
"""Decayed events below which a pair is forgotten: one event more than three half-lives ago."""
LEAST_PAIRS = 5
"""Pairs that an entity must have, in all links of its kind, for its factors to mean anything."""
LEAST_MATRIX = 50
"""Pairs below which a kind of entity is not fitted."""
LIGHTEST = 0.25
HELD_SHARE, HELD_MOST = 0.1, 4000
"""Share of a link's pairs that is held out, drawn from the LIGHTEST share of them, and how many at most (a
tail down to 1 in 4000 is enough). What is new is as light as they are, and less expected than the heavy pairs
at the heart of everybody's habits: of the next week's new user.process pairs 8% had p <= .05 and 18% p <= .2;
with any pairs held out it were 16% and 55%.
"""
DOUBT_PAIRS = 5.0
"""Held-out pairs that count as unexplained in advance, so that few lucky ones prove nothing."""


class _Matrix(NamedTuple):
    """Pairs of one kind of entity: row and column (int64) and decayed events (float64) of each, the ids of
    rows (ascending) and the keys link << 32 | value of columns (ascending); ids are places, see
    `features.pairs.Placed`.
    """

    row: np.ndarray
    column: np.ndarray
    weight: np.ndarray
    entities: np.ndarray
    values: np.ndarray

    @property
    def link(self) -> np.ndarray:
        """Link of each column."""
        return self.values >> 32


class _Kind(NamedTuple):
    """What was fitted for one kind: keys and factors of rows and columns, sums by link, and for each link the
    ratios p(value | entity) / p(value) of the pairs that were held out.
    """

    entities: np.ndarray
    left: np.ndarray
    values: np.ndarray
    right: np.ndarray
    sums: np.ndarray
    held: dict[int, np.ndarray]


def fit(
    baselines: Baselines,
    seed: int,
    *,
    rank: int = RANK,
    max_entities: int = 200_000,
    max_values: int = 200_000,
    max_pairs: int = 2_000_000,
) -> LinkModel:
    """The link model of all pairs that the baselines know.

    Parameters
    ----------
    baselines
        Read only.
    seed
        Of the held-out choice and of the factorisation's start; the same baselines and seed give the same
        model bit for bit on one machine.
    rank
        Factors K.
    max_entities
        Entities of a kind; those with most pairs are kept.
    max_values
        Values of a link; those with most pairs are kept.
    max_pairs
        Pairs of a kind that are fitted; of more, a random choice.

    Returns
    -------
    LinkModel; one that knows nobody when there is too little history.

    Raises
    ------
    InputError
        When the baselines watch none of LINKS.

    Notes
    -----
    O(sweeps (pairs K + (entities + values) K^2)): below a second for 50,000 pairs, about 25 s of one core at
    the limits, and 64 bytes an entity or value at rank 16.
    """
    numbers = behaviour_numbers(baselines, LINKS)
    names = tuple(baselines.behaviours[number].name for number in numbers)
    kinds = baselines.program.kind[numbers]
    found = placed(baselines, entity_pairs(baselines, numbers, LEAST_WEIGHT))
    pairs = found.pairs
    link_of = np.full(len(baselines.behaviours), -1, np.int64)
    link_of[numbers] = np.arange(len(numbers))
    parts: list[_Kind] = []
    for kind in range(len(ENTITY_KINDS)):
        rng = np.random.default_rng([seed, kind])
        mine = pairs.take(np.isin(pairs.behaviour, numbers[kinds == kind]))
        matrix = _matrix(mine, link_of[mine.behaviour], rng, max_entities, max_values, max_pairs)
        if len(matrix.row) >= LEAST_MATRIX and min(len(matrix.entities), len(matrix.values)) > 2:
            parts.append(_fit_kind(matrix, len(numbers), rank, rng))
    calibrated = [
        _calibrated([part.held[link] for part in parts if link in part.held]) for link in range(len(numbers))
    ]
    entities, entity_factors = _joined([(found.entities[part.entities], part.left) for part in parts], rank)
    values, value_factors = _joined(
        [(part.values >> 32 << 32 | found.values[part.values & 0xFFFFFFFF], part.right) for part in parts],
        rank,
    )
    return LinkModel(
        names=names,
        behaviours=numbers,
        entities=entities,
        entity_factors=entity_factors,
        values=values,
        value_factors=value_factors,
        sums=sum((part.sums for part in parts), np.zeros((len(numbers), rank))),
        background=np.array([background for background, _, _ in calibrated]),
        usual=np.array([usual for _, usual, _ in calibrated]),
        held_out=np.concatenate([nats for _, _, nats in calibrated]),
        held_ends=np.cumsum([0] + [len(nats) for _, _, nats in calibrated]).astype(np.int64),
    )


def _matrix(
    pairs: Pairs,
    link: np.ndarray,
    rng: np.random.Generator,
    max_entities: int,
    max_values: int,
    max_pairs: int,
) -> _Matrix:
    keys = link << 32 | pairs.value
    entities, row, pairs_of = np.unique(pairs.entity, return_inverse=True, return_counts=True)
    values, column, holders = np.unique(keys, return_inverse=True, return_counts=True)
    kept = _most(pairs_of, max_entities) & (pairs_of >= LEAST_PAIRS)
    wide = np.zeros(len(values), np.bool_)
    for each in np.unique(values >> 32):
        inside = np.flatnonzero(values >> 32 == each)
        wide[inside] = _most(holders[inside], max_values)
    chosen = np.flatnonzero(kept[row] & wide[column])
    if len(chosen) > max_pairs:
        chosen = np.sort(rng.choice(chosen, max_pairs, replace=False))
    entities, row = np.unique(pairs.entity[chosen], return_inverse=True)
    values, column = np.unique(keys[chosen], return_inverse=True)
    return _Matrix(row, column, pairs.weight[chosen], entities, values)


def _most(counts: np.ndarray, limit: int) -> np.ndarray:
    """The `limit` largest counts, bool; of equal ones those that come first."""
    chosen = np.zeros(len(counts), np.bool_)
    chosen[np.argsort(-counts, kind="stable")[:limit]] = True
    return chosen


def _fit_kind(matrix: _Matrix, links: int, rank: int, rng: np.random.Generator) -> _Kind:
    start = int(rng.integers(2**31))
    link = matrix.link
    out = _held_out(matrix, rng)
    left, right = _factors(matrix, ~out, rank, start)
    shares = _shares(matrix, ~out, links)
    held: dict[int, np.ndarray] = {}
    for each in np.unique(link).tolist():
        asked = np.flatnonzero(out & (link[matrix.column] == each))
        total = right[link == each].sum(axis=0, dtype=np.float64)
        known = right / np.maximum(shares, np.finfo(np.float64).tiny)[:, None]
        held[each] = ratios(left, known, total, matrix.row[asked], matrix.column[asked])
    left, right = _factors(matrix, np.ones(len(out), np.bool_), rank, start, (left, right))
    shares = _shares(matrix, np.ones(len(out), np.bool_), links)
    sums = np.zeros((links, rank))
    np.add.at(sums, link, right.astype(np.float64))
    return _Kind(
        matrix.entities, left, matrix.values, (right / shares[:, None]).astype(np.float32), sums, held
    )


def _held_out(matrix: _Matrix, rng: np.random.Generator) -> np.ndarray:
    """Pairs to hold out, bool: light ones in each link, of entities and values that stay known."""
    out = np.zeros(len(matrix.row), np.bool_)
    shuffled = rng.permutation(len(matrix.row))
    link = matrix.link[matrix.column]
    for each in np.unique(link):
        inside = shuffled[link[shuffled] == each]
        light = inside[np.argsort(matrix.weight[inside], kind="stable")][: int(LIGHTEST * len(inside))]
        light = rng.permutation(light)
        out[light[: min(HELD_MOST, int(HELD_SHARE * len(inside)))]] = True
    # one pair of each value and LEAST_PAIRS of each entity must stay, or the model would not know them
    for places, least in ((matrix.column, 1), (matrix.row, LEAST_PAIRS)):
        stay = np.bincount(places[~out], minlength=int(places.max()) + 1)
        out &= stay[places] >= least
    return out


def _shares(matrix: _Matrix, chosen: np.ndarray, links: int) -> np.ndarray:
    """p(value): share of a link's pairs, float64 by column."""
    holders = np.bincount(matrix.column[chosen], minlength=len(matrix.values)).astype(np.float64)
    shares: np.ndarray = holders / np.maximum(np.bincount(matrix.link, holders, links), 1.0)[matrix.link]
    return shares


def _factors(
    matrix: _Matrix,
    chosen: np.ndarray,
    rank: int,
    start: int,
    resumed: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """W (rows, rank) and H transposed (columns, rank), float32, of the chosen pairs."""
    from scipy.sparse import csr_matrix
    from sklearn.decomposition import NMF

    shape = (len(matrix.entities), len(matrix.values))
    pairs_of = np.bincount(matrix.link[matrix.column[chosen]])
    scale = np.maximum(pairs_of, 1)[matrix.link[matrix.column[chosen]]] ** -BALANCE
    presence = csr_matrix(
        (scale.astype(np.float32), (matrix.row[chosen], matrix.column[chosen])), shape=shape
    )
    used = min(rank, *shape)
    model = NMF(
        used,
        init="nndsvda" if resumed is None else "custom",
        # tol=0: the number of sweeps is the rule, and there is no warning that it was reached
        tol=0.0,
        max_iter=SWEEPS if resumed is None else RESUMED_SWEEPS,
        random_state=start,
    )
    # the error of a perfect fit, which nobody reads, is the root of what rounding can make negative
    with np.errstate(invalid="ignore"):
        if resumed is None:
            left = model.fit_transform(presence)
        else:
            begin = (np.ascontiguousarray(resumed[0][:, :used]), np.ascontiguousarray(resumed[1][:, :used].T))
            left = model.fit_transform(presence, W=begin[0], H=begin[1])
    spare = ((0, 0), (0, rank - used))
    return (
        np.pad(left.astype(np.float32), spare),
        np.pad(np.ascontiguousarray(model.components_.T).astype(np.float32), spare),
    )


def _calibrated(held: list[np.ndarray]) -> tuple[float, float, np.ndarray]:
    """Background, usual ln lift and ascending evidence of a link's held-out pairs."""
    ratio = np.concatenate([np.zeros(0), *held])
    background = _background(ratio)
    lift = np.log((1.0 - background) * ratio + background)
    usual = float(np.median(lift)) if len(lift) else 0.0
    return background, usual, np.sort(usual - lift)


def _background(ratio: np.ndarray) -> float:
    """The b in (0, 1] that makes held-out pairs likeliest: maximum of sum ln((1 - b) ratio + b) +
    DOUBT_PAIRS ln b, which is concave; by bisection of its derivative.
    """
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        slope = ((1.0 - ratio) / ((1.0 - middle) * ratio + middle)).sum() + DOUBT_PAIRS / middle
        low, high = (middle, high) if slope > 0.0 else (low, middle)
    # 1 is the limit of the bisection and never its middle
    return high if high < 1.0 - 1e-6 else 1.0


def _joined(parts: list[tuple[np.ndarray, np.ndarray]], rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys of all parts, ascending, with their factors."""
    keys = np.concatenate([np.zeros(0, np.int64), *(keys for keys, _ in parts)])
    factors = np.concatenate([np.zeros((0, rank), np.float32), *(factors for _, factors in parts)])
    order = np.argsort(keys)
    return keys[order], factors[order]
