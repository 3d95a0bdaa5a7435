"""One tenant's detector: everything that is learned about an organisation, and the two doors events come in
by.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import numpy as np

from features import checkpoint, identity
from features.baselines import Baselines, schema_digest
from features.behaviours import BEHAVIOURS, COLUMN
from features.columns import Columniser
from features.dedup import Deduper
from features.enrich import GeoDatabase
from features.errors import InputError, StateError
from features.identity import IdentityResolver
from features.reader import Reader
from models.engine import FIRST, LAST, Engine
from models.risk import EntityDays

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from features.behaviours import Behaviour
    from features.columns import Batch
    from features.reader import Quarantined
    from features.sources.base import Decoder, SourceContext
    from models.engine import Scores

VALUE_LIMIT = 20_000_000
"""Distinct value strings that are kept before those without use are forgotten."""


class Detector:
    """Baselines, calibration, identities and deduplication of one tenant.

    `attachments` names files that belong to the state besides its checkpoint; whoever keeps the folder
    decides what they are.

    Parameters
    ----------
    baselines, engine, resolver, deduper
        Parts of a restored state; new ones by default.
    key_seed
        Secret seed of the deduplication keys; drawn anew when None. Scores do not depend on it.
    geo
        Country and network of addresses; the bundled databases by default.
    """

    def __init__(
        self,
        *,
        baselines: Baselines | None = None,
        engine: Engine | None = None,
        resolver: IdentityResolver | None = None,
        deduper: Deduper | None = None,
        key_seed: int | None = None,
        geo: GeoDatabase | None = None,
    ) -> None:
        # what is empty counts as false, but is no less somebody's
        self.baselines = Baselines() if baselines is None else baselines
        self.engine = Engine(self.baselines) if engine is None else engine
        self.resolver = IdentityResolver() if resolver is None else resolver
        self.deduper = Deduper() if deduper is None else deduper
        self.key_seed = secrets.randbits(62) if key_seed is None else key_seed
        self.attachments: list[str] = []
        self.days = EntityDays(self.baselines)
        self._geo = geo or GeoDatabase()
        self.columniser = self._columniser()

    def _columniser(self) -> Columniser:
        return Columniser(self.baselines.values, self.baselines.entities, self.resolver, self._geo)

    def reader(
        self,
        *,
        source: str = "auto",
        quarantine: Callable[[Quarantined], None] | None = None,
        make_decoder: Callable[[SourceContext], Decoder] | None = None,
    ) -> Reader:
        """A reader whose batches this detector can score."""
        reader = Reader(
            self.columniser,
            self.resolver,
            self.deduper,
            self.key_seed,
            source=source,
            make_decoder=make_decoder,
        )
        if quarantine is not None:
            reader.quarantine = quarantine
        return reader

    def score_learn(self, batch: Batch) -> Scores:
        """Score events in the order given, then learn them, and add them to the entity-days."""
        scores = self.engine.score_learn(batch)
        self.days.add(batch, scores)
        return scores

    def keep_house(self) -> bool:
        """Make room when entities or strings near their limits; True when ids changed and batches made before
        are void.
        """
        baselines = self.baselines
        crowded = baselines.entities.count >= 0.95 * baselines.entities.limit
        if not crowded and len(baselines.values) < VALUE_LIMIT:
            return False
        if crowded:
            baselines.shed_entities()
        held = self.engine.held
        order = np.arange(held.ends[FIRST], held.ends[LAST]) % len(held.slots)
        held_columns = held.columns[order]
        day_entities, day_values = self.days.held_ids()
        width = len(COLUMN)
        entities, values = baselines.renumber(
            np.concatenate([day_entities, held_columns[:, width:].ravel()]),
            np.concatenate([day_values, held_columns[:, :width].ravel()]),
        )
        held.columns[order, :width] = values[held_columns[:, :width]]
        held.columns[order, width:] = entities[held_columns[:, width:]]
        self.days.renumber(entities, values)
        self.columniser = self._columniser()
        return True

    def known_name(self, written: str) -> str:
        """An entity's name as the baselines have it, however it is written; InputError with similar names
        when there is none.
        """
        baselines = self.baselines
        for name in (written, self.resolver.user(written), identity.host(written), identity.ip(written)):
            if name and baselines.find(name):
                return name
        close = baselines.similar(written)
        hint = f"; similar names: {', '.join(close)}" if close else ""
        raise InputError(
            f"{identity.visible(written)[:64]}: nothing is known of this user, host or address{hint}"
        )

    def save(self, folder: Path) -> None:
        """Write everything to a state folder (data only, checksummed, atomic)."""
        arrays, settings = self.baselines.export()
        engine_arrays, engine_settings = self.engine.export()
        current, previous = self.deduper.export()
        arrays |= engine_arrays | {"seen_current": current, "seen_previous": previous}
        settings |= engine_settings | {
            "key_seed": self.key_seed,
            "sids": self.resolver.sids,
            "attachments": self.attachments,
        }
        checkpoint.write(folder, arrays, settings, self.schema())

    @classmethod
    def load(cls, folder: Path, *, geo: GeoDatabase | None = None) -> Detector:
        """The detector of a state folder; a new one when the folder holds none; StateError when it is damaged
        or foreign.
        """
        found = checkpoint.read(folder, cls.schema())
        if found is None:
            return cls(geo=geo)
        arrays, settings = found
        try:
            baselines = Baselines.restored(arrays, settings)
            engine = Engine.restored(baselines, arrays, settings)
            detector = cls(
                baselines=baselines,
                engine=engine,
                resolver=IdentityResolver(settings["sids"]),
                deduper=Deduper.restored(arrays["seen_current"], arrays["seen_previous"]),
                key_seed=settings["key_seed"],
                geo=geo,
            )
            detector.attachments = [str(name) for name in settings["attachments"]]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise StateError(f"{folder}: the checkpoint lacks or contradicts a part ({error!r})") from error
        detector.keep_house()
        return detector

    @staticmethod
    def schema(behaviours: tuple[Behaviour, ...] = BEHAVIOURS) -> str:
        """Digest of what a checkpoint's ids mean."""
        return schema_digest(behaviours)
