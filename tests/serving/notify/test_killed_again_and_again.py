"""A sender that is killed at any moment delivers everything at least once, under keys that never change."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update

from serving.audit import Deed
from serving.learned import Learned
from serving.notify import channels
from serving.notify.addresses import Network
from serving.notify.channels import Rules, Target
from serving.notify.sender import Deliverer, Sender
from serving.sinks import StoreSinks
from serving.store import tables
from serving.store.database import default_url, open_database
from serving.triage.words import Asked
from tests.serving.notify.receiver import receiving
from tests.serving.triage.triage_app import alert

if TYPE_CHECKING:
    from collections.abc import Callable

WHO = Asked("acme", Deed("k1", "", "", "admin"))


def sends_until_killed(url: str, arrived: Callable[[], int], more: int, pause: float) -> int:
    """Fork a process that empties the outbox, and kill it a moment after so many messages have come; returns
    its exit status.
    """
    child = os.fork()
    if child == 0:
        try:
            made = Sender(open_database(url), Deliverer(Network.parsed("127.0.0.0/8")))
            while True:
                made.turn()
        finally:
            os._exit(1)
    enough = arrived() + more
    while arrived() < enough and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        time.sleep(0.0005)
    time.sleep(pause)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def loop(tmp_path, messages: int, kills: int) -> tuple[int, int]:
    """Messages that were sent, and how many of them more than once."""
    url = default_url(tmp_path)
    database = open_database(url)
    rng = random.Random(7)
    with receiving() as receiver:
        rules = Rules(about="alerts", per_hour=3600)
        channels.create(database, WHO, "webhook", "soc", Target(url=receiver.url), rules)
        sinks = StoreSinks(database, Learned(lambda name: tmp_path / name))
        for number in range(messages):
            row = alert("acme", number, risk=13.0, reasons=json.dumps([f"reason {number}"]))
            sinks._alerts.append({**row, "alerted_us": None, "entity_risk": None})
        sinks.flush()
        database.close()
        for _ in range(kills):
            more, pause = rng.randrange(messages // kills), rng.uniform(0.0, 0.004)
            status = sends_until_killed(url, lambda: len(receiver.taken), more, pause)
            assert os.WIFSIGNALED(status), "it ended by itself"
            database = open_database(url)
            with database.write() as connection:
                # what was begun is tried again after half a minute; nobody waits for that here
                c = tables.outbox.c
                connection.execute(
                    update(tables.outbox).where(c.done_us.is_(None)).values(next_us=c.created_us)
                )
            database.close()
        database = open_database(url)
        made = Sender(database, Deliverer(Network.parsed("127.0.0.0/8")))
        for _ in range(messages):
            made.turn()
            with database.read() as connection:
                left = connection.execute(
                    select(func.count()).where(tables.outbox.c.done_us.is_(None))
                ).scalar()
            if not left:
                break
        database.close()
        taken: dict[str, list[str]] = {}
        for key, body in zip(receiver.keys, receiver.bodies, strict=True):
            found = [one["finding_info"]["uid"] for one in body["alerts"]]
            assert taken.setdefault(key, found) == found, "the same key must mean the same alerts"
        once = sorted(one for found in taken.values() for one in found)
        assert once == sorted(f"acme-{number}" for number in range(messages)), "something was never sent"
        return len(receiver.keys), len(receiver.keys) - len(taken)


def test_everything_arrives_though_the_sender_is_killed_a_few_times(tmp_path):
    loop(tmp_path, messages=24, kills=6)


@pytest.mark.chaos
def test_everything_arrives_through_hundreds_of_kills(tmp_path):
    _sent, again = loop(tmp_path, messages=1500, kills=300)
    assert again > 0, "no kill fell between sending and striking off"
