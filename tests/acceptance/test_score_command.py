"""The real command as a process: what a user types, sees and finds in the folder afterwards."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, StringIO
from typing import NamedTuple

import pandas as pd
import pytest
import zstandard

from serving.cli.main import main

START = 1_772_323_200_000  # 2026-03-01 UTC


class Done(NamedTuple):
    """How a command ended and what it printed."""

    returncode: int
    stdout: bytes
    stderr: bytes


def habitus(*arguments):
    """The command line in this process: what `habitus ARGUMENTS` does, without its start-up time."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return Done(ended.value.code, out.getvalue().encode(), err.getvalue().encode())


def habitus_process(*arguments, stdin=None):
    """The same as a process of its own."""
    code = "from serving.cli.main import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=570)


def logon(minute, user, host, ip="10.1.2.3", uid=None):
    return {
        "class_uid": 3002,
        "activity_id": 1,
        "status_id": 1,
        "time": START + 60_000 * minute,
        "metadata": {"version": "1.8.0", "uid": uid or f"{user}-{host}-{minute}"},
        "user": {"name": user},
        "device": {"hostname": host},
        "src_endpoint": {"ip": ip},
    }


def ndjson(records):
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def quiet_weeks():
    """Three users, each on an own machine and one shared server, every half hour for ten days."""
    people = {"alice": "ws-1", "bob": "ws-2", "carol": "ws-3"}
    return [
        logon(30 * slot + place, user, host if slot % 4 else "srv-1")
        for slot in range(480)
        for place, (user, host) in enumerate(people.items())
    ]


def strange_day():
    """Alice's account reaches the others' machines from another country."""
    return [
        logon(10 * 1440 + minute, "alice", f"ws-{2 + minute % 2}", "203.0.113.77") for minute in range(20)
    ]


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored")
    (folder / "logs.ndjson").write_bytes(ndjson(quiet_weeks() + strange_day()))
    done = habitus_process("score", folder / "logs.ndjson", "--out", folder / "out")
    assert done.returncode == 0, done.stderr.decode()
    return folder / "out", done.stdout.decode()


def test_the_account_that_left_its_habits_ranks_first_with_reasons(scored):
    out, printed = scored
    days = pd.read_parquet(out / "entity_days.parquet")
    first = days.sort_values("risk", ascending=False).iloc[0]
    assert (first["entity_kind"], first["entity"], str(first["day"])) == ("user", "alice", "2026-03-11")
    assert first["alert"]
    assert any("203.0.113.77" in reason for reason in first["reasons"])
    assert "alice" in printed.splitlines()[1]


def test_every_event_has_a_row_with_the_promised_columns(scored):
    out, _ = scored
    events = pd.read_parquet(out / "events.parquet")
    assert list(events.columns) == [
        "event_uid", "time", "tenant", "class_uid", "user", "host", "src_ip", "risk", "evidence", "p_value",
        "top_channel", "reason", "model",
    ]  # fmt: skip
    assert len(events) == 1460
    assert events["event_uid"].is_unique
    assert str(events["time"].dt.tz) == "UTC"
    assert events["risk"].between(0, 100).all()
    assert events["p_value"].between(0, 1).all()
    assert (events["top_channel"] != "").equals(events["reason"] != "")
    assert ((events["evidence"] > 0) <= (events["top_channel"] != "")).all()


def test_the_ledger_balances_and_is_on_disk(scored):
    out, _ = scored
    ledger = json.loads((out / "ledger.json").read_text())
    assert ledger["read"] == ledger["scored"] + ledger["duplicate"] + ledger["quarantined"] == 1460


def test_the_same_input_gives_the_same_scores(scored, tmp_path):
    out, _ = scored
    (tmp_path / "logs.ndjson").write_bytes(ndjson(quiet_weeks() + strange_day()))
    habitus("score", tmp_path / "logs.ndjson", "--out", tmp_path / "again")
    pd.testing.assert_frame_equal(
        pd.read_parquet(out / "events.parquet"), pd.read_parquet(tmp_path / "again" / "events.parquet")
    )


def test_files_are_replayed_in_event_time_whatever_their_order_compression_or_format(scored, tmp_path):
    out, _ = scored
    quiet, strange = quiet_weeks(), strange_day()
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(ndjson(quiet[700:])))
    (tmp_path / "a.json").write_text(json.dumps(strange))
    (tmp_path / "c.ndjson.zst").write_bytes(zstandard.compress(ndjson(quiet[:700])))
    done = habitus("score", tmp_path / "a.json", tmp_path / "b.ndjson.gz", tmp_path / "c.ndjson.zst",
                   "--out", tmp_path / "out", "--format", "csv")  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    shuffled = pd.read_csv(tmp_path / "out" / "events.csv", keep_default_na=False)
    straight = pd.read_parquet(out / "events.parquet")
    assert shuffled["event_uid"].tolist() == straight["event_uid"].tolist()
    assert shuffled["evidence"].to_numpy() == pytest.approx(straight["evidence"].to_numpy())


