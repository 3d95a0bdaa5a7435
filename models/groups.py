"""Peer groups learned from habits, for users and hosts that no directory puts into a group.

Entities are described by what they use: of every behaviour in HABITS a vector of ln(1 + decayed events) x
ln(entities / holders of the value) (term frequency and inverse document frequency: Spaerck Jones, "A
Statistical Interpretation of Term Specificity", Journal of Documentation 28, 1972), each behaviour scaled to
length 1 so that the noisiest does not decide, then reduced by a truncated SVD and clustered by spherical
k-means (Dhillon, Modha, "Concept Decompositions for Large Sparse Text Data", Machine Learning 42, 2001).

Names are kept from night to night: the present groups are the start of the next clustering, another one is
taken only when it is clearly better, its groups get the names of those they overlap most, and an entity
changes group only when it is clearly closer to the other one. Groups are named "learned 1", "learned 2", ...;
that name is all that tells them from a directory's, whose groups always win.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from features.behaviours import ENTITY_KINDS
from features.entities import GROUP
from features.errors import InputError
from features.pairs import Pairs, entity_pairs, placed
from features.regroup import move
from models.clustering import LEAST_MEMBERS, numbered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from features.baselines import Baselines

HABITS = {
    "user": (
        "user.process",
        "user.dst",
        "user.resource",
        "user.api",
        "user.host",
        "user.file",
        "user.domain",
    ),
    "host": ("host.process", "host.dst", "host.user", "host.domain"),
}
"""What groups are learned from, by entity kind. On a simulated organisation of 244 users in 11 departments,
cut into 8 and into 11 groups, these agree with the departments at a normalised mutual information of .93 and
.93; without idf .93, .93; without scaling each behaviour .87, .93; with presence for the logarithm .92, .93.
Eight groups are what is chosen, and leaving out those too little known the agreement is .95.
"""
LEARNED = re.compile(r"learned [1-9][0-9]*")
LEAST_EVENTS, LEAST_VALUES = 20.0, 5
"""Decayed events and distinct values below which an entity is too little known for a group; half of it is
enough to stay in one.
"""
DIMENSIONS = 16
FIT_ENTITIES = 20_000
"""Entities (a random choice of more) that directions are fitted on."""
MOST_VALUES = 100_000
"""Values that are looked at, those with most holders: the others say little and cost memory."""


class Groups(NamedTuple):
    """Peer groups by entity.

    kind: int64 (n,) 0 for users, 1 for hosts. entity: int64 (n,) ids, distinct. name: str (n,), "" for
    entities that should be in no group.
    """

    kind: np.ndarray
    entity: np.ndarray
    name: np.ndarray


def is_learned(name: str) -> bool:
    """Whether a peer group of this name was learned, and may be changed by learning again."""
    return LEARNED.fullmatch(name) is not None


def learned_groups(baselines: Baselines, previous: Groups | None, seed: int) -> Groups:
    """Peer groups of the users and hosts that no directory has put into one.

    Parameters
    ----------
    baselines
        Read only; see `apply`.
    previous
        Groups whose names to keep; None for those that the baselines are in now.
    seed
        Of the clustering; the same baselines, groups and seed give the same groups on one machine.

    Returns
    -------
    Groups of every entity that is in a learned group or should be. Entities with too little history, or in
    clusters of fewer than LEAST_MEMBERS, have none; nobody has one where habits show no clusters.

    Raises
    ------
    InputError
        When `previous` holds ids of before a renumbering.

    Notes
    -----
    How many groups: see `models.clustering.numbered`. O(pairs x DIMENSIONS): about a second for thousands of
    entities, tens of seconds for 200,000.
    """
    if previous is not None:
        _check(baselines, previous)
    parts = []
    for kind, entity_kind in enumerate(ENTITY_KINDS):
        if entity_kind not in HABITS:
            continue
        free = _free(baselines, kind)
        before = _present(baselines, kind) if previous is None else _of_kind(previous, kind)
        before = {entity: name for entity, name in before.items() if free[entity]}
        entities, points = _points(baselines, entity_kind, free, set(before), np.random.default_rng(seed))
        old = np.array([_number(before.get(entity, "")) for entity in entities.tolist()], np.int64)
        number = numbered(points, old, np.random.default_rng([seed, kind]))
        names = {
            **dict.fromkeys(before, ""),
            **{
                e: f"learned {n}" if n else ""
                for e, n in zip(entities.tolist(), number.tolist(), strict=True)
            },
        }
        chosen = sorted(entity for entity, name in names.items() if name or entity in before)
        parts.append((np.full(len(chosen), kind), chosen, [names[entity] for entity in chosen]))
    return Groups(
        kind=np.concatenate([part[0] for part in parts]).astype(np.int64),
        entity=np.array([entity for part in parts for entity in part[1]], np.int64),
        name=np.array([name for part in parts for name in part[2]], str),
    )


def apply(baselines: Baselines, groups: Groups) -> int:
    """Put entities into learned groups, and what they did into the groups' sums; returns how many changed
    group.

    Afterwards the sums of every group concerned are those of its members' habits. Entities that a directory
    has meanwhile put into a group are left alone.

    Raises
    ------
    InputError
        When a name is none of a learned group, or an entity is not of its kind (ids change when they are
        renumbered).
    """
    _check(baselines, groups)
    members, targets = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for kind in np.unique(groups.kind).tolist():
        mine = groups.kind == kind
        mine &= _free(baselines, kind)[groups.entity]
        target = np.zeros(int(mine.sum()), np.int64)
        named = groups.name[mine] != ""
        values = baselines.values.intern_many(groups.name[mine][named].tolist())
        target[named] = baselines.entities.ids(GROUP + kind, values)
        members.append(groups.entity[mine])
        targets.append(target)
    return move(baselines, np.concatenate(members), np.concatenate(targets))


def descriptions(baselines: Baselines, habits: int = 3) -> dict[tuple[str, str], str]:
    """What is distinctive about each peer group, learned or given: its members' most telling habits.

    Returns
    -------
    (entity kind, group name) -> "learned 3: outlook.exe, sap-erp, share finance". A habit tells the more, the
    more members have it and the fewer others of their kind do: p ln(p / q), with p and q the shares of
    members and of others, the latter with one more to each side.
    """
    found = {}
    for kind, entity_kind in enumerate(ENTITY_KINDS):
        if entity_kind not in HABITS:
            continue
        pairs = entity_pairs(baselines, _numbers(baselines, entity_kind), 0.1)
        group = baselines.entities.group[pairs.entity].astype(np.int64)
        everybody = baselines.entities.all_ids((kind,))
        values, column = np.unique(pairs.behaviour << 32 | pairs.value, return_inverse=True)
        holders = np.bincount(column, minlength=len(values))
        for each in np.unique(group[group > 0]).tolist():
            members = int((baselines.entities.group[everybody] == each).sum())
            inside = np.bincount(column[group == each], minlength=len(values))
            p = inside / members
            q = (holders - inside + 1.0) / (len(everybody) - members + 2.0)
            telling = p * np.log(np.maximum(p, 1e-300) / q)
            best = np.argsort(-telling, kind="stable")[: 4 * habits]
            texts = baselines.values.many((values[best[telling[best] > 0.0]] & 0xFFFFFFFF).tolist())
            name = baselines.values[int(baselines.entities.name[each])]
            # one thing may be a habit of several behaviours
            found[entity_kind, name] = f"{name}: {', '.join(list(dict.fromkeys(texts))[:habits])}"
    return found


# ------------------------------------------------------------------------------------------ who, and as what


def _check(baselines: Baselines, groups: Groups) -> None:
    for name in sorted(set(groups.name.tolist()) - {""}):
        if not is_learned(name):
            raise InputError(f"{name[:64]!r} names no learned group; give a directory's with `set_groups`")
    known = (groups.entity > 0) & (groups.entity < baselines.entities.end)
    if not (known.all() and (baselines.entities.kind[groups.entity] == groups.kind).all()):
        raise InputError("the groups were learned before entities were renumbered; learn them again")


def _free(baselines: Baselines, kind: int) -> np.ndarray:
    """Whether an id is an entity of the kind that no directory has put into a group; bool by id."""
    entities = baselines.entities
    free = entities.kind == kind
    groups = np.unique(entities.group[free])
    given = [
        int(group) for group in groups if group and not is_learned(baselines.values[entities.name[group]])
    ]
    result: np.ndarray = free & ~np.isin(entities.group, given)
    return result


def _present(baselines: Baselines, kind: int) -> dict[int, str]:
    ids = baselines.entities.all_ids((kind,))
    ids = ids[baselines.entities.group[ids] > 0]
    names = baselines.values.many(baselines.entities.name[baselines.entities.group[ids]])
    return dict(zip(ids.tolist(), names, strict=True))


def _of_kind(groups: Groups, kind: int) -> dict[int, str]:
    mine = (groups.kind == kind) & (groups.name != "")
    return dict(zip(groups.entity[mine].tolist(), groups.name[mine].tolist(), strict=True))


def _number(name: str) -> int:
    return int(name.split()[1]) if is_learned(name) else 0


def _numbers(baselines: Baselines, entity_kind: str) -> np.ndarray:
    names = HABITS[entity_kind]
    found = [place for place, watched in enumerate(baselines.behaviours) if watched.name in names]
    return np.array(found, np.int64)


def _points(
    baselines: Baselines, entity_kind: str, free: np.ndarray, staying: Iterable[int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Entities known well enough (ids, in an order of names) and a unit vector each, float64 (n, up to
    DIMENSIONS).
    """
    pairs = entity_pairs(baselines, _numbers(baselines, entity_kind))
    found = placed(baselines, pairs.take(free[pairs.entity]))
    pairs = found.pairs
    entities, row, values_of = np.unique(pairs.entity, return_inverse=True, return_counts=True)
    events = np.bincount(row, pairs.weight, len(entities))
    ids = found.entities[entities]
    needed = np.where(np.isin(ids, np.array(sorted(staying), np.int64)), 0.5, 1.0)
    known = (events >= needed * LEAST_EVENTS) & (values_of >= needed * LEAST_VALUES)
    if known.sum() < 2 * LEAST_MEMBERS:
        return ids[:0], np.zeros((0, 1))
    vectors = _vectors(pairs.take(known[row]), entities[known])
    points = _reduced(vectors, rng)
    length = np.sqrt((points**2).sum(axis=1))
    told = length > 1e-9  # what nobody shares says nothing of who is alike
    return ids[known][told], points[told] / length[told, None]


