"""Loads and compiles what the first submission would otherwise wait for."""

from __future__ import annotations

import logging

from features import bodies
from features.sources.registry import MODULES, decoder_class
from models.detector import Detector

log = logging.getLogger(__name__)

FIRST_MS = 1_767_225_600_000
CROWD = 1_200
"""Users and hosts of one hour: more than the tables begin with, so that they have grown once."""


def warm_up() -> None:
    """Import and compile what is slow to: seconds, or minutes where no compiled kernels are kept yet. Ready
    means ready.

    What a day's end takes is left to the first one: it is for the most part fitting, not loading.
    """
    import pandas  # noqa: F401 - see above

    for name in MODULES:
        decoder_class(name)
    log.info("loading kernels; the first time on a machine they are compiled, which takes minutes")
    detector = Detector()
    reader = detector.reader()
    # some hours of an organisation of nobody: kernels of the night are loaded in the night
    for hour, users in enumerate((4, 4, 4, CROWD)):
        lines = b"\n".join(_event(hour, number) for number in range(users))
        found = bodies.decode(reader, [bodies.Body(lines, "auto", None, 0)])
        detector.score_learn(found.batch)
    detector.today()


def _event(hour: int, number: int) -> bytes:
    return (
        b'{"class_uid":3002,"activity_id":1,"status_id":1,"time":%d,"user":{"name":"warm-%d"},'
        b'"device":{"hostname":"up-%d"},"src_endpoint":{"ip":"192.0.2.%d"},"metadata":{"uid":"%d-%d"}}'
        % (FIRST_MS + hour * 3_600_000, number, number, number % 250, hour, number)
    )