def test_standard_input_and_ndjson_output_work(tmp_path):
    logs = ndjson(quiet_weeks())
    done = habitus_process("score", "-", "--out", tmp_path / "out", "--format", "ndjson", stdin=logs)
    assert done.returncode == 0, done.stderr.decode()
    rows = [json.loads(line) for line in (tmp_path / "out" / "events.ndjson").read_text().splitlines()]
    assert len(rows) == 1440
    assert rows[0]["time"] == "2026-03-01T00:00:00.000000Z"
    days = [json.loads(line) for line in (tmp_path / "out" / "entity_days.ndjson").read_text().splitlines()]
    assert days[0]["day"] == "2026-03-10"


def test_state_carries_the_baseline_to_tomorrow(scored, tmp_path):
    out, _ = scored
    (tmp_path / "quiet.ndjson").write_bytes(ndjson(quiet_weeks()))
    (tmp_path / "strange.ndjson").write_bytes(ndjson(strange_day()))
    habitus("score", tmp_path / "quiet.ndjson", "--state", tmp_path / "state")
    done = habitus(
        "score", tmp_path / "strange.ndjson", "--state", tmp_path / "state", "--out", tmp_path / "out"
    )
    assert done.returncode == 0, done.stderr.decode()
    whole = pd.read_parquet(out / "events.parquet").tail(20).reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out" / "events.parquet"), whole)


def test_a_second_run_over_the_same_file_and_state_is_all_duplicates(tmp_path):
    (tmp_path / "quiet.ndjson").write_bytes(ndjson(quiet_weeks()))
    habitus("score", tmp_path / "quiet.ndjson", "--state", tmp_path / "state")
    done = habitus("score", tmp_path / "quiet.ndjson", "--state", tmp_path / "state")
    assert "scored 0 + duplicate 1,440" in done.stdout.decode()


def test_a_baseline_is_shown_in_shares_and_unlearned_by_window(tmp_path):
    quiet = quiet_weeks()
    (tmp_path / "all.ndjson").write_bytes(ndjson(quiet))
    state = tmp_path / "state"
    habitus("score", tmp_path / "all.ndjson", "--state", state)
    shown = habitus("baseline", "show", "CORP\\Alice", "--state", state).stdout.decode()
    assert "user alice" in shown
    assert "429 events: ws-1 75%, srv-1 25%" in shown  # 480, faded with a half-life of 30 days
    window = ("--from", "2026-03-05", "--to", "2026-03-06")
    done = habitus("unlearn", "--entity", "alice", *window, "--state", state)
    assert "took out 48 events of alice" in done.stdout.decode(), done.stderr.decode()
    after = habitus("baseline", "show", "alice", "--csv", "--state", state).stdout
    rest = [
        r for r in quiet if not (r["user"]["name"] == "alice" and 5760 <= (r["time"] - START) / 60_000 < 7200)
    ]
    assert len(rest) == len(quiet) - 48
    (tmp_path / "rest.ndjson").write_bytes(ndjson(rest))
    habitus("score", tmp_path / "rest.ndjson", "--state", tmp_path / "never")
    never = habitus("baseline", "show", "alice", "--csv", "--state", tmp_path / "never").stdout
    pd.testing.assert_frame_equal(pd.read_csv(BytesIO(after)), pd.read_csv(BytesIO(never)), rtol=1e-9)


def test_what_was_too_strange_is_held_back_from_the_baseline(tmp_path):
    (tmp_path / "all.ndjson").write_bytes(ndjson(quiet_weeks() + strange_day()))
    done = habitus("score", tmp_path / "all.ndjson", "--state", tmp_path / "state")
    held = int(re.search(r"(\d+) events held back", done.stdout.decode())[1])
    assert held == len(strange_day())
    shown = habitus("baseline", "show", "alice", "--state", tmp_path / "state").stdout.decode()
    assert "203.0.113.77" not in shown


def test_peer_groups_come_from_a_directory(tmp_path):
    (tmp_path / "logs.ndjson").write_bytes(ndjson(quiet_weeks() + strange_day()))
    (tmp_path / "people.csv").write_text(
        "entity_kind,entity,group\nuser,CORP\\alice,Finance\nuser,bob@corp.example,Finance\nuser,carol,Sales\n"
    )
    done = habitus("score", tmp_path / "logs.ndjson", "--directory", tmp_path / "people.csv",
                   "--out", tmp_path / "out")  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    days = pd.read_parquet(tmp_path / "out" / "entity_days.parquet")
    assert any("in Finance" in reason for reasons in days["reasons"] for reason in reasons)


