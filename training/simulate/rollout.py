"""Software that arrives in the whole organisation within days, and then stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import actions, catalogue
from training.simulate.chance import Chance

if TYPE_CHECKING:
    from training.simulate.plan import Plan, World

EVERY_DAYS = 9
_WAVE_DAYS = 4


def wave(world: World, plan: Plan) -> None:
    """Install or use what has been rolled out by this day."""
    if not plan.blocks or plan.host.linux:
        return
    seed = world.organisation.seed
    for number, program in enumerate(catalogue.ROLLOUTS):
        begins = 3 + number * EVERY_DAYS + Chance(seed, "rollout", number).below(5)
        arrives = begins + Chance(seed, "rollout wave", number, plan.host.name).below(_WAVE_DAYS)
        if plan.day.index < arrives:
            continue
        chance = world.chance(f"rollout {number}", plan.day, plan.host.name)
        if plan.day.index == arrives:
            at = plan.start_ms + chance.uniform(60_000, 3_600_000)
            actions.run_as_machine(world, chance, at, plan.host, catalogue.INSTALLER, "IT")
        for at in plan.moments(chance, chance.below(3)):
            if program.parent == catalogue.SERVICES:
                actions.run_as_machine(world, chance, at, plan.host, program)
            else:
                actions.run(world, chance, at, plan.person.account, plan.host, program)
