"""Who has a baseline: ids, limits, groups, renumbering."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.entities import GROUP, KINDS, ORGANISATION, Entities
from features.sketch import MAX_ENTITIES

BY_KIND = (19, 16, 5)


def test_ids_are_stable_distinct_and_leave_room_for_their_behaviours():
    entities = Entities(BY_KIND)
    owned: set[int] = set()
    for kind in (*range(KINDS), *range(GROUP, GROUP + KINDS)):
        ids = entities.ids(kind, np.array([5, 7, 5, 9]))
        assert ids[0] == ids[2]
        assert entities.ids(kind, np.array([9, 5])).tolist() == [ids[3], ids[0]]
        assert entities.find(kind, np.array([5, 6])).tolist() == [ids[0], 0]
        for entity in np.unique(ids).tolist():
            mine = set(range(entity, entity + entities.units_of(kind)))
            assert not mine & owned
            owned |= mine
    assert entities.count == 6 * 3
    assert not owned & set(entities.organisation)


def test_one_name_is_another_entity_in_every_kind():
    entities = Entities(BY_KIND)
    assert len({int(entities.ids(kind, np.array([1]))[0]) for kind in range(2 * KINDS)}) == 2 * KINDS


@given(st.lists(st.lists(st.integers(1, 60), max_size=20), max_size=6), st.integers(0, 30))
def test_the_limit_refuses_new_ones_counts_them_and_keeps_the_known(rounds, limit):
    entities = Entities(BY_KIND, limit=limit)
    known: dict[int, int] = {}
    for names in rounds:
        ids = entities.ids(0, np.array(names, np.int64))
        for name, entity in zip(names, ids.tolist(), strict=True):
            assert known.setdefault(name, entity) == entity if entity else name not in known
        known = {name: entity for name, entity in known.items() if entity}
        assert entities.count == len(known) <= limit
        assert entities.end < MAX_ENTITIES
    if len({name for names in rounds for name in names}) > limit:
        assert entities.refused > 0


def test_ids_never_pass_what_a_key_can_hold():
    entities = Entities(BY_KIND)
    entities.end = MAX_ENTITIES - 12
    entities.kind = np.full(MAX_ENTITIES, -1, np.int8)
    entities.name = entities.group = np.zeros(MAX_ENTITIES, np.int32)
    ids = entities.ids(0, np.arange(1, 10))
    assert (ids > 0).sum() == 2
    assert entities.refused >= 7
    assert ids.max() < MAX_ENTITIES
    assert entities.ids(0, np.arange(20, 25)).tolist() == [0] * 5


def put_into_groups(entities: Entities, kind: int, names: list[int], groups: list[int]) -> None:
    members = entities.ids(kind, np.array(names))
    entities.group[members] = entities.ids(GROUP + kind, np.array(groups))


def test_peer_groups_are_followed_through_rebuilding():
    entities = Entities(BY_KIND)
    put_into_groups(entities, 0, [1, 2, 3], [10, 10, 11])
    one, two, three = entities.find(0, np.array([1, 2, 3])).tolist()
    assert entities.group[one] == entities.group[two] != entities.group[three]
    assert entities.name[entities.group[three]] == 11
    keep = np.zeros(entities.end, np.bool_)
    keep[[one, three, entities.group[one], entities.group[three]]] = True
    rebuilt, renumbered = entities.rebuilt(keep)
    assert renumbered[two] == 0
    assert rebuilt.find(0, np.array([1, 2, 3])).tolist() == [renumbered[one], 0, renumbered[three]]
    assert rebuilt.name[rebuilt.group[renumbered[one]]] == 10
    assert rebuilt.count == 4
    assert rebuilt.organisation == tuple(renumbered[list(entities.organisation)].tolist())


def test_renaming_follows_new_value_ids():
    entities = Entities(BY_KIND)
    entity = int(entities.ids(1, np.array([4]))[0])
    renumbered = np.array([0, 0, 0, 0, 9], np.int32)
    entities.rename(renumbered)
    assert entities.find(1, np.array([9, 4])).tolist() == [entity, 0]
    assert int(entities.ids(1, np.array([9]))[0]) == entity


def test_restored_entities_are_the_same_and_go_on_the_same():
    entities = Entities(BY_KIND, limit=100)
    put_into_groups(entities, 2, [3, 4], [8, 8])
    entities.ids(1, np.array([5]))
    entities.refused = 3
    end = entities.end
    again = Entities.restored(
        Entities(BY_KIND, limit=100), entities.kind[:end], entities.name[:end], entities.group[:end], 3
    )
    for one in (entities, again):
        one.ids(0, np.arange(20, 50))
        put_into_groups(one, 0, [20], [77])
    assert again.end == entities.end
    assert (again.count, again.refused, again.limit) == (entities.count, entities.refused, entities.limit)
    for name in ("kind", "name", "group"):
        assert getattr(again, name)[: again.end].tolist() == getattr(entities, name)[: entities.end].tolist()
    assert again.all_ids((ORGANISATION,)).tolist() == [again.organisation[0]]
