"""All channels of one detector, numbered: habits first, then volume, then rhythm, traffic and travel.

A channel is where evidence comes from. Its number stands in evidence rows, its name in outputs, its cause
decides what is one piece of evidence: of findings that share entity, cause and value only the strongest
counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.behaviours import ENTITY_KINDS
from features.measures import MEASURES, WINDOWS, Cells, Measure, compile_cells
from models.links import LINKS

if TYPE_CHECKING:
    from features.behaviours import Behaviour

HABIT, VOLUME, RETURN, REGULAR, CHATTER, TRANSFER, TRAVEL, LINK = range(8)
"""Kinds of channels: how the six numbers of a finding are to be read."""
KINDS = ("habit", "volume", "return", "regular", "chatter", "transfer", "travel", "link")
TRAFFIC = (("regular", REGULAR, "beat"), ("chatter", CHATTER, "chatter"), ("transfer", TRANSFER, "transfer"))


@dataclass(frozen=True)
class Channel:
    """One source of evidence.

    Attributes
    ----------
    name
        "<entity kind>.<what>".
    entity
        "user", "host" or "src_ip".
    cause
        Findings of one entity, cause and value are one piece of evidence.
    kind
        HABIT ... LINK.
    index
        Place within its kind: behaviour, (measure, window) or 0.
    """

    name: str
    entity: str
    cause: str
    kind: int
    index: int = 0
    measure: Measure | None = None
    window: int = 0


class Channels:
    """The numbered channels.

    Attributes
    ----------
    all
        By number.
    cause_of
        int64 by number: (entity kind, cause), numbered.
    column_of
        int64 by number: column of the day's evidence vector (`causes`); entity kinds share them.
    causes
        Names of those columns.
    links
        int64 by behaviour: number of its link channel, -1 for none.
    volume, returns, traffic, travel
        Number of the first channel of each kind. Volume channels follow the strata of
        `features.measures.Cells` (all cells of users, then of hosts, then of addresses); traffic channels are
        three for each entity kind.
    """

    def __init__(self, behaviours: tuple[Behaviour, ...], measures: tuple[Measure, ...] = MEASURES) -> None:
        self.measures = measures
        self.cells: Cells = compile_cells(measures)
        found = [Channel(b.name, b.entity, b.cause, HABIT, index) for index, b in enumerate(behaviours)]
        self.habits = len(found)
        self.volume = len(found)
        found += self._volume_channels()
        self.returns = len(found)
        found += [Channel(f"{kind}.return", kind, "return", RETURN) for kind in ENTITY_KINDS]
        self.traffic = len(found)
        found += [
            Channel(f"{entity}.{name}", entity, cause, kind)
            for entity in ENTITY_KINDS
            for name, kind, cause in TRAFFIC
        ]
        self.travel = len(found)
        found.append(Channel("user.travel", "user", "travel", TRAVEL))
        self.links = np.full(len(behaviours), -1, np.int64)
        for index, behaviour in enumerate(behaviours):
            if behaviour.name in LINKS:
                self.links[index] = len(found)
                found.append(Channel(f"{behaviour.name}/link", behaviour.entity, "link", LINK, index))
        self.all = tuple(found)
        pairs = sorted({(channel.entity, channel.cause) for channel in found})
        self.causes = tuple(dict.fromkeys(channel.cause for channel in found))
        self.cause_of = np.array([pairs.index((c.entity, c.cause)) for c in found], np.int64)
        self.column_of = np.array([self.causes.index(channel.cause) for channel in found], np.int64)

    def _volume_channels(self) -> list[Channel]:
        found = []
        for kind, entity in enumerate(ENTITY_KINDS):
            cells: dict[int, tuple[Measure, int]] = {}
            for index in range(self.cells.first[kind], self.cells.first[kind + 1]):
                for window in range(len(WINDOWS)):
                    if self.cells.cells[index, window] >= 0:
                        cells[int(self.cells.cells[index, window])] = (self.measures[index], window)
            for cell in range(len(cells)):
                measure, window = cells[cell]
                short = ("5m", "hour", "day")[window]
                found.append(
                    Channel(
                        f"{measure.name}/{short}",
                        entity,
                        f"many {measure.cause}",
                        VOLUME,
                        cell,
                        measure,
                        window,
                    )
                )
        return found

    @property
    def strata(self) -> np.ndarray:
        """First volume channel of each entity kind, relative to `volume`."""
        return np.cumsum([0, *self.cells.per_kind[:-1]]).astype(np.int64)

    def __len__(self) -> int:
        return len(self.all)
