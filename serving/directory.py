"""The directory file: which entities exist, and which peer group each belongs to."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from features import identity
from features.behaviours import ENTITY_KINDS
from features.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from models.detector import Detector

MOST_WEIGHT = 1_000.0
REQUIRED = ("entity_kind", "entity", "group")


def read(path: Path) -> pd.DataFrame:
    """Read a Parquet, CSV or JSON directory with columns entity_kind, entity, group (and optionally weight:
    how much the entity matters, above 0, empty for 1; and owner).
    """
    import pandas as pd

    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        elif path.suffix == ".csv":
            frame = pd.read_csv(path, dtype=str)
        elif path.suffix in (".json", ".ndjson", ".jsonl"):
            frame = pd.read_json(path, lines=path.suffix != ".json", dtype=False)
        else:
            raise InputError(f"{path}: a directory is .parquet, .csv, .json or .ndjson")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a directory ({str(error)[:200]})") from error
    missing = [name for name in REQUIRED if name not in frame.columns]
    if missing:
        raise InputError(f"{path}: lacks the column {missing[0]!r}; a directory has {', '.join(REQUIRED)}")
    frame = frame.dropna(subset=list(REQUIRED)).astype(dict.fromkeys(REQUIRED, str))
    unknown = sorted(set(frame["entity_kind"]) - set(ENTITY_KINDS))
    if unknown:
        raise InputError(
            f"{path}: unknown entity_kind {unknown[0]!r}; it is one of {', '.join(ENTITY_KINDS)}"
        )
    if "weight" in frame.columns:
        weight = pd.to_numeric(frame["weight"].replace("", None), errors="coerce")
        given = frame["weight"].notna() & (frame["weight"].astype(str) != "")
        bad = frame[given & ~((weight > 0) & (weight <= MOST_WEIGHT))]
        if len(bad):
            raise InputError(
                f"{path}: weight {str(bad['weight'].iloc[0])[:32]!r} of {bad['entity'].iloc[0][:64]!r}:"
                f" give a number above 0 and at most {MOST_WEIGHT:g}, or leave it empty"
            )
        frame["weight"] = weight
    return frame


def apply(frame: pd.DataFrame, detector: Detector) -> int:
    """Resolve the directory's names as events' names are, set peer groups and asset weights; returns how many
    entities it names.
    """
    resolve = {"user": detector.resolver.user, "host": identity.host, "src_ip": identity.ip}
    count = 0
    for kind, part in frame.groupby("entity_kind"):
        names = [resolve[str(kind)](name) for name in part["entity"]]
        known = [(name, group) for name, group in zip(names, part["group"], strict=True) if name]
        detector.baselines.set_groups(
            str(kind), [name for name, _ in known], [identity.visible(g)[:96] for _, g in known]
        )
        count += len(known)
        if "weight" in part.columns:
            weights = {name: weight for name, weight in zip(names, part["weight"], strict=True) if name}
            weights = {name: weight for name, weight in weights.items() if not isnan(weight)}
            _set_weights(detector, ENTITY_KINDS.index(str(kind)), weights)
    return count


def _set_weights(detector: Detector, kind: int, weights: dict[str, float]) -> None:
    ids = detector.baselines.entities.ids(kind, detector.baselines.values.intern_many(list(weights)))
    for entity, weight in zip(ids.tolist(), weights.values(), strict=True):
        if entity:
            detector.days.ledger.set_weight(entity, float(weight))
