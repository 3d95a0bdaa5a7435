"""Los Alamos "Comprehensive, Multi-Source Cyber-Security Events" (2015): auth.txt and redteam.txt.

auth.txt: `time,source user@domain,destination user@domain,source computer,destination
computer,authentication type,logon type,authentication orientation,success or failure`; `?` is unknown.
redteam.txt: `time,user@domain,source computer,destination computer`. Time is whole seconds from an epoch of
1 that the authors do not tell; it is read as seconds since 1970 UTC.

Lines of redteam.txt say that a logon of auth.txt was an attack. They are labels, so they become Detection
Findings, never logons: read beside auth.txt they add no habit of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from features import events as ocsf
from features import identity
from features.errors import RecordError
from features.events import FAILURE, SUCCESS, Event
from features.sources import network_terms as terms
from features.sources import parsing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from features.sources.base import Record, Sample, SourceContext

_ORIENTATIONS: Final = {"LogOn": 1, "LogOff": 2, "TGT": 3, "TGS": 4, "AuthMap": 6}
_OUTCOMES: Final = {"Success": SUCCESS, "Fail": FAILURE, "Failure": FAILURE}
_AUTH_COLUMNS: Final = 9
_REDTEAM_COLUMNS: Final = 4
_LONGEST: Final = 4096


class LanlDecoder:
    """Decodes lines of auth.txt and of redteam.txt, told apart by their number of columns."""

    name: ClassVar[str] = "lanl"

    def __init__(self, context: SourceContext) -> None:
        self._people = context.identity

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """Certain if the first lines all have the columns of one of the two files."""
        lines = [line.decode("latin-1").strip().split(",") for line in sample.lines[:8]]
        if lines and (all(map(_is_auth, lines)) or all(map(_is_redteam, lines))):
            return 1.0
        return 0.0

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """Lines as they are, without blank ones."""
        return (line for line in lines if line[1].strip())

    def decode(self, record: bytes) -> Event:
        """One line to one event; see `features.sources.base.Decoder`."""
        if len(record) > _LONGEST:
            raise RecordError("line too long for a logon of the LANL data set")
        columns = record.decode("utf-8", "replace").strip().split(",")
        if len(columns) not in (_AUTH_COLUMNS, _REDTEAM_COLUMNS):
            raise RecordError(f"expected 9 columns (auth) or 4 (redteam), found {len(columns)}")
        time = columns[0]
        if not (time.isascii() and time.isdigit()):
            raise RecordError("time is not a number")
        time_us = parsing.epoch_us(int(time[:18]), 1_000_000)
        return (
            self._auth(time_us, columns) if len(columns) == _AUTH_COLUMNS else self._redteam(time_us, columns)
        )

    def _auth(self, time_us: int, columns: list[str]) -> Event:
        _, source_user, target_user, source, target, kind, logon, orientation, outcome = map(_known, columns)
        user = self._user(source_user, source, target)
        account = self._user(target_user, source, target)
        return Event(
            time_us=time_us,
            class_uid=ocsf.AUTHENTICATION,
            activity_id=_ORIENTATIONS.get(orientation, terms.OTHER),
            status_id=_OUTCOMES.get(outcome, 0),
            user=user or account,
            target_user=account if user and account != user else "",
            host=identity.host(target),
            src_host=identity.host(source),
            operation=orientation,
            auth=f"{kind} {logon}".strip().lower(),
        )

    def _redteam(self, time_us: int, columns: list[str]) -> Event:
        _, user, source, target = map(_known, columns)
        return Event(
            time_us=time_us,
            class_uid=ocsf.DETECTION_FINDING,
            activity_id=1,
            user=self._user(user, source, target),
            host=identity.host(target),
            src_host=identity.host(source),
            operation="red team",
        )

    def _user(self, account: str, source: str, target: str) -> str:
        """Entity of `U22@DOM1`; `U22@C22` is an account of that computer, whichever end it is."""
        name, _, domain = account.partition("@")
        return self._people.user(name, domain=domain, host=source if domain == source else target)


def _known(column: str) -> str:
    return "" if column == "?" else column


def _is_auth(columns: list[str]) -> bool:
    return (
        len(columns) == _AUTH_COLUMNS
        and columns[0].isdigit()
        and ("@" in columns[1] or columns[1] == "?")
        and columns[8] in _OUTCOMES
        and (columns[7] in _ORIENTATIONS or columns[7] in ("?", "ScreenLock", "ScreenUnlock"))
    )


def _is_redteam(columns: list[str]) -> bool:
    return (
        len(columns) == _REDTEAM_COLUMNS
        and columns[0].isdigit()
        and columns[1].startswith("U")
        and "@" in columns[1]
        and columns[2][:1] == columns[3][:1] == "C"
        and columns[2][1:].isdigit()
        and columns[3][1:].isdigit()
    )
