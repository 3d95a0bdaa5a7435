"""The run file: an experiment as TOML, read into typed settings. The same file gives the same model.

Every table and key has a default but the data. Paths are relative to the file's own folder. An unknown key
is an error that names the nearest known one: a misspelt option must not silently be the default.
"""

from __future__ import annotations

import tomllib
from datetime import date
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args, get_origin

import msgspec

from features.errors import InputError
from models.channels import KINDS
from models.ranking.settings import RankerSettings
from models.risk import Budget
from training.manifest import NAME
from training.pedb.protocol import Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_RANKER = RankerSettings()


class Simulated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An invented organisation, see `habitus simulate`."""

    seed: int
    users: int = 60
    days: int = 42


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where history comes from: exactly one of files, lake and simulated.

    Attributes
    ----------
    files
        Log files and folders of them, as for `habitus score`.
    lake
        Folder of Parquet files of events, see `training.events_table`.
    source, mapping
        Of files, as for `habitus score`.
    directory, labels, oddities
        Peer groups, ground truth, and benign changes; a simulated organisation brings its own.
    since, until
        UTC days: events from the first to before the second are learned; everything when left out.
    """

    files: list[str] = []
    lake: str = ""
    simulated: Simulated | None = None
    source: str = "auto"
    mapping: str = ""
    directory: str = ""
    labels: str = ""
    oddities: str = ""
    since: date | None = None
    until: date | None = None


class DetectorTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The detector. off: kinds of channels to throw away (`models.channels.KINDS`), for ablations."""

    half_life_days: float = 30.0
    calibration_half_life_days: float = 10.0
    hold_days: float = 7.0
    learn_groups: bool = True
    off: list[str] = []
    seed: int = 0


class RankerTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ranking of entity-days, see `models.ranking.settings.RankerSettings`.

    also: members that are off by default ("autoencoder", "sequence"); each has the weight 1 unless `weights`
    says otherwise.
    """

    members: list[str] = msgspec.field(default_factory=lambda: list(_RANKER.members))
    weights: dict[str, float] = msgspec.field(default_factory=lambda: dict(_RANKER.weights))
    combiner: str = _RANKER.combiner
    distortions: list[str] = msgspec.field(default_factory=lambda: list(_RANKER.distortions))
    refit_days: int = _RANKER.refit_days
    history_days: int = _RANKER.history_days
    history_rows: int = _RANKER.history_rows
    reference_rows: int = _RANKER.reference_rows
    distorted_rows: int = _RANKER.distorted_rows
    neighbours: int = _RANKER.neighbours
    profile_half_life_days: float = _RANKER.profile_half_life_days
    tail_half_life_days: float = _RANKER.tail_half_life_days
    also: list[str] = []
    device: str = _RANKER.device


class Evaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the model is judged.

    Attributes
    ----------
    warm_up_days
        First days, learned but not judged.
    budget
        Alerts a day for every 500 entities.
    second_seed
        Without labels: whether everything is learned once more with another seed, to see how much of the
        ranking is chance. Takes as long again.
    """

    warm_up_days: int = 28
    budget: float = 10.0
    second_seed: bool = False


class Tracking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where runs and models are kept: a folder (SQLite and artifacts in it), or an MLflow server's URL."""

    uri: str = "habitus-models"
    experiment: str = "habitus"


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values to try: from low to high (whole numbers where both are), evenly in the logarithm with `log`; or
    one of `choices`.
    """

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    choices: list[str | int | float | bool] = []


class Tune(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `habitus tune` tries.

    Attributes
    ----------
    metric
        Figure of PED-B that is made as high as possible: "ap", "recall@10" ...
    trials
        Tries in all, those cut short included.
    seeds
        Simulated organisations to try on, with the users and days of data.simulated; its own seed when empty.
    space
        Values by key, as `"ranker.neighbours" = {low = 4, high = 16}`.
    """

    metric: str = "ap"
    trials: int = 20
    seeds: list[int] = []
    space: dict[str, Range] = {}


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole run file. name: of the model that is registered. tune: for `habitus tune` only."""

    data: Data
    name: str = "habitus"
    detector: DetectorTable = msgspec.field(default_factory=DetectorTable)
    ranker: RankerTable = msgspec.field(default_factory=RankerTable)
    evaluation: Evaluation = msgspec.field(default_factory=Evaluation)
    tracking: Tracking = msgspec.field(default_factory=Tracking)
    tune: Tune = msgspec.field(default_factory=Tune)

    def ranker_settings(self, seed: int | None = None) -> RankerSettings:
        """The ranker's; with another seed where one is given."""
        table = msgspec.structs.asdict(self.ranker)
        also = table.pop("also")
        weights = dict.fromkeys(also, 1.0) | self.ranker.weights
        return RankerSettings(
            **(
                table
                | {
                    "members": tuple(dict.fromkeys([*self.ranker.members, *also])),
                    "distortions": tuple(self.ranker.distortions),
                    "weights": tuple(sorted(weights.items())),
                    "seed": self.detector.seed if seed is None else seed,
                }
            )
        )

    def protocol(self) -> Protocol:
        """PED-B with this run's warm-up."""
        return Protocol(warm_up_days=self.evaluation.warm_up_days)


