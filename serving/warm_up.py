"""Loads and compiles what the first submission would otherwise wait for."""

from __future__ import annotations

import logging

from features import bodies
from features.sources.registry import MODULES, decoder_class
from models.detector import Detector

log = logging.getLogger(__name__)

EVENTS = tuple(
    b'{"class_uid":3002,"activity_id":1,"status_id":1,"time":%d,"user":{"name":"warm-%d"},"device":{"hostname":"up-%d"},'
    b'"src_endpoint":{"ip":"192.0.2.%d"},"metadata":{"uid":"%d"}}'
    % (1_767_225_600_000 + hour * 3_600_000, number, number, number, hour * 10 + number)
    for hour in range(3)
    for number in range(4)
)
"""Some hours of an organisation of nobody: kernels of the night are loaded in the night."""


def warm_up() -> None:
    """Import and compile what is slow to: seconds, or minutes where no compiled kernels are kept yet. Ready
    means ready.
    """
    import pandas  # noqa: F401 - see above

    for name in MODULES:
        decoder_class(name)
    log.info("loading kernels; the first time on a machine they are compiled, which takes minutes")
    detector = Detector()
    found = bodies.decode(detector.reader(), [bodies.Body(b"\n".join(EVENTS), "auto", None, 0)])
    detector.score_learn(found.batch)
