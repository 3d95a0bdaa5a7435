"""State from what is on disk: the newest checkpoint of every tenant, then the journal behind it."""

from __future__ import annotations

import logging
import re
import secrets
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from features import checkpoint
from features.enrich import GeoDatabase
from features.errors import InputError
from models.detector import Detector
from serving import journal, lake, segments
from serving.store import tables
from serving.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from serving.checkpoints import Folders
    from serving.journal import Entry
    from serving.settings import CoreSettings
    from serving.sinks import StoreSinks
    from serving.store.database import Database
    from serving.submission import Receipt

log = logging.getLogger(__name__)

_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
FAULT_TEXT = 200
FAULTS_IN_A_ROW = 20
"""More failures than this without a success are no bad records: the program is broken, and stops."""


def check_tenant(tenant: str) -> str:
    """The id as it is; InputError when it is none. It becomes a folder's name."""
    if not _TENANT.fullmatch(tenant):
        raise InputError(
            f"{tenant[:80]!r} cannot be a tenant's id: 1 to 63 of a-z, 0-9, - and _, a letter or digit first"
        )
    return tenant


def add_tenant(database: Database, tenant: str, now_us: int) -> int:
    """Make a tenant known; returns the seed of its deduplication keys. Nothing happens to a known one."""
    known = tables.tenants.c
    with database.write() as connection:
        seed = connection.execute(select(known.key_seed).where(known.tenant == check_tenant(tenant))).scalar()
        if seed is None:
            seed = secrets.randbits(62)
            row = {"tenant": tenant, "created_us": now_us, "key_seed": seed}
            connection.execute(insert(tables.tenants), [row])
    return int(seed)


class Tenants:
    """All tenants' states of this process, and how each is built.

    Parameters
    ----------
    database, folders
        Where checkpoints and journal lie.
    settings, sinks
        For the states.
    settle
        Returns when all checkpoints and segments that were asked for are on disk.
    """

    def __init__(
        self,
        database: Database,
        folders: Folders,
        settings: CoreSettings,
        sinks: StoreSinks,
        settle: Callable[[], None],
    ) -> None:
        self._settle = settle
        self._database = database
        self._folders = folders
        self._settings = settings
        self._sinks = sinks
        self._geo = GeoDatabase()
        self.states: dict[str, TenantState] = {}
        self.split: set[int] = set()
        """Entries that are applied on their own, because their group failed."""
        self.skipped: dict[int, str] = {}
        """Entries that are left out, with the reason."""
        self._current = 0
        self._faults = 0

    def load_all(self) -> int:
        """Checkpoints of all known tenants; returns the newest position that any of them holds."""
        with self._database.read() as connection:
            names = connection.execute(select(tables.tenants.c.tenant)).scalars().all()
            faults = connection.execute(select(tables.faults)).mappings().all()
        for fault in faults:
            self._note(fault["seq"], fault["reason"])
        for name in names:
            self.load(name)
        return max((state.position for state in self.states.values()), default=0)

    def _note(self, seq: int, reason: str) -> None:
        if reason:
            self.skipped[seq] = reason
        else:
            self.split.add(seq)

    def load(self, tenant: str) -> TenantState:
        """The state of a tenant's checkpoint, a new one when there is none."""
        found = checkpoint.read(self._folders.state(tenant), Detector.schema())
        if found is None:
            seed = add_tenant(self._database, tenant, 0)
            detector = Detector(key_seed=seed, geo=self._geo)
            state = TenantState(tenant, detector, self._settings, self._sinks)
        else:
            state = TenantState.restored(*found, self._settings, self._sinks, self._geo)
        lake.remove_after(self._folders.lake(tenant), state.segment)
        segments.remove_after(self._folders.learned(tenant).glob("*"), state.segment)
        self.states[tenant] = state
        return state

    def newest_us(self) -> int:
        """Newest time that any tenant's events vouch for; from any thread."""
        return max((state.detector.clock.newest_us for state in list(self.states.values())), default=0)

    def get(self, tenant: str, now_us: int) -> TenantState:
        """A tenant's state; made when it is new."""
        if tenant not in self.states:
            add_tenant(self._database, tenant, now_us)
            self.load(tenant)
        return self.states[tenant]

    def replay(self, progress: Callable[[TenantState], None] = lambda state: None) -> int:
        """Apply the journal behind the checkpoints; returns how many entries."""
        after = min((state.position for state in self.states.values()), default=0)
        count = 0
        for commit in journal.read(self._database, after):
            for tenant, entries in by_tenant(commit).items():
                state = self.get(tenant, entries[0].received_us)
                if entries[-1].seq > state.position:
                    self.apply(state, entries)
                    count += len(entries)
                    progress(self.states[tenant])
        return count

    def apply(self, state: TenantState, entries: Sequence[Entry]) -> list[Receipt]:
        """Apply one commit's entries of a tenant; an engine that fails on them is built anew without them.

        Nothing may stop a tenant's stream for ever, not even a fault of our own: the entries of a group that
        raises are applied one by one, and those that raise again are put aside as a whole. Both are noted
        in the store first, so that a replay does the same.
        """
        while True:
            try:
                receipts = self._apply(state, entries)
            except Exception as error:
                self._faults += 1
                if self._faults > FAULTS_IN_A_ROW:
                    raise
                log.exception("the engine failed on %d entries of %s", len(entries), state.tenant)
                self._take_note(state, entries, f"{type(error).__name__}: {error}"[:FAULT_TEXT])
                state = self.rebuilt(state.tenant, entries[0].seq)
            else:
                if any(entry.seq not in self.skipped for entry in entries):
                    self._faults = 0
                return receipts

    def _apply(self, state: TenantState, entries: Sequence[Entry]) -> list[Receipt]:
        if not any(entry.seq in self.split or entry.seq in self.skipped for entry in entries):
            return state.apply(entries)
        receipts: list[Receipt] = []
        for entry in entries:
            if entry.seq in self.skipped:
                receipts.append(state.skip(entry, f"the engine failed: {self.skipped[entry.seq]}"))
            else:
                self._current = entry.seq
                receipts += state.apply([entry])
        return receipts

    def _take_note(self, state: TenantState, entries: Sequence[Entry], reason: str) -> None:
        alone = any(entry.seq in self.split for entry in entries)
        chosen = [entry for entry in entries if not alone or entry.seq == self._current]
        reason = reason if alone or len(entries) == 1 else ""
        rows: list[dict[str, Any]] = [
            {"seq": e.seq, "commit_no": e.commit_no, "tenant": state.tenant, "reason": reason} for e in chosen
        ]
        with self._database.write() as connection:
            for row in rows:
                connection.execute(tables.faults.delete().where(tables.faults.c.seq == row["seq"]))
            connection.execute(insert(tables.faults), rows)
        for entry in chosen:
            self._note(entry.seq, reason)

    def rebuilt(self, tenant: str, before: int) -> TenantState:
        """A tenant's state from its checkpoint and the journal up to (not with) an entry."""
        self._settle()  # a segment of the state that is given up must not appear among those of the new one
        self._sinks.forget(tenant)
        state = self.load(tenant)
        for commit in journal.read(self._database, state.position):
            entries = by_tenant(commit).get(tenant, [])
            if commit[0].seq >= before or (entries and entries[0].seq >= before):
                break
            if entries:
                self._apply(state, entries)
        return state


def by_tenant(commit: Sequence[Entry]) -> dict[str, list[Entry]]:
    """A commit's entries by tenant, each in order."""
    found: dict[str, list[Entry]] = {}
    for entry in commit:
        found.setdefault(entry.operation.tenant, []).append(entry)
    return found
