"""When the engine itself fails, everybody is told: nobody waits for an answer that will not come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from serving.core import Core
from serving.recovery import Tenants
from serving.submission import Protocol, Refused
from tests.durable_events import CALM, lines, submission

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("protocol", [Protocol.NATIVE, Protocol.SCORE])
def test_whoever_waits_for_the_group_in_hand_is_told_when_the_engine_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: Protocol
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("nothing works any more")

    monkeypatch.setattr(Tenants, "apply", broken)
    core = Core(tmp_path, CALM)
    core.start()
    waiting = core.offer(submission(lines(0, 3), protocol), want_scores=True)
    with pytest.raises(Refused, match="nothing works any more"):
        waiting.result(60)
    with pytest.raises(Refused, match="restart"):
        core.offer(submission(lines(3, 3), protocol))
    core.stop()