def _vectors(pairs: Pairs, entities: np.ndarray) -> Any:
    """Weights of habits that at least two entities share, sparse (entities, values), each behaviour of length
    1.
    """
    from scipy.sparse import csr_matrix

    row = np.searchsorted(entities, pairs.entity)
    values, column, holders = np.unique(
        pairs.behaviour << 32 | pairs.value, return_inverse=True, return_counts=True
    )
    kept = np.zeros(len(values), np.bool_)
    kept[np.argsort(-holders, kind="stable")[:MOST_VALUES]] = True
    kept &= holders >= 2
    block = row * (int(pairs.behaviour.max()) + 1) + pairs.behaviour
    active = np.bincount(np.unique(block) % (int(pairs.behaviour.max()) + 1))
    weight = np.log1p(pairs.weight) * np.log(active[pairs.behaviour] / holders[column]) * kept[column]
    length = np.sqrt(np.bincount(block, weight**2))
    weight = weight / np.maximum(length[block], 1e-300)
    used = weight > 0.0
    return csr_matrix((weight[used], (row[used], column[used])), shape=(len(entities), len(values)))


def _reduced(vectors: Any, rng: np.random.Generator) -> np.ndarray:
    from sklearn.decomposition import TruncatedSVD

    rows, columns = vectors.shape
    if columns < 2:
        return np.zeros((rows, 1))
    svd = TruncatedSVD(max(1, min(DIMENSIONS, rows - 1, columns - 1)), random_state=int(rng.integers(2**31)))
    chosen = np.sort(rng.permutation(rows)[:FIT_ENTITIES])
    svd.fit(vectors[chosen])
    points: np.ndarray = svd.transform(vectors)
    return points
