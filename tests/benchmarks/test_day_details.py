"""What was odd thing by thing, and who worked with whom: a second pass finds what the first one found."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.day_details import DayDetails, found
from serving import evaluation
from training.pedb.protocol import KINDS, Protocol

DETAILS = DayDetails(
    days=[("user", "ann", 3), ("host", "pc-1", 3), ("user", "ann", 4)],
    names=[("host", "pc-1"), ("user", "ann")],
    causes=["domain", "rhythm"],
    values=["", "evil.example"],
    found=np.array([[0, 0, 1], [2, 1, 0], [0, 1, 0], [1, 0, 1]]),
    nats=np.array([4.0, 1.0, 2.0, 3.0]),
    met=np.array([[0, 0], [1, 1]]),
)


def test_things_and_partners_stand_at_the_places_of_the_chosen_days() -> None:
    place = {("user", "ann", 4): 0, ("user", "ann", 3): 1}
    things, texts = DETAILS.things(place, ("rhythm", "domain"))
    rows = zip(*(array.tolist() for array in things), strict=True)
    named = [(row, cause, texts[value], nats) for row, cause, value, nats in rows]
    assert named == [(0, 0, "", 1.0), (1, 1, "evil.example", 4.0), (1, 0, "", 2.0)]
    assert DETAILS.partners(place) == {1: (("host", "pc-1"),)}


def test_details_survive_the_disk(tmp_path) -> None:
    DETAILS.save(tmp_path / "details.npz")
    again = DayDetails.load(tmp_path / "details.npz")
    assert again[:4] == DETAILS[:4]
    for one, other in zip(again[4:], DETAILS[4:], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_the_things_of_a_day_add_up_to_its_evidence(tmp_path) -> None:
    dataset = evaluation.simulated(tmp_path, 1, 12, 8)
    vectors = evaluation.score(dataset, Protocol(warm_up_days=0)).vectors
    keys = list(zip(vectors.kind.tolist(), vectors.name.tolist(), vectors.day.tolist(), strict=True))
    place = {key: row for row, key in enumerate(keys) if key[0] in KINDS}
    details = found(dataset)
    things, _ = details.things(place, vectors.causes)
    total = np.zeros_like(vectors.evidence, np.float64)
    np.add.at(total, (things.row, things.cause), things.nats)
    rows = np.array(sorted(place.values()))
    np.testing.assert_allclose(total[rows], vectors.evidence[rows], rtol=1e-5, atol=1e-5)
    assert total[rows].sum() > 0
    met = details.partners(place)
    assert any(keys[row][0] == "user" and one[0] == "host" for row, names in met.items() for one in names)
