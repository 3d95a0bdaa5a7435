"""One protocol for all models that are fitted on a batch of history and then asked about new rows.

Fitted members (the window ensemble, link factorisation, half-space trees, the autoencoder, the sequence
model) look at different things, so the protocol leaves open what a row is. What it fixes is what whoever
trains, stores and serves them relies on; one test holds every family to
it (tests/models/test_batch_models.py).

    score(asked)        float64 (n,), higher is stranger, NaN where nothing is known; changes nothing, and a
                        row's score does not depend on the other rows
    export()            arrays and JSON settings: data only, all numbers finite
    restored(a, s)      the same model: the same scores, bit for bit
    fit(history, seed)  the same history and seed give the same model, bit for bit on one machine
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import numpy as np

from features.errors import StateError
from models.autoencoder.model import Autoencoder
from models.links import LinkModel
from models.neural.settings import CPU
from models.ranking.ensemble import Ensemble
from models.ranking.settings import COUNT_NEIGHBOURS, HISTOGRAM, ISOLATION_FOREST, RankerSettings
from models.ranking.streaming import HalfSpaces
from models.ranking.tails import Tail
from models.ranking.threads import one_thread
from models.sequence.model import SequenceModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from features.baselines import Baselines
    from models.ranking.history import Past
    from models.sequence.sequences import Sequences

Asked = TypeVar("Asked", contravariant=True)
Arrays = dict[str, np.ndarray]


class BatchModel(Protocol[Asked]):
    """A fitted model; see the module."""

    def score(self, asked: Asked, /) -> np.ndarray:
        """float64 (n,), higher is stranger, NaN where nothing is known."""
        ...

    def export(self) -> tuple[Arrays, dict[str, Any]]:
        """Arrays and JSON settings: data only."""
        ...


@dataclass(frozen=True)
class Family:
    """A kind of batch model.

    Attributes
    ----------
    name
        As it is called in run files and cards.
    fit
        (history, seed) -> model; InputError or None where history is too short.
    restored
        (arrays, settings) -> the model that was exported; StateError when they are damaged.
    learns_by
        The library that fits it; none of them is needed to score a restored PyTorch model.
    """

    name: str
    fit: Callable[[Any, int], BatchModel[Any] | None]
    restored: Callable[[Arrays, dict[str, Any]], BatchModel[Any]]
    learns_by: str


# ------------------------------------------------------------------------------------------ families


class WindowEnsemble:
    """Neighbours, histogram and isolation forest over entity-days; asks for past days with their z.

    The score is the mean of the members' nats among past days of the kind.
    """

    MEMBERS = (COUNT_NEIGHBOURS, HISTOGRAM, ISOLATION_FOREST)

    def __init__(self, ensemble: Ensemble) -> None:
        self._ensemble = ensemble

    @classmethod
    def fitted(cls, past: Past, seed: int) -> WindowEnsemble:
        """Of past days."""
        settings = RankerSettings(members=cls.MEMBERS, weights=(), seed=seed)
        with one_thread():
            ensemble = Ensemble.fitted(settings, past)
            raw = ensemble.raw(past.days, past.z, [], own_place=True)
            ensemble.fit_tails(past.days, raw, np.ones(len(past.days.day)))
        return cls(ensemble)

    def score(self, asked: Past, /) -> np.ndarray:
        """float64 (n,) mean nats."""
        with one_thread():
            nats = self._ensemble.nats(asked.days, self._ensemble.raw(asked.days, asked.z, []))
        return np.asarray(np.mean([nats[name] for name in self.MEMBERS], axis=0), np.float64)

    def export(self) -> tuple[Arrays, dict[str, Any]]:
        """What members refer to, and their tails; forests are grown again."""
        arrays: Arrays = {}
        for number, kind in enumerate(self._ensemble.kinds):
            arrays |= {f"evidence_{number}": kind.evidence.copy(), f"counts_{number}": kind.counts.copy()}
            for name, tail in kind.tails.items():
                arrays |= tail.export(f"tail_{number}_{name}")
        tails = [sorted(kind.tails) for kind in self._ensemble.kinds]
        return arrays, {"seed": self._ensemble.settings.seed, "tails": tails}

    @classmethod
    def restored(cls, arrays: Arrays, settings: dict[str, Any]) -> WindowEnsemble:
        """The ensemble that was exported; StateError when a part is missing or no finite number."""
        try:
            check_finite("window ensemble", arrays)
            chosen = RankerSettings(members=cls.MEMBERS, weights=(), seed=int(settings["seed"]))
            kinds = range(len(settings["tails"]))
            references = [(arrays[f"evidence_{kind}"], arrays[f"counts_{kind}"]) for kind in kinds]
            with one_thread():
                ensemble = Ensemble(chosen, references)
            for number, kind in enumerate(ensemble.kinds):
                names = settings["tails"][number]
                kind.tails = {name: Tail.restored(f"tail_{number}_{name}", arrays) for name in names}
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise StateError(f"window ensemble: a part is missing ({error}); fit it again") from error
        return cls(ensemble)


class Pairs(NamedTuple):
    """Pairs to be judged: behaviour (place of one), and int (n,) ids of entities and values."""

    behaviour: int
    entity: np.ndarray
    value: np.ndarray


class Links:
    """The link model; asks for pairs, answers nats beyond what new pairs usually have."""

    def __init__(self, model: LinkModel) -> None:
        self._model = model

    @classmethod
    def fitted(cls, baselines: Baselines, seed: int) -> Links:
        """Of all pairs that the baselines know."""
        with one_thread():
            return cls(LinkModel.fitted(baselines, seed))

    def score(self, asked: Pairs, /) -> np.ndarray:
        """float64 (n,) nats."""
        return self._model.evidence(*asked)

    def export(self) -> tuple[Arrays, dict[str, Any]]:
        """See `models.links.LinkModel.export`."""
        return self._model.export()

    @classmethod
    def restored(cls, arrays: Arrays, settings: dict[str, Any]) -> Links:
        """The model that was exported; StateError when it is damaged."""
        check_finite("links", arrays)
        return cls(LinkModel.restored(arrays, settings))


class StreamingEnsemble:
    """Half-space trees; asks for z, float32 (n, C). Later days can be learned too: `learn`."""

    def __init__(self, spaces: HalfSpaces, seed: int, measures: int) -> None:
        self._spaces, self._seed, self._measures = spaces, seed, measures

    @classmethod
    def fitted(cls, z: np.ndarray, seed: int) -> StreamingEnsemble:
        """Of past days in the order given."""
        made = cls(HalfSpaces(z.shape[1], seed), seed, z.shape[1])
        made.learn(z)
        return made

    def learn(self, z: np.ndarray) -> None:
        """Go on with later days."""
        self._spaces.learn(z)

    def score(self, asked: np.ndarray, /) -> np.ndarray:
        """float64 (n,) between 0 and 1."""
        return self._spaces.score(asked)

    def export(self) -> tuple[Arrays, dict[str, Any]]:
        """Masses of the trees; their cuts follow from the seed."""
        return {"masses": self._spaces.export()}, {"seed": self._seed, "measures": self._measures}

    @classmethod
    def restored(cls, arrays: Arrays, settings: dict[str, Any]) -> StreamingEnsemble:
        """The trees that were exported; StateError when they are damaged."""
        check_finite("half-space trees", arrays)
        try:
            measures, seed = int(settings["measures"]), int(settings["seed"])
            return cls(HalfSpaces.restored(measures, seed, arrays["masses"]), seed, measures)
        except (KeyError, ValueError, IndexError) as error:
            raise StateError(f"half-space trees: a part is missing ({error}); fit them again") from error


class Autoencoding:
    """The autoencoder; asks for days with their z."""

    def __init__(self, model: Autoencoder) -> None:
        self._model = model

    @classmethod
    def fitted(cls, past: Past, seed: int) -> Autoencoding | None:
        """Of past days, on the processor; None when there are too few."""
        from models.autoencoder.fitting import DEFAULTS, fit

        model = fit(past.days, past.z, replace(DEFAULTS, seed=seed, device=CPU))
        return None if model is None else cls(model)

    def score(self, asked: Past, /) -> np.ndarray:
        """float64 (n,) deviations above the usual loss."""
        with one_thread():
            return self._model.score(asked.days, asked.z)

    def export(self) -> tuple[Arrays, dict[str, Any]]:
        """See `models.autoencoder.model.Autoencoder.export`."""
        return self._model.export()

    @classmethod
    def restored(cls, arrays: Arrays, settings: dict[str, Any]) -> Autoencoding:
        """The model that was exported; StateError when it is damaged."""
        return cls(Autoencoder.restored(arrays, settings))


def _sequence_model(past: Sequences, seed: int) -> SequenceModel | None:
    """Of past sequences, the last fifth of them held out."""
    from models.sequence.fitting import DEFAULTS, fit

    cut = len(past) - len(past) // 5
    rows = np.arange(len(past))
    settings = replace(DEFAULTS, seed=seed, device=CPU)
    return fit(past.pick(rows[:cut]), past.pick(rows[cut:]), settings)


def check_finite(what: str, arrays: Arrays) -> None:
    """StateError when an array holds what is no finite number."""
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise StateError(f"{what}: {name} holds values that are no finite numbers; fit it again")


FAMILIES: tuple[Family, ...] = (
    Family("window_ensemble", WindowEnsemble.fitted, WindowEnsemble.restored, "scikit-learn"),
    Family("links", Links.fitted, Links.restored, "scikit-learn"),
    Family("half_space_trees", StreamingEnsemble.fitted, StreamingEnsemble.restored, "river"),
    Family("autoencoder", Autoencoding.fitted, Autoencoding.restored, "PyTorch"),
    Family("sequence", _sequence_model, SequenceModel.restored, "PyTorch"),
)
