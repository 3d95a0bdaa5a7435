"""Elastic Common Schema documents of Beats, Elastic Agent and everything else that writes ECS.

A document with `winlog` is a Windows record and read by those rules, so a data stream may mix both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from features.errors import RecordError
from features.sources.ecs_classes import looks_like_ecs
from features.sources.ecs_mapping import EcsMapper
from features.sources.parsing import json_object, mapping
from features.sources.windows import WindowsMapper
from features.sources.windows_json import from_winlog, shape_of, unwrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from features.events import Event
    from features.sources.base import Record, Sample, SourceContext


class EcsDecoder:
    """Decoder of ECS documents, one JSON object a line; Elasticsearch hits (`_source`) are unwrapped."""

    name: ClassVar[str] = "ecs"

    def __init__(self, context: SourceContext) -> None:
        self._ecs = EcsMapper(context)
        self._windows = WindowsMapper(context)
        self._minutes: dict[str, int] = {}

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """Say how sure we are: `ecs.version` or `event.category` tell; `winlog` is another source."""
        record = unwrap(sample.record)
        if shape_of(record) or not looks_like_ecs(record):
            return 0.0
        event = mapping(record.get("event"))
        if "ecs" in record or "ecs.version" in record or "category" in event or "event.category" in record:
            return 0.8
        return 0.5

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """One document a line; blank lines are dropped."""
        for number, line in lines:
            if line and not line.isspace():
                yield number, line

    def decode(self, record: bytes) -> Event:
        """One document to one event; RecordError if it is no ECS document or has no time."""
        found = unwrap(json_object(record))
        if shape_of(found) == "winlog":
            event = self._windows.event(from_winlog(found, self._minutes))
            self._ecs.fill(event, found)
            return event
        if not looks_like_ecs(found):
            if "@timestamp" not in found:
                raise RecordError("time is missing: an ECS document has @timestamp")
            raise RecordError("not an ECS document: no event or ecs object")
        return self._ecs.event(found)