def test_what_cannot_be_decoded_is_quarantined_with_line_and_reason(tmp_path):
    lines = (
        ndjson(quiet_weeks()[:10])
        + b'{"class_uid": 3002, "broken\n\xff\xfe\x00\n'
        + ndjson(quiet_weeks()[10:20])
    )
    (tmp_path / "logs.ndjson").write_bytes(lines)
    done = habitus("score", tmp_path / "logs.ndjson", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr.decode()
    aside = [json.loads(line) for line in (tmp_path / "out" / "quarantine.ndjson").read_text().splitlines()]
    assert [record["record"] for record in aside] == [11, 12]
    assert all(record["reason"] and record["file"].endswith("logs.ndjson") for record in aside)
    ledger = json.loads((tmp_path / "out" / "ledger.json").read_text())
    assert (ledger["read"], ledger["scored"], ledger["quarantined"]) == (22, 20, 2)


def test_nothing_hostile_reaches_the_terminal(tmp_path):
    evil = "\x1b[2J\u202eecila\x07\r\nforged line\x00"
    records = quiet_weeks() + [
        logon(14_500 + minute, f"{evil}{minute}", f"ws-1{evil}", uid=f"evil-{minute}") for minute in range(30)
    ]
    (tmp_path / "logs.ndjson").write_bytes(ndjson(records))
    done = habitus("score", tmp_path / "logs.ndjson", "--state", tmp_path / "state", "--top", "50")
    assert done.returncode == 0, done.stderr.decode()
    shown = habitus("baseline", "show", f"x{evil.replace(chr(0), '')}", "--state", tmp_path / "state")
    for text in (done.stdout.decode(), done.stderr.decode(), shown.stdout.decode(), shown.stderr.decode()):
        assert all(character.isprintable() or character == "\n" for character in text)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["score", "no-such-file.ndjson"], 1, "no such file"),
        (["score"], 2, "FILE"),
        (["score", "x", "--source", "nonsense"], 1, "no such file"),
        (["score", "{prose}"], 1, "--source"),
        (["score", "{prose}", "--source", "nonsense"], 1, "choose one of"),
        (["score", "{damaged}"], 1, "cannot be read"),
        (["score", "{empty_folder}"], 1, "no log files"),
        (["baseline", "show", "alice", "--state", "nowhere"], 1, "no state here"),
        (["unlearn", "--entity", "a", "--from", "soon", "--to", "later", "--state", "."], 1, "ISO 8601"),
        (["nonsense"], 2, "No such command"),
        (["score", "{prose}", "--top", "-1"], 2, "--top"),
    ],
)
def test_a_mistake_gets_one_line_that_says_what_to_do(tmp_path, monkeypatch, arguments, code, says):
    (tmp_path / "prose.txt").write_text("It was a dark and stormy night.\n")
    (tmp_path / "cut.ndjson.gz").write_bytes(gzip.compress(b"x" * 1000)[:15])
    (tmp_path / "empty").mkdir()
    places = {
        "{prose}": tmp_path / "prose.txt",
        "{damaged}": tmp_path / "cut.ndjson.gz",
        "{empty_folder}": tmp_path / "empty",
    }
    monkeypatch.chdir(tmp_path)
    done = habitus(*[places.get(argument, argument) for argument in arguments])
    assert done.returncode == code
    assert says in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_two_writers_cannot_share_a_state_folder(tmp_path):
    from serving.state import locked

    (tmp_path / "logs.ndjson").write_bytes(ndjson(quiet_weeks()[:10]))
    with locked(tmp_path / "state"):
        done = habitus("score", tmp_path / "logs.ndjson", "--state", tmp_path / "state")
    assert done.returncode == 1
    assert "another habitus" in done.stderr.decode()


def test_doctor_finds_a_damaged_state(tmp_path):
    (tmp_path / "logs.ndjson").write_bytes(ndjson(quiet_weeks()[:10]))
    habitus("score", tmp_path / "logs.ndjson", "--state", tmp_path / "state")
    assert habitus("doctor", "--state", tmp_path / "state").returncode == 0
    [arrays] = (tmp_path / "state").glob("checkpoint-*/arrays.safetensors")
    content = bytearray(arrays.read_bytes())
    content[-1] ^= 1
    arrays.write_bytes(content)
    done = habitus("doctor", "--state", tmp_path / "state")
    assert done.returncode == 1
    assert "checksum" in done.stdout.decode()


def test_help_needs_no_heavy_import():
    code = (
        "import sys; from serving.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'numba', 'numpy', 'pandas', 'pyarrow', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().splitlines()[-1] == "[]"


def test_an_event_without_an_id_of_its_own_is_named_the_same_in_every_run(tmp_path):
    (tmp_path / "auth.log").write_text(
        "Mar  1 06:55:46 web-1 sshd[24200]: Accepted password for alice from 203.0.113.9 port 4242 ssh2\n"
        "Mar  1 06:56:46 web-1 sshd[24201]: Accepted password for bob from 203.0.113.9 port 4243 ssh2\n"
    )
    names = []
    for run in ("first", "second"):
        assert habitus("score", tmp_path / "auth.log", "--out", tmp_path / run).returncode == 0
        names.append(pd.read_parquet(tmp_path / run / "events.parquet")["event_uid"].tolist())
    assert names[0] == names[1]
    assert len(set(names[0])) == 2
