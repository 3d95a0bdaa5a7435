"""Runs and models in MLflow: the only module that imports it.

Runs are logged with parameters, metrics, pictures and digests; a bundle becomes a version of a registered
model; the aliases `champion` and `challenger` say what serves and what wants to. MLflow is used for its
registry and its artifact store only: its own model formats, which can hold code, are never read or written.

By default everything lies in one folder: registry.db (SQLite) and artifacts/. Nothing is sent anywhere else:
telemetry is switched off before MLflow is imported.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import tempfile
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from features.errors import InputError, StateError
from training import bundle as bundles
from training.manifest import CARD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from training.bundle import Bundle

CHAMPION, CHALLENGER = "champion", "challenger"
DATABASE, ARTIFACTS = "registry.db", "artifacts"
BUNDLE = "bundle"
DIGEST, HISTORY, UNTIL, EVENTS = (
    "habitus.digest",
    "habitus.champions",
    "habitus.trained_until",
    "habitus.events",
)
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
NOTE, SOURCE, PROGRAM = "mlflow.note.content", "mlflow.source.name", "habitus"
NOTE_CHARACTERS = 4_000
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_./ -]")
PARAMETER_CHARACTERS = 500
BATCH = 100
"""Parameters that MLflow takes at a time."""


class Version(NamedTuple):
    """A registered model version. number: 1 for the first. created: UTC. run_id: the MLflow run it came from.

    digest: of the bundle; what is fetched must have it. aliases: among champion and challenger.
    """

    name: str
    number: int
    digest: str
    created: datetime
    aliases: tuple[str, ...]
    run_id: str
    trained_until: str
    events: int
    source: str

    def __str__(self) -> str:
        return f"{self.name} version {self.number}"


def _client(uri: str) -> Any:
    """An MLflow client of its own; nothing is set for the process but that it keeps to itself."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        # what its own dependencies are about to drop is no concern of ours
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient

        for name in ("alembic", "mlflow"):
            logging.getLogger(name).setLevel(logging.WARNING)
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


