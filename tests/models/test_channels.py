"""Channels are numbered once, and whoever reads a number finds the same channel."""

from __future__ import annotations

import numpy as np
import pytest

from features.behaviours import BEHAVIOURS, ENTITY_KINDS
from features.measures import DAY, HOUR, WINDOWS
from models.channels import HABIT, KINDS, LINK, RETURN, TRAVEL, VOLUME, Channels
from models.detector import Detector
from models.links import LINKS
from models.traffic import CHANNELS

CHANNELS_OF = Channels(BEHAVIOURS)


def test_every_channel_has_a_name_of_its_own():
    names = [channel.name for channel in CHANNELS_OF.all]
    assert len(set(names)) == len(names) == len(CHANNELS_OF)
    assert {channel.kind for channel in CHANNELS_OF.all} == set(range(len(KINDS)))


def test_habits_keep_the_numbers_of_their_behaviours():
    for number, behaviour in enumerate(BEHAVIOURS):
        channel = CHANNELS_OF.all[number]
        assert (channel.name, channel.kind, channel.index) == (behaviour.name, HABIT, number)
    assert CHANNELS_OF.habits == CHANNELS_OF.volume == len(BEHAVIOURS)


def test_volume_channels_stand_in_the_order_of_the_strata():
    cells = CHANNELS_OF.cells
    for kind, entity in enumerate(ENTITY_KINDS):
        for index in range(cells.first[kind], cells.first[kind + 1]):
            for window in range(len(WINDOWS)):
                cell = int(cells.cells[index, window])
                if cell < 0:
                    continue
                number = CHANNELS_OF.volume + int(CHANNELS_OF.strata[kind]) + cell
                channel = CHANNELS_OF.all[number]
                assert channel.kind == VOLUME
                assert channel.entity == entity
                assert channel.measure is CHANNELS_OF.measures[index]
                assert channel.window == window
    volumes = [channel.name for channel in CHANNELS_OF.all if channel.kind == VOLUME]
    assert len(volumes) == int(cells.per_kind.sum()) == CHANNELS_OF.returns - CHANNELS_OF.volume
    assert {"user.failures/5m", "user.failures/hour", "user.failures/day"} <= set(volumes)
    assert {HOUR, DAY} <= {channel.window for channel in CHANNELS_OF.all if channel.kind == VOLUME}


def test_returns_traffic_travel_and_links_are_found_by_kind_of_entity():
    for kind, entity in enumerate(ENTITY_KINDS):
        assert CHANNELS_OF.all[CHANNELS_OF.returns + kind].name == f"{entity}.return"
        assert CHANNELS_OF.all[CHANNELS_OF.returns + kind].kind == RETURN
        for place, what in enumerate(("regular", "chatter", "transfer")):
            channel = CHANNELS_OF.all[CHANNELS_OF.traffic + kind * CHANNELS + place]
            assert channel.name == f"{entity}.{what}"
            assert KINDS[channel.kind] == what
    assert CHANNELS_OF.all[CHANNELS_OF.travel].kind == TRAVEL
    linked = np.flatnonzero(CHANNELS_OF.links >= 0)
    assert {BEHAVIOURS[number].name for number in linked} == set(LINKS)
    for number in linked:
        channel = CHANNELS_OF.all[CHANNELS_OF.links[number]]
        assert (channel.kind, channel.index) == (LINK, number)


def test_causes_are_shared_within_a_kind_of_entity_and_columns_across_kinds():
    by_cause: dict[int, tuple[str, str]] = {}
    for number, channel in enumerate(CHANNELS_OF.all):
        cause = by_cause.setdefault(int(CHANNELS_OF.cause_of[number]), (channel.entity, channel.cause))
        assert cause == (channel.entity, channel.cause)
        assert CHANNELS_OF.causes[CHANNELS_OF.column_of[number]] == channel.cause
    assert len(set(by_cause.values())) == len(by_cause)
    habits = {channel.cause for channel in CHANNELS_OF.all if channel.kind == HABIT}
    others = {channel.cause for channel in CHANNELS_OF.all if channel.kind != HABIT}
    assert not habits & others, "what other channels find is never hidden by a habit"


def test_a_kind_of_channels_that_does_not_exist_cannot_be_switched_off():
    with pytest.raises(ValueError, match="no such kind of channels: smell"):
        Detector(off=frozenset({"smell", "volume"}))
