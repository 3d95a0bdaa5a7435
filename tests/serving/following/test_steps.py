"""What is to be done next so that a tenant's models are those of the registry."""

from __future__ import annotations

from serving.following.orders import OWN, Mark
from serving.following.steps import Act, Standing, Step, next_step

ONE, TWO, THREE = (Mark(letter * 64, "acme", number) for number, letter in enumerate("abc", 1))
WEEK = 7 * 86_400.0


def standing(
    serving: Mark, beside: Mark | None = None, *, served: bool = False, seconds: float = 0.0
) -> Standing:
    return Standing(serving, beside, served, seconds, 1_000)


def test_a_first_champion_is_prepared_then_swapped_in() -> None:
    wanted = {"champion": ONE}
    assert next_step(wanted, standing(OWN), (), WEEK) == Step(Act.PREPARE, ONE)
    assert next_step(wanted, standing(OWN, ONE), (), WEEK) == Step(Act.SWAP, ONE)
    assert next_step(wanted, standing(ONE, OWN, served=True), (), WEEK) is None


def test_a_challenger_stands_beside_and_is_swapped_in_at_once_when_promoted() -> None:
    assert next_step({"champion": ONE, "challenger": TWO}, standing(ONE), (), WEEK) == Step(Act.PREPARE, TWO)
    assert next_step({"champion": ONE, "challenger": TWO}, standing(ONE, TWO), (), WEEK) is None
    assert next_step({"champion": TWO}, standing(ONE, TWO), (), WEEK) == Step(Act.SWAP, TWO)


def test_a_rollback_is_a_swap_while_the_former_champion_is_kept() -> None:
    assert next_step({"champion": ONE}, standing(TWO, ONE, served=True), (), WEEK) == Step(Act.SWAP, ONE)
    late = standing(TWO, ONE, served=True, seconds=WEEK + 1)
    assert next_step({"champion": TWO}, late, (), WEEK) == Step(Act.DROP, ONE)
    assert next_step({"champion": TWO}, late._replace(beside_seconds=WEEK - 1), (), WEEK) is None


def test_without_a_champion_the_model_of_its_own_events_comes_back_while_it_is_there() -> None:
    assert next_step({}, standing(ONE, OWN, served=True), (), WEEK) == Step(Act.SWAP, OWN)
    assert next_step({}, standing(ONE, TWO), (), WEEK) is None


def test_a_new_challenger_takes_the_place_of_the_former_champion() -> None:
    there = standing(TWO, ONE, served=True)
    assert next_step({"champion": TWO, "challenger": THREE}, there, (), WEEK) == Step(Act.PREPARE, THREE)


def test_a_challenger_that_is_one_no_longer_goes() -> None:
    assert next_step({"champion": ONE}, standing(ONE, TWO), (), WEEK) == Step(Act.DROP, TWO)
    # the one that stands beside is another version by now
    there = standing(ONE, TWO)
    assert next_step({"champion": ONE, "challenger": THREE}, there, {THREE.digest}, WEEK) == Step(
        Act.DROP, TWO
    )


def test_what_was_refused_is_not_tried_again_and_nothing_else_moves() -> None:
    assert next_step({"champion": ONE}, standing(OWN), {ONE.digest}, WEEK) is None
    assert next_step({"champion": ONE, "challenger": TWO}, standing(ONE), {TWO.digest}, WEEK) is None
    assert next_step({}, standing(OWN), (), WEEK) is None