class Registry:
    """Runs and model versions in a folder or on an MLflow server.

    Parameters
    ----------
    where
        A folder (made when missing), or an http(s) URL. Credentials as MLflow has them:
        MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD or MLFLOW_TRACKING_TOKEN.

    Raises
    ------
    InputError
        If it is neither.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self._artifacts: str | None = None
        if where.startswith(("http://", "https://")):
            self.uri = where
        elif "://" in where:
            raise InputError(f"{where[:80]}: give a folder, or the http(s) URL of an MLflow server")
        else:
            folder = Path(where).resolve()
            if folder.exists() and not folder.is_dir():
                raise InputError(f"{where}: is no folder; name one for runs and models")
            folder.mkdir(parents=True, exist_ok=True)
            self.uri = f"sqlite:///{folder / DATABASE}"
            self._artifacts = (folder / ARTIFACTS).as_uri()
        self._made: Any = None

    @property
    def _mlflow(self) -> Any:
        if self._made is None:
            self._made = _client(self.uri)
        return self._made

    # ------------------------------------------------------------------------------------------- runs

    def log_run(
        self,
        experiment: str,
        name: str,
        *,
        parameters: Mapping[str, object],
        metrics: Mapping[str, float | None],
        tags: Mapping[str, str],
        bundle: Bundle,
        began_us: int | None = None,
    ) -> Version:
        """Log a run with its bundle, and register the bundle as a new version of the model, a challenger.

        Metrics without a value are left out. A run that fails while it is logged is marked as failed. Its
        description is the bundle's card. began_us: when the work began, microseconds since 1970 UTC; by
        default the run lasts as long as it takes to log it.
        """
        client = self._mlflow
        shown = {SOURCE: PROGRAM, **_description(bundle), **tags}
        start = None if began_us is None else began_us // 1000
        with _explained(self.where):
            run = client.create_run(self._experiment(experiment), start_time=start, run_name=name, tags=shown)
            run_id = run.info.run_id
            status = "FAILED"
            try:
                self._log(run_id, parameters, metrics)
                client.log_artifacts(run_id, str(bundle.folder), BUNDLE)
                version = self._register(run, bundle)
                status = "FINISHED"
            finally:
                client.set_terminated(run_id, status)
        return version

    def _experiment(self, name: str) -> str:
        client = self._mlflow
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(client.create_experiment(name, artifact_location=self._artifacts))

    def _log(
        self, run_id: str, parameters: Mapping[str, object], metrics: Mapping[str, float | None]
    ) -> None:
        from mlflow.entities import Param

        client = self._mlflow
        params = [
            Param(_metric_name(key), str(value)[:PARAMETER_CHARACTERS]) for key, value in parameters.items()
        ]
        for first in range(0, len(params), BATCH):
            client.log_batch(run_id, params=params[first : first + BATCH])
        for key, value in metrics.items():
            if value is not None:
                client.log_metric(run_id, _metric_name(key), value)

    def _register(self, run: Any, bundle: Bundle) -> Version:
        client = self._mlflow
        name, manifest = bundle.manifest.name, bundle.manifest
        if not any(model.name == name for model in self._models()):
            client.create_registered_model(name)
        made = client.create_model_version(
            name,
            source=f"{run.info.artifact_uri}/{BUNDLE}",
            run_id=run.info.run_id,
            tags={
                DIGEST: bundle.digest,
                UNTIL: manifest.trained_until,
                EVENTS: str(manifest.events),
            },
        )
        client.set_registered_model_alias(name, CHALLENGER, made.version)
        return self.version(name, str(made.version))

    # ------------------------------------------------------------------------------------------- versions

    def _models(self) -> list[Any]:
        return _all_pages(self._mlflow.search_registered_models)

    def names(self) -> list[str]:
        """Names of all models, sorted."""
        with _explained(self.where):
            return sorted(str(model.name) for model in self._models())

    def versions(self, name: str) -> list[Version]:
        """All versions of a model, the newest first; InputError when there is no such model."""
        with _explained(self.where):
            model = self._model(name)
            found = _all_pages(lambda **page: self._mlflow.search_model_versions(f"name = '{name}'", **page))
            return sorted(
                (self._as_version(one, model) for one in found), key=lambda one: one.number, reverse=True
            )

    def _model(self, name: str) -> Any:
        for model in self._models():
            if model.name == name:
                return model
        known = ", ".join(sorted(str(model.name) for model in self._models())) or "none yet"
        raise InputError(
            f"{self.where}: no model is called {name[:64]!r} (known: {known}); `habitus train` registers one"
        )

    @staticmethod
    def _as_version(found: Any, model: Any) -> Version:
        aliases = tuple(
            sorted(alias for alias, number in model.aliases.items() if int(number) == int(found.version))
        )
        return Version(
            str(found.name),
            int(found.version),
            str(found.tags.get(DIGEST, "")),
            datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
            aliases,
            str(found.run_id),
            str(found.tags.get(UNTIL, "")),
            int(found.tags.get(EVENTS, 0)),
            str(found.source),
        )

    def version(self, name: str, which: str) -> Version:
        """A version by number or alias; InputError, with what there is, when there is none."""
        found = self.versions(name)
        for one in found:
            if which in (str(one.number), *one.aliases):
                return one
        known = ", ".join(
            f"{one.number}" + (f" ({', '.join(one.aliases)})" if one.aliases else "") for one in found
        )
        raise InputError(f"{name} has no version {which[:32]!r}; there are {known or 'none'}")

    def fetch(self, version: Version, folder: Path) -> Bundle:
        """Copy a version's bundle into a folder that does not exist yet, checked against its digest.

        Raises
        ------
        StateError
            If it is not what was registered, see `training.bundle.verify`; then nothing is left behind.
        """
        if not version.digest:
            raise StateError(f"{version} has no digest: it was not registered by habitus; train a new one")
        if folder.exists():
            raise InputError(f"{folder}: exists already; give a folder that does not")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as place:
            with _explained(self.where):
                found = Path(self._download(version, place))
            checked = bundles.verify(found, version.digest)
            shutil.move(str(found), folder)
        return checked._replace(folder=folder)

    def _download(self, version: Version, place: str) -> str:
        _client(self.uri)
        from mlflow.artifacts import download_artifacts

        if version.run_id:
            return str(
                download_artifacts(
                    run_id=version.run_id, artifact_path=BUNDLE, dst_path=place, tracking_uri=self.uri
                )
            )
        return str(download_artifacts(artifact_uri=version.source, dst_path=place, tracking_uri=self.uri))

    # ------------------------------------------------------------------------------------------- aliases

    def champion(self, name: str) -> Version | None:
        """What serves, None before the first promotion."""
        for one in self.versions(name):
            if CHAMPION in one.aliases:
                return one
        return None

    def promote(self, version: Version) -> None:
        """Make a version the champion; the former one can be had back with `rollback`.

        The history is written first, and what in it was never reached is ignored: a crash between the two
        changes nothing.
        """
        with _explained(self.where):
            past = self._past(version.name)
            if past[-1:] != [version.number]:
                self._write_past(version.name, [*past, version.number])
            self._mlflow.set_registered_model_alias(version.name, CHAMPION, str(version.number))
            if CHALLENGER in version.aliases:
                self._mlflow.delete_registered_model_alias(version.name, CHALLENGER)

    def former(self, name: str) -> Version:
        """The champion before the present one; InputError when there was none."""
        with _explained(self.where):
            past = self._past(name)
        if len(past) < 2:
            raise InputError(f"{name}: there was no champion before this one; nothing to go back to")
        return self.version(name, str(past[-2]))

    def rollback(self, name: str) -> tuple[Version, Version]:
        """Make the former champion the champion again; returns what served, and what does now.

        Raises
        ------
        InputError
            If there was none before.
        """
        former = self.former(name)
        with _explained(self.where):
            past = self._past(name)
            before = self.version(name, str(past[-1]))
            self._mlflow.set_registered_model_alias(name, CHAMPION, str(former.number))
            self._write_past(name, past[:-1])
        return before, self.version(name, str(former.number))

    def _past(self, name: str) -> list[int]:
        """Numbers of all champions, the present one last."""
        model = self._model(name)
        try:
            numbers = [int(number) for number in json.loads(model.tags.get(HISTORY, "[]"))]
        except (ValueError, TypeError) as error:
            raise StateError(f"{name}: its tag {HISTORY} was changed by hand; remove it") from error
        now = model.aliases.get(CHAMPION)
        if now is None:
            return []
        # the alias is what counts: a step that was written down and not taken, or taken elsewhere
        while numbers and numbers[-1] != int(now):
            numbers.pop()
        return numbers or [int(now)]

    def _write_past(self, name: str, numbers: list[int]) -> None:
        self._mlflow.set_registered_model_tag(name, HISTORY, json.dumps(numbers))


def _description(bundle: Bundle) -> dict[str, str]:
    """The card for MLflow's pages, without pictures, which lie among the artifacts."""
    card = (bundles.read_document(bundle, CARD) or b"").decode("utf-8", "replace")
    text = "\n".join(line for line in card.splitlines() if not line.startswith("!["))
    if len(text) > NOTE_CHARACTERS:
        text = text[:NOTE_CHARACTERS].rpartition("\n")[0] + f"\n\n(the rest: {BUNDLE}/{CARD})"
    return {NOTE: text} if text else {}


def _metric_name(name: str) -> str:
    """A name that MLflow takes: recall@10 becomes recall_at_10."""
    return _NOT_IN_NAMES.sub("_", name.replace("@", "_at_"))


def _all_pages(search: Any) -> list[Any]:
    found: list[Any] = []
    token: str | None = None
    while True:
        part = search(page_token=token)
        found.extend(part)
        token = part.token
        if not token:
            return found


class _explained:
    """Turns errors of MLflow and its stores into one line that says where and what to do."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, InputError | StateError):
            return
        module = type(error).__module__.partition(".")[0]
        if module in ("mlflow", "sqlalchemy", "alembic", "requests") or isinstance(error, OSError):
            raise StateError(
                f"{self._where}: the registry does not answer as it should ({str(error)[:200].strip()});"
                " check the folder, or the URL and credentials of the server"
            ) from error
