"""Receipts: an alert's risk worked out again from nothing but its receipt, bit for bit."""

from __future__ import annotations

import json
import random

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from features.errors import StateError
from features.kernel_cache import use_user_cache
from models.detector import Detector
from models.risk import Budget
from serving import receipts
from serving.cli.main import cli
from serving.context import telling

DAY_US = 86_400_000_000
START_US = 1_740_960_000_000_000
"""2025-03-03 00:00 UTC."""
USERS, DAYS = 50, 14


def record(rng: random.Random, user: int, day: int, number: int) -> bytes:
    odd = rng.random() < 0.02
    host = rng.randrange(40) if odd else user % 8 + rng.randrange(2)
    made = {
        "metadata": {"uid": f"{user}-{day}-{number}", "version": "1.8.0"},
        "time": (START_US + day * DAY_US) // 1000 + 28_800_000 + number * 1_300_000 + user * 1000,
        "class_uid": 3002,
        "activity_id": 1,
        "status_id": 2 if odd else 1,
        "user": {"name": f"user{user}", "domain": "ACME"},
        "src_endpoint": {"ip": f"10.{rng.randrange(99) if odd else 0}.{user}.1"},
        "device": {"hostname": f"host-{host}.acme.example"},
    }
    return json.dumps(made).encode()


@pytest.fixture(scope="module")
def taken():
    """Receipts of all entity-days of several days, with what the detector itself says of each."""
    use_user_cache()
    rng = random.Random(7)
    detector = Detector(key_seed=7, budget=Budget())
    reader = detector.reader()
    found = []
    from features import bodies

    for day in range(DAYS):
        lines = [record(rng, user, day, number) for user in range(USERS) for number in range(6)]
        decoded = bodies.decode(reader, [bodies.Body(b"\n".join(lines), "auto", None, START_US)])
        order = np.argsort(decoded.batch.time_us, kind="stable")
        detector.score_learn(decoded.batch.take(order))
        if day == DAYS - 3:
            for user in range(USERS):
                detector.judge(f"v{user}", f"user{user}", "user", day + START_US // DAY_US, 5, START_US)
        if day >= DAYS - 9:
            table = detector.today()
            made = receipts.take(detector, "acme", table, np.arange(len(table.day)))
            frame = detector.entity_days("acme").set_index(["entity_kind", "entity", "day"])
            found += [(one, frame) for one in made]
    return found


def test_a_thousand_receipts_give_the_risk_that_the_detector_gave(taken):
    from datetime import date

    assert len(taken) >= 1000
    fitted, touched, risky, told = 0, 0, 0, 0
    for made, frame in taken:
        receipt = json.loads(msgspec.json.encode(made))  # as it is kept and sent
        right = float(
            frame.loc[(receipt["entity_kind"], receipt["entity"], date.fromisoformat(receipt["day"])), "risk"]
        )
        assert receipts.recomputed(receipt) == receipt["risk"] == right
        assert receipts.evidence_again(receipt) == receipt["evidence"]
        fitted += receipt["fitted"]
        touched += receipt["factor"] < 1.0
        risky += right > 1.0
        told += receipt["risk"] < receipt["rarity"] * receipt["factor"]
    assert fitted > 500, "the ensemble must have had a say"
    assert risky > 20
    assert touched > 0, "feedback must have had a say"
    assert told > 0, "what was raised before must have had a say"


def test_the_pieces_of_a_risk_add_up_to_it_with_what_was_told_before_as_one(taken):
    told = 0
    for receipt, _ in taken:
        pieces = telling.pieces(receipt, [""] * len(receipt["findings"]))
        assert sum(piece["points"] for piece in pieces) == pytest.approx(receipt["risk"], abs=1e-6)
        before = [piece["points"] for piece in pieces if piece["channel"] == telling.BEFORE]
        assert all(points < 0 for points in before)
        told += bool(before)
    assert told > 0


@pytest.mark.parametrize(
    "part", ["evidence", "members", "factor", "told", "trust", "risk_tail", "excess_seen"]
)
def test_a_receipt_that_was_changed_gives_another_risk(taken, part):
    trusted = [one for one, _ in taken if one["trust"] > 0 and (part != "told" or one["told"] > 0)]
    receipt = json.loads(msgspec.json.encode(max(trusted, key=lambda one: one["risk"])))
    if part == "evidence":
        receipt["evidence"][0] += 1.0
        assert receipts.evidence_again(receipt) != receipt["evidence"]
        return
    if part == "members":
        for name in receipt["members"]:
            receipt["members"][name] = (receipt["members"][name] or 0.0) + 1.0
    elif part == "risk_tail":
        receipt["risk_tail"]["nats"] = [nats + 0.5 for nats in receipt["risk_tail"]["nats"]]
    elif part == "excess_seen":
        receipt["trust"], receipt["excess_seen"] = 0.5, receipt["excess_seen"] * 2
    else:
        receipt[part] = receipt[part] / 2
    assert receipts.recomputed(receipt) != receipt["risk"]


@pytest.mark.parametrize("broken", [{}, {"form": 9}, {"form": 1}, {"form": 1, "evidence": "x"}])
def test_what_is_no_receipt_is_refused(broken):
    with pytest.raises(StateError):
        receipts.recomputed(broken)


def test_the_command_says_equal_or_what_is_not(taken, tmp_path):
    made = max((one for one, _ in taken), key=lambda one: one["risk"])
    path = tmp_path / "receipt.json"
    path.write_bytes(msgspec.json.encode(made))
    told = CliRunner().invoke(cli, ["explain", "--receipt", str(path)], standalone_mode=False)
    assert told.return_value == 0, told.output
    assert "equal, bit for bit" in told.output
    assert "times by itself" in told.output
    path.write_bytes(msgspec.json.encode({**made, "factor": 0.25, "entity": "\x1b[2Jeve"}))
    told = CliRunner().invoke(cli, ["explain", "--receipt", str(path)], standalone_mode=False)
    assert told.return_value == 1
    assert "UNEQUAL: risk" in told.output
    assert "\x1b" not in told.output
    told = CliRunner().invoke(cli, ["explain", "--receipt", str(path), "--json"], standalone_mode=False)
    assert json.loads(told.output)["result"]["parts"]["risk"] is False
