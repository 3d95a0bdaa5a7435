"""From events to value columns: one meaning whatever the chunk, and no attacker's text as it stands."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import columns as columns_module
from features.behaviours import COLUMN, VALUE_COLUMNS
from features.columns import Batch, Columniser, concatenated
from features.enrich import GeoDatabase
from features.entities import Entities
from features.events import (
    API_ACTIVITY,
    AUTHENTICATION,
    MOST_BYTES,
    NETWORK_ACTIVITY,
    PROCESS_ACTIVITY,
    TEXT_ATTRIBUTES,
    Event,
)
from features.identity import IdentityResolver
from features.interner import StringTable
from features.rows import PARTS, empty_rows, put_events

NOW = 1_740_787_200_000_000
SID = "S-1-5-21-1004336348-1177238915-682003330-1104"


class Tenant:
    """A columniser with what it writes into."""

    def __init__(self) -> None:
        self.values = StringTable()
        self.entities = Entities((19, 16, 5))
        self.resolver = IdentityResolver()
        self.columniser = Columniser(self.values, self.entities, self.resolver, GeoDatabase())

    def batch(self, *events: Event) -> Batch:
        rows = empty_rows(len(events))
        put_events(rows, np.arange(len(events)), events, self.columniser.begin())
        return self.columniser.batch(rows)

    def read(self, made: Batch) -> list[dict[str, str]]:
        """Filled columns of every row as text, entities as user!, host!, src_ip!."""
        found = []
        for row in made.columns:
            texts = {
                name: self.values[int(value)]
                for name, value in zip(VALUE_COLUMNS, row, strict=False)
                if value
            }
            for kind, name in enumerate(("user", "host", "src_ip")):
                entity = int(row[len(VALUE_COLUMNS) + kind])
                if entity:
                    assert self.entities.kind[entity] == kind
                    texts[name + "!"] = self.values[int(self.entities.name[entity])]
            found.append(texts)
        return found

    def one(self, **fields: object) -> dict[str, str]:
        return self.read(self.batch(Event(**({"time_us": NOW} | fields))))[0]


def test_an_event_becomes_values_and_entities():
    found = Tenant().one(
        class_uid=AUTHENTICATION,
        activity_id=1,
        status_id=2,
        user="alice",
        host="ws-1.example.com",
        src_ip="10.1.2.3",
        dst_host="srv-9",
        dst_port=445,
        protocol="smb",
        auth="ntlm network",
    )
    assert found["activity"] == "Authentication: logon failed"
    assert found["user"] == found["user!"] == "alice"
    assert found["host"] == found["host!"]
    assert found["src_ip"] == found["src_ip!"] == "10.1.2.3"
    assert found["src_net"]
    assert found["dst"] == "srv-9"
    assert found["dst_service"] == "smb/445"
    assert found["auth"] == "ntlm network"


NOTHING = {"activity": "Base Event", "hour": "on a weekend at 00 h UTC"}


def test_an_event_that_says_nothing_fills_only_its_activity_and_hour():
    assert Tenant().one() == NOTHING


@pytest.mark.parametrize(
    ("stamp", "hour"),
    [
        ("2026-03-06T23:59:59", "on a weekday at 23 h UTC"),
        ("2026-03-07T00:00:00", "on a weekend at 00 h UTC"),
        ("2026-03-08T12:30:00", "on a weekend at 12 h UTC"),
        ("2026-03-09T07:00:00", "on a weekday at 07 h UTC"),
        ("1970-01-01T00:00:00", "on a weekday at 00 h UTC"),
    ],
)
def test_the_hour_is_that_of_a_weekday_or_a_weekend_in_utc(stamp, hour):
    time_us = int(datetime.fromisoformat(stamp + "+00:00").timestamp()) * 1_000_000
    assert Tenant().one(time_us=time_us)["hour"] == hour


def test_pairs_are_made_of_both_parts():
    tenant = Tenant()
    found = tenant.one(class_uid=API_ACTIVITY, operation="ListBuckets", service="s3.amazonaws.com")
    assert found["api"] == "s3.amazonaws.com:ListBuckets"
    assert tenant.one(operation="ListBuckets")["api"] == "ListBuckets"
    assert "api" not in tenant.one(service="s3.amazonaws.com")
    assert tenant.one(dst_port=53)["dst_service"] == "port/53"
    assert "dst_service" not in tenant.one(protocol="dns")
    lineage = tenant.one(class_uid=PROCESS_ACTIVITY, process="/bin/sh", parent_process="/usr/sbin/sshd")
    assert lineage["lineage"] == f"{lineage['parent_process']} > {lineage['process']}"
    assert "lineage" not in tenant.one(process="/bin/sh")


def test_a_destination_is_its_name_or_else_its_address():
    tenant = Tenant()
    both = tenant.one(dst_host="srv-9", dst_ip="10.0.0.9")
    assert both["dst"] == "srv-9"
    assert both["dst_net"]
    assert tenant.one(dst_ip="10.0.0.9")["dst"] == "10.0.0.9"


def test_the_address_of_the_reporting_host_itself_is_no_source():
    tenant = Tenant()
    made = tenant.batch(
        Event(time_us=NOW, host="10.0.0.5", src_ip="10.0.0.5"),
        Event(time_us=NOW, host="a", src_ip="10.0.0.5"),
    )
    own, other = tenant.read(made)
    assert not {"src_ip", "src_net", "src_country", "src_ip!"} & own.keys()
    assert other["src_ip!"] == "10.0.0.5"
    assert tenant.values.many(made.src_ip) == ["10.0.0.5", "10.0.0.5"], (
        "the record's own address stays to be shown"
    )


def test_unresolved_users_are_resolved_from_their_parts():
    tenant = Tenant()
    assert tenant.one(user=PARTS.join(["", "Alice", "CORP", "", "WS1"]))["user!"] == "alice"
    assert tenant.one(user=PARTS) == NOTHING
    assert tenant.one(user=PARTS.join(["", "Bob", "CORP", SID, "WS1", "too", "many"]))["user!"] == "bob"


def test_a_stable_id_is_looked_up_again_once_its_name_is_known():
    tenant = Tenant()
    assert tenant.one(user=SID)["user!"] == SID
    tenant.resolver.user("alice", sid=SID)
    from_memo = tenant.one(user=SID)
    tenant.columniser.forget()
    assert tenant.one(user=SID) == from_memo


FIELDS = {
    "user": st.sampled_from(["", "alice", "BOB", "corp\\carol", SID]),
    "host": st.sampled_from(["", "ws-1", "10.0.0.5"]),
    "src_ip": st.sampled_from(["", "10.0.0.5", "8.8.8.8", "::1", "nonsense"]),
    "dst_ip": st.sampled_from(["", "10.0.0.9"]),
    "dst_host": st.sampled_from(["", "srv-9"]),
    "operation": st.sampled_from(["", "Get", "Put"]),
    "service": st.sampled_from(["", "s3", "ec2"]),
    "process": st.sampled_from(["", "/bin/sh", "C:\\x\\cmd.exe"]),
    "parent_process": st.sampled_from(["", "/bin/sh"]),
    "dst_port": st.sampled_from([0, 1, 65_535]),
    "class_uid": st.sampled_from([0, AUTHENTICATION, NETWORK_ACTIVITY, 999_999]),
    "activity_id": st.sampled_from([-1, 0, 1, 999, 1000, 70_000]),
    "status_id": st.sampled_from([-1, 0, 1, 2, 3, 99]),
}
EVENTS = st.lists(st.builds(Event, time_us=st.just(NOW), **FIELDS), max_size=12)


@settings(max_examples=30)
@given(EVENTS, st.integers(1, 4))
def test_chunks_and_an_emptied_memo_change_no_value(told, size):
    whole, parts = Tenant(), Tenant()
    expected = whole.read(whole.batch(*told))
    found = []
    for start in range(0, len(told), size):
        found += parts.read(parts.batch(*told[start : start + size]))
        if start % 3 == 0:
            parts.columniser.forget()
    assert found == expected


def test_a_full_memo_is_emptied_by_itself(monkeypatch):
    monkeypatch.setattr(columns_module, "MEMO_STRINGS", 50)
    tenant = Tenant()
    for number in range(300):
        found = tenant.one(user=f"user{number}", host="ws-1", dst_port=number + 1)
        assert found["user!"] == f"user{number}"
        assert found["dst_service"] == f"port/{number + 1}"
        assert len(tenant.columniser.memo) <= 55
    assert tenant.entities.count == 301


def test_many_new_strings_and_pairs_at_once_are_all_resolved():
    tenant = Tenant()
    told = [
        Event(time_us=NOW, user=f"user{number}", service=f"s{number % 300}", operation=f"Op{number}")
        for number in range(70_000)
    ]
    made = tenant.batch(*told)
    assert (made.columns[:, COLUMN["api"]] > 0).all()
    assert len(np.unique(made.columns[:, COLUMN["api"]])) == 70_000
    assert tenant.values[int(made.columns[69_999, COLUMN["api"]])] == f"s{69_999 % 300}:Op69999"
    assert len(np.unique(made.columns[:, -3])) == 70_000


HOSTILE = st.text(st.characters(codec=None), max_size=60) | st.sampled_from(
    ["\x00" * 5000, "A" * 200_000, "\ud800\udc00", PARTS * 40, "\u202e", "../" * 999, "%00", "\\\\?\\", "{}"]
)
TEXTS = tuple(name for name in TEXT_ATTRIBUTES if name != "uid")


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from(TEXTS), HOSTILE),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 2**31 - 1),
)
def test_hostile_text_gives_bounded_printable_values(fields, number, class_uid):
    found = Tenant().one(**fields, dst_port=number, activity_id=number, status_id=number, class_uid=class_uid)
    for name, value in found.items():
        assert value.isprintable(), (name, value)
        assert len(value) <= 700, name


def test_values_of_an_attacker_are_few():
    """A thousand names made by counting up give few shapes of command and file."""
    tenant = Tenant()
    told = [
        Event(
            time_us=NOW,
            command=f"curl -o /tmp/x{number} http://h{number}.example.com/{number}",
            file=f"/srv/a/b/x{number}.dat",
        )
        for number in range(1000)
    ]
    made = tenant.batch(*told)
    for name in ("command", "file"):
        assert len(np.unique(made.columns[:, COLUMN[name]])) < 20


def test_volumes_stay_with_their_events():
    tenant = Tenant()
    first = tenant.batch(Event(time_us=NOW, bytes_in=3), Event(time_us=NOW, bytes_out=MOST_BYTES))
    both = concatenated([concatenated([]), first, tenant.batch(Event(time_us=NOW, bytes_in=7))])
    assert both.bytes_in.tolist() == [3, 0, 7]
    assert both.bytes_out.tolist() == [0, MOST_BYTES, 0]
    assert both.bytes_in.dtype == both.bytes_out.dtype == np.int64
    assert both.take(np.array([2, 1])).bytes_in.tolist() == [7, 0]


def test_no_batches_make_an_empty_one():
    tenant = Tenant()
    empty = concatenated([])
    assert tenant.read(empty) == []
    both = concatenated([empty, tenant.batch(Event(time_us=NOW, user="alice"))])
    assert len(both.time_us) == 1
    assert both.take(np.array([0, 0])).columns.shape == (2, both.columns.shape[1])


@pytest.mark.parametrize("count", [0, 1])
def test_no_rows_and_one_row_are_columnised(count):
    tenant = Tenant()
    assert tenant.batch(*[Event(time_us=NOW)] * count).columns.shape[0] == count
