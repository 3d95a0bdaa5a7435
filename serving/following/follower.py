"""The thread that makes a tenant's models those that the registry names, see `serving.following.steps`.

The registry is looked at by a process of its own, and models are prepared by another; what changes a tenant's
models are entries of the journal. While the registry does not answer, everything stays as it is.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from features.errors import HabitusError
from serving.audit import Deed
from serving.checkpoints import Folders
from serving.following import prepared
from serving.following.acting import Actions
from serving.following.children import started
from serving.following.orders import Change, Mark, Shadow
from serving.following.preparing import Order, Prepared
from serving.following.steps import Act, Standing, next_step
from serving.following.watching import Seen
from serving.journal import Kind, Operation
from training.fit import microseconds
from training.manifest import MANIFEST, decoded

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from serving.core import Core
    from serving.following.steps import Step

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5
LOOK_SECONDS = 2.0
REST_EVENTS = 200_000
"""Most events that the engine learns by itself when a model comes to stand beside: some seconds."""
ROUNDS = 5
"""Attempts at bringing a model near to where the tenant is, while events go on arriving."""
AGAIN_SECONDS = 600.0
"""When a model that could not be used is tried again."""
KEEP_SECONDS = 7 * 86_400.0
CLEAN_SECONDS = 3_600.0


class Refusal(NamedTuple):
    """Why a model is not used, and since when (monotonic seconds)."""

    why: str
    at: float


class Follower:
    """Follows aliases of a registry.

    Parameters
    ----------
    core
        Whose tenants.
    where
        Registry: a folder, or the URL of an MLflow server.
    names
        Model by tenant; the model of a tenant's own name otherwise, if there is one.
    """

    def __init__(self, core: Core, where: str, names: Mapping[str, str] | None = None) -> None:
        self._core = core
        self._where = where
        self._names = dict(names or {})
        self._folders = Folders(core.data_dir)
        self.actions = Actions(core.database, self._folders, where)
        self._seen = Seen(trouble="the registry has not been looked at yet")
        self._refused: dict[tuple[str, str], Refusal] = {}
        self._doing: dict[str, str] = {}
        self._stopping = threading.Event()
        self._watcher: subprocess.Popen[bytes] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._cleaned = time.monotonic()
        self._threads = [
            threading.Thread(target=work, name=f"habitus-{name}", daemon=True)
            for name, work in (("watch", self._watch), ("follow", self._follow))
        ]

    def start(self) -> None:
        """Begin to follow."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads and their processes."""
        self._stopping.set()
        self.actions.stop()
        for child in (self._watcher, self._child):
            if child is not None and child.poll() is None:
                child.kill()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def status(self, tenant: str) -> dict[str, Any]:
        """How it stands, for people: model, what the registry names, what is being done, why not."""
        wanted = self._seen.models.get(self.model_of(tenant), {})
        digests = {mark.digest for mark in wanted.values()}
        refused = {
            digest[:16]: refusal.why
            for (who, digest), refusal in list(self._refused.items())
            if who == tenant and digest in digests
        }
        return {
            "registry": self._where,
            "model": self.model_of(tenant),
            "aliases": {alias: self._card(mark) for alias, mark in wanted.items()},
            "job": self.actions.of(tenant),
            "doing": self._doing.get(tenant, ""),
            "refused": refused,
            "trouble": self._seen.trouble,
        }

    def numbers(self) -> dict[str, Any]:
        """What an operator watches: texts are trouble, "" for none."""
        return {"registry_trouble": self._seen.trouble, "models_refused": len(self._refused)}

    def _card(self, mark: Mark) -> dict[str, Any]:
        """A model with the figures of its training, as far as it has been fetched."""
        try:
            place = prepared.bundle_of(self._folders.models, mark.digest) / MANIFEST
            metrics = decoded(place.read_bytes(), str(place)).metrics
        except (OSError, HabitusError):
            metrics = {}
        return {
            **msgspec.to_builtins(mark),
            "trained": microseconds(mark.trained_until) // 1000 if mark.trained_until else None,
            "metrics": {name: value for name, value in metrics.items() if value is not None},
        }

    def model_of(self, tenant: str) -> str:
        """Name of the model that a tenant follows."""
        return self._names.get(tenant, tenant)

    # ---------------------------------------------------------------- the registry

    def _watch(self) -> None:
        """Read what the process says that looks at the registry; start it anew when it ends."""
        while not self._stopping.is_set():
            arguments = [self._where, str(LOOK_SECONDS), str(os.getpid())]
            self._watcher = started("serving.following.watching", *arguments)
            with self._watcher:
                for line in self._watcher.stdout or ():
                    self._take(line)
            self._stopping.wait(LOOK_SECONDS)

    def _take(self, line: bytes) -> None:
        try:
            seen = msgspec.json.decode(line, type=Seen)
        except msgspec.DecodeError:
            return  # something that a library printed
        if seen.trouble:
            log.warning("the registry is not followed for now: %s", seen.trouble)
            self._seen = Seen(self._seen.models, seen.trouble)
            return
        if seen != self._seen:
            self._refused.clear()  # somebody has changed something
        self._seen = seen

    # ---------------------------------------------------------------- the tenants

    def _follow(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            if self._seen.trouble and not self._seen.models:
                continue
            for tenant in self._core.tenants():
                try:
                    self._turn(tenant)
                except (HabitusError, OSError, CancelledError) as error:
                    if not self._stopping.is_set():
                        log.warning("the models of %s stay as they are for now: %s", tenant, error)
            self._clean()

    def _turn(self, tenant: str) -> None:
        wanted = self._seen.models.get(self.model_of(tenant))
        standing = self._standing(tenant)
        if wanted is None and not standing.serving.digest and standing.beside is None:
            return
        now = time.monotonic()
        for key, refusal in list(self._refused.items()):
            if now - refusal.at > AGAIN_SECONDS:
                del self._refused[key]
        refused = {digest for who, digest in self._refused if who == tenant}
        step = next_step(wanted or {}, standing, refused, KEEP_SECONDS)
        if step is None:
            return
        self._doing[tenant] = f"{step.act.value} {step.mark}"
        try:
            self._do(tenant, step)
        finally:
            self._doing.pop(tenant, None)

    def _standing(self, tenant: str) -> Standing:
        def look() -> Standing:
            state = self._core.state_of(tenant)
            second = state.second
            if second is None:
                return Standing(state.model, None, False, 0.0, state.learned_count)
            stood = time.time() - second.since_us / 1e6
            return Standing(state.model, second.mark, second.has_served, stood, state.learned_count)

        return self._core.ask(look).result()

    def _do(self, tenant: str, step: Step) -> None:
        if step.act is Act.PREPARE:
            self._bring(tenant, step.mark)
            return
        kind = Kind.MODEL_SWAP if step.act is Act.SWAP else Kind.MODEL_DROP
        self._order(tenant, kind, Change(step.mark.digest).encoded(), step.act, step.mark)

    def _order(self, tenant: str, kind: Kind, body: bytes, act: Act, mark: Mark) -> None:
        action = {Act.PREPARE: "model.shadow", Act.SWAP: "model.swap", Act.DROP: "model.drop"}[act]
        deed = Deed("follower", action, str(mark), "system", {"digest": mark.short})
        self._core.operate_soon(Operation(tenant, kind, body=body, deed=deed)).result()
        log.info("%s of %s: %s", action, tenant, mark)

    def _bring(self, tenant: str, mark: Mark) -> None:
        """Prepare a model until little is left to learn, then let it stand beside."""
        base = -1
        for _ in range(ROUNDS):
            order = Order(self._where, mark, tenant, str(self._core.data_dir.resolve()), os.getpid(), base)
            found = self._prepared(order)
            if self._stopping.is_set():
                return
            if found.why:
                self._refuse(tenant, mark, found.why)
                return
            base = found.base
            if self._standing(tenant).scored - base <= REST_EVENTS:
                break
        else:
            self._refuse(
                tenant, mark, "events arrive faster than it learns; the machine is too small for two"
            )
            return
        body = Shadow(mark, found.place, base, found.from_us, found.until_us).encoded()
        self._order(tenant, Kind.MODEL_SHADOW, body, Act.PREPARE, mark)
        beside = self._standing(tenant).beside
        if beside is None or beside.digest != mark.digest:
            self._refuse(tenant, mark, "it could not be brought to stand beside; the log says why")

    def _refuse(self, tenant: str, mark: Mark, why: str) -> None:
        log.error("%s is not used for %s: %s", mark, tenant, why)
        self._refused[tenant, mark.digest] = Refusal(why, time.monotonic())

    def _prepared(self, order: Order) -> Prepared:
        with started("serving.following.preparing", takes=True) as self._child:
            output, _ = self._child.communicate(msgspec.json.encode(order))
        for line in reversed(output.splitlines()):
            try:
                return msgspec.json.decode(line, type=Prepared)
            except msgspec.DecodeError:
                continue
        return Prepared(why=f"the process that prepares it ended with {self._child.returncode}")

    def _clean(self) -> None:
        now = time.monotonic()
        if now - self._cleaned < CLEAN_SECONDS:
            return
        self._cleaned = now
        used = {mark.digest for marks in self._seen.models.values() for mark in marks.values()}
        for tenant in self._core.tenants():
            standing = self._standing(tenant)
            used.add(standing.serving.digest)
            if standing.beside is not None:
                used.add(standing.beside.digest)
        prepared.clean(self._folders.models, used)
