"""Promotion and rollback asked for over the API: the same commands that people type, each in a process of its
own. A promotion replays recent history and takes minutes; what came of it is said by `Actions.of`.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import select

from features.errors import InputError
from serving import audit
from serving.days import day_of
from serving.following.children import started
from serving.store import tables
from serving.submission import Busy

if TYPE_CHECKING:
    from serving.audit import Deed
    from serving.checkpoints import Folders
    from serving.store.database import Database

RUNNING, DONE, REFUSED = "running", "done", "refused"
COMMANDS = ("promote", "rollback")
MOST_TEXT = 8_000
MOST_VERDICTS = 20_000


class Job(NamedTuple):
    """One action: which command, running, done or refused, what it printed, and when it began (seconds)."""

    action: str
    state: str
    text: str
    began: float


class Actions:
    """Runs actions, one at a time a tenant.

    Parameters
    ----------
    database, folders
        The service's.
    where
        Registry.
    """

    def __init__(self, database: Database, folders: Folders, where: str) -> None:
        self._database = database
        self._folders = folders
        self._where = where
        self._jobs: dict[str, Job] = {}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._stopping = False

    def begin(self, tenant: str, model: str, action: str, deed: Deed) -> Job:
        """Begin one; returns at once.

        Raises
        ------
        InputError
            If there is no such action.
        Busy
            If another one of this tenant runs.
        """
        if action not in COMMANDS:
            raise InputError(f"{action[:32]!r} is none of {', '.join(COMMANDS)}")
        with self._lock:
            known = self._jobs.get(tenant)
            if self._stopping or (known is not None and known.state == RUNNING):
                raise Busy("a promotion or rollback is under way; see /v1/models", 5.0, "requests")
            job = self._jobs[tenant] = Job(action, RUNNING, "", time.time())
        with self._database.write() as connection:
            audit.append(connection, time.time_ns() // 1000, tenant, deed)
        threading.Thread(target=self._run, args=(tenant, model, job), daemon=True).start()
        return job

    def of(self, tenant: str) -> dict[str, Any] | None:
        """The last action, as JSON has it."""
        job = self._jobs.get(tenant)
        return None if job is None else job._asdict()

    def stop(self) -> None:
        """End what runs; aliases move in one step, so nothing is left half-way."""
        with self._lock:
            self._stopping = True
            for child in self._children.values():
                child.kill()

    def _run(self, tenant: str, model: str, job: Job) -> None:
        with tempfile.TemporaryDirectory(prefix="habitus-action-") as place:
            arguments = [job.action, model, "--models", self._where]
            if job.action == "promote":
                said = Path(place) / "verdicts.ndjson"
                said.write_bytes(self.verdicts(tenant))
                arguments += ["--lake", str(self._folders.learned(tenant)), "--verdicts", str(said)]
            with self._lock:
                if self._stopping:
                    return
                child = started("serving.cli.main", *arguments, errors=subprocess.STDOUT)
                self._children[tenant] = child
            with child:
                text = child.communicate()[0].decode("utf-8", "replace")
        with self._lock:
            self._children.pop(tenant, None)
            state = DONE if child.returncode == 0 else REFUSED
            self._jobs[tenant] = job._replace(state=state, text=text.strip()[-MOST_TEXT:])

    def verdicts(self, tenant: str) -> bytes:
        """Verdicts on entity-days that hold, the newest of a tenant, as `habitus promote` reads them."""
        v = tables.verdicts.c
        query = (
            select(v.entity_kind, v.entity, v.day, v.verdict_id)
            .where(v.tenant == tenant, v.reverted_us.is_(None), v.subject != "event")
            .order_by(v.at_us.desc())
            .limit(MOST_VERDICTS)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return b"".join(
            msgspec.json.encode({**row, "day": day_of(row["day"]).isoformat()}) + b"\n" for row in rows
        )
