import numpy as np
import pytest

from features.baselines import DAY_US
from features.behaviours import COLUMN, VALUE_COLUMNS
from models.ranking.distortions import DISTORTIONS, UNSEEN_FROM, Distorter
from models.ranking.sample import EventSample
from tests.days_world import DAY0, World

NAMES = [kind.name for kind in DISTORTIONS]
STANDALONE = [kind.name for kind in DISTORTIONS if not kind.parts]


@pytest.fixture(scope="module")
def sample():
    world = World(7, people=20)
    found = EventSample(seed=1, entity_days=24)
    for day in range(DAY0, DAY0 + 4):
        found.add(world.day(day))
    return found


def invented(sample, names, seed=0, days=150):
    maker = Distorter(sample, names, (seed,))
    chosen = np.arange(days) % len(maker.day_entity)
    return maker, chosen, maker.invent(chosen)


@pytest.mark.parametrize("name", STANDALONE)
def test_every_invented_event_belongs_to_its_entity_and_day(sample, name):
    maker, chosen, made = invented(sample, [name])
    whose = chosen[made.group]
    kind = maker.day_kind[whose]
    columns = made.batch.columns
    assert (columns[np.arange(len(whose)), len(VALUE_COLUMNS) + kind] == maker.day_entity[whose]).all()
    assert (made.batch.time_us // DAY_US == maker.day_day[whose]).all()
    users = kind == 0
    assert (columns[users, COLUMN["user"]] == maker.day_entity[whose][users]).all()
    assert np.bincount(made.group, minlength=len(chosen)).min() >= 1


@pytest.mark.parametrize("name", STANDALONE)
def test_events_come_by_group_and_time(sample, name):
    made = invented(sample, [name])[2]
    order = np.lexsort((made.batch.time_us, made.group))
    assert (made.batch.time_us[order] == made.batch.time_us).all()
    assert (np.diff(made.group) >= 0).all()


def test_days_are_distorted_in_graded_strength(sample):
    sizes = np.bincount(invented(sample, ["graft"])[2].group)
    assert sizes.min() == 1
    assert sizes.max() > 20


def test_a_drip_is_a_few_events(sample):
    assert np.bincount(invented(sample, ["drip"])[2].group).max() <= 5


def test_unseen_values_are_in_no_table_and_name_nobody(sample):
    columns = invented(sample, ["unseen"])[2].batch.columns
    assert (columns[:, : len(VALUE_COLUMNS)] >= UNSEEN_FROM).any(1).mean() > 0.5
    assert columns[:, len(VALUE_COLUMNS) :].max() < UNSEEN_FROM


def test_a_graft_in_place_happens_on_the_entitys_own_hosts(sample):
    maker, chosen, made = invented(sample, ["graft_in_place"])
    users = np.flatnonzero(maker.day_kind[chosen[made.group]] == 0)
    for row in users[:200].tolist():
        place = chosen[made.group[row]]
        own = sample.events.columns[maker._rows_of(place), COLUMN["host"]]
        assert made.batch.columns[row, COLUMN["host"]] in own


def test_a_sweep_reaches_many_values_of_one_column(sample):
    made = invented(sample, ["sweep"])[2]
    sizes = np.bincount(made.group)
    group = int(sizes.argmax())
    columns = made.batch.columns[made.group == group][:, : len(VALUE_COLUMNS)]
    assert max(len(np.unique(column)) for column in columns.T) > 3


def test_a_squeezed_burst_takes_two_hours_at_most(sample):
    made = invented(sample, ["burst"])[2]
    times = made.batch.time_us[made.group == 3] % DAY_US
    gaps = np.diff(np.sort(times), append=times.min() + DAY_US)
    assert DAY_US - gaps.max() <= 120 * 60 * 1_000_000


def test_switched_off_kinds_do_not_occur_and_mixtures_need_two_others(sample):
    maker, _, made = invented(sample, ["graft", "mixture"])
    assert {maker.kinds[which].name for which in made.distortion} == {"graft"}


def test_the_same_seed_makes_the_same_days(sample):
    one, two, other = (invented(sample, NAMES, seed)[2] for seed in (4, 4, 5))
    assert one.batch.columns.tobytes() == two.batch.columns.tobytes()
    assert one.batch.time_us.tobytes() == two.batch.time_us.tobytes()
    assert one.batch.time_us.tobytes() != other.batch.time_us.tobytes()
