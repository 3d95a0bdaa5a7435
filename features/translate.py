"""Events in the ids of one model, told in the ids of another: two models of one organisation number the same
names differently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.behaviours import ENTITY_KINDS, VALUE_COLUMNS

if TYPE_CHECKING:
    from features.baselines import Baselines
    from features.columns import Batch

UNKNOWN = -1
WORDS = len(VALUE_COLUMNS)


class Translator:
    """From the ids of one model's strings and entities to those of another's.

    What the other model does not know is added to it, in the order of the ids here, so that the same batches
    give the same ids again. Ids that were looked up are kept until either side gives its ids anew.

    Parameters
    ----------
    source, target
        Whose ids batches have, and whose they get.
    """

    def __init__(self, source: Baselines, target: Baselines) -> None:
        self.source = source
        self.target = target
        self._renumberings = (-1, -1)

    def _begin_anew(self) -> None:
        """Forget what either side may have given other ids since."""
        renumberings = (self.source.renumberings, self.target.renumberings)
        if renumberings != self._renumberings:
            self._renumberings = renumberings
            self._words = np.zeros(1, np.int32)
            self._entities = np.zeros(1, np.int32)

    def batch(self, batch: Batch) -> Batch:
        """The same events; O(n) when all their strings have been met before."""
        self._begin_anew()
        words = batch.columns[:, :WORDS]
        self._meet_words(words, batch.src_ip)
        columns = np.empty_like(batch.columns)
        columns[:, :WORDS] = self._words[words]
        for kind in range(len(ENTITY_KINDS)):
            columns[:, WORDS + kind] = self._met_entities(kind, batch.columns[:, WORDS + kind])
        return batch._replace(columns=columns, src_ip=self._words[batch.src_ip])

    def entities(self) -> np.ndarray:
        """int32, the target's id of every entity of the source by its id; 0 where the target knows none. Adds
        nothing. O(entities).
        """
        source, target = self.source.entities, self.target.entities
        out = np.zeros(source.end, np.int32)
        for kind in range(len(ENTITY_KINDS)):
            ids = source.all_ids((kind,))
            texts = self.source.values.many(source.name[ids])
            names = np.array([self.target.values.find(text) for text in texts], np.int64)
            there = names > 0
            out[ids[there]] = target.find(kind, names[there])
        return out

    def _meet_words(self, *ids: np.ndarray) -> None:
        self._words = _grown(self._words, len(self.source.values) + 1)
        fresh = [part[self._words[part] == UNKNOWN] for part in ids]
        missing = np.unique(np.concatenate(fresh))
        if len(missing):
            self._words[missing] = self.target.values.intern_many(self.source.values.many(missing))

    def _met_entities(self, kind: int, ids: np.ndarray) -> np.ndarray:
        self._entities = _grown(self._entities, self.source.entities.end)
        missing = np.unique(ids[self._entities[ids] == UNKNOWN])
        if len(missing):
            names = self.source.entities.name[missing]
            self._meet_words(names)
            found = self.target.entities.ids(kind, self._words[names].astype(np.int64))
            # one that there was no room for is asked for again
            self._entities[missing[found > 0]] = found[found > 0]
        out: np.ndarray = np.maximum(self._entities[ids], 0)
        return out


def _grown(known: np.ndarray, size: int) -> np.ndarray:
    if size <= len(known):
        return known
    more = np.full(max(size, 2 * len(known)) - len(known), UNKNOWN, np.int32)
    return np.concatenate([known, more])