def read_run(path: Path) -> tuple[Run, bytes]:
    """A run file and its bytes.

    Raises
    ------
    InputError
        When it cannot be read, is no TOML, or has an unknown key or a value out of range.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a run file (TOML)") from error
    return parsed(content, str(path)), content


def with_values(run: Run, values: Mapping[str, object], place: str = "the run file") -> Run:
    """A run with other values, by their dotted keys (`ranker.weights.session`).

    Raises
    ------
    InputError
        When a key does not exist, or a value is out of range.
    """
    table: dict[str, Any] = msgspec.to_builtins(run)
    for key, value in values.items():
        *path, last = key.split(".")
        inner = table
        for part in path:
            inner = inner.get(part) if isinstance(inner, dict) else None  # type: ignore[assignment]
        free = path == ["ranker", "weights"]
        if not path or not isinstance(inner, dict) or not (free or last in inner):
            close = get_close_matches(key, _dotted(table), 1, 0.5)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise InputError(f"{place}: there is no key {key[:64]!r} to set{hint}")
        inner[last] = value
    try:
        found = msgspec.convert(table, Run)
    except msgspec.ValidationError as error:
        raise InputError(f"{place}: {_in_words(str(error))}") from error
    _check(found, place)
    return found


def _dotted(table: dict[str, Any], before: str = "") -> list[str]:
    found: list[str] = []
    for name, value in table.items():
        found += _dotted(value, f"{before}{name}.") if isinstance(value, dict) else [f"{before}{name}"]
    return found


def parsed(content: bytes, place: str = "the run file") -> Run:
    """A run from the bytes of its file; InputError, naming the place, as `read_run`."""
    try:
        table = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{place}: is no TOML ({str(error)[:160]})") from error
    _check_keys(table, Run, "", place)
    try:
        run = msgspec.convert(table, Run)
    except msgspec.ValidationError as error:
        raise InputError(f"{place}: {_in_words(str(error))}") from error
    _check(run, place)
    return run


def _in_words(message: str) -> str:
    """What msgspec says as `Expected `int`, got `str` - at `$.data.seed``."""
    what, _, where = message.partition(" - at ")
    where = where.strip("`").removeprefix("$").lstrip(".")
    return f"{where or 'a table'}: {what[:1].lower()}{what[1:]}"


def _check_keys(table: dict[str, Any], kind: type[msgspec.Struct], where: str, place: str) -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in table.items():
        if key not in fields:
            close = get_close_matches(key, fields, 1, 0.5) or _elsewhere(key)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(fields)}"
            raise InputError(f"{place}: unknown key {where}{key[:64]!s}; {hint}")
        inner = _struct_in(fields[key])
        if inner is not None and isinstance(value, dict):
            _check_keys(value, inner, f"{where}{key}.", place)


def _elsewhere(key: str) -> list[str]:
    """Keys of that name (or nearly) in other tables, written with their table."""
    known: dict[str, str] = {}
    for field in msgspec.structs.fields(Run):
        inner = _struct_in(field.type)
        if inner is not None:
            known |= {name.name: f"{field.name}.{name.name}" for name in msgspec.structs.fields(inner)}
    return [known[name] for name in get_close_matches(key, known, 1, 0.7)]


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The table that a field holds, also where it may be left out; keys of a dict are free."""
    if get_origin(kind) is dict:
        return None
    for part in (kind, *(get_args(kind) if get_origin(kind) is not None or get_args(kind) else ())):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part
    return None


def _check(run: Run, place: str) -> None:
    """What types alone do not say; the same checks as those who use the values make, but with the place."""
    data, detector = run.data, run.detector
    given = [name for name in ("files", "lake", "simulated") if getattr(data, name)]
    if len(given) != 1:
        raise InputError(
            f"{place}: [data] has {' and '.join(given) or 'no history'}; give one of files, lake and"
            " simulated"
        )
    extra = [name for name in ("directory", "labels", "oddities", "mapping") if getattr(data, name)]
    if data.simulated is not None and extra:
        raise InputError(f"{place}: data.{extra[0]} belongs to files or a lake; leave it out")
    if data.lake and (data.mapping or data.source != "auto"):
        raise InputError(f"{place}: data.source and data.mapping belong to files; leave them out")
    if data.mapping and data.source != "auto":
        raise InputError(f"{place}: data.source and data.mapping exclude each other")
    if data.since and data.until and data.since >= data.until:
        raise InputError(f"{place}: data.since must be before data.until")
    if not NAME.fullmatch(run.name):
        raise InputError(f"{place}: name {run.name[:64]!r}: use lower-case letters, digits, '.', '_' and '-'")
    if unknown := sorted(set(detector.off) - set(KINDS)):
        close = get_close_matches(unknown[0], KINDS, 1, 0.5)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(KINDS)}"
        raise InputError(f"{place}: detector.off: no kind of channels is called {unknown[0][:64]!r}; {hint}")
    for name in ("half_life_days", "calibration_half_life_days", "hold_days"):
        value = getattr(detector, name)
        if not 0 < value < 10_000:
            raise InputError(f"{place}: detector.{name} is {value}; give days above 0")
    if not 0 <= detector.seed < 2**32:
        raise InputError(f"{place}: detector.seed is {detector.seed}; give a number from 0 to 2^32 - 1")
    try:
        run.ranker_settings()
        run.protocol()
        Budget(run.evaluation.budget)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
