"""Real logs: every record is accounted for, both encodings of one traffic agree, reasons can be read."""

from __future__ import annotations

import csv

import pytest

from benchmarks import bench_masquerade, bench_real_logs
from features import files
from features.sources import registry
from features.sources.base import SourceContext
from models.detector import Detector
from serving.replay import choose_sources, replay


@pytest.fixture(scope="module")
def readings(real_data):
    return {row.file: row for row in bench_real_logs.readings(real_data)}


COMPARED = (" of ", "first ", "no such time ", "known to ", "km/h", "similar habits", "usually ")
"""Words of a reason that says what is usual."""


def test_every_record_is_read_once_and_the_ledger_balances(readings):
    for row in readings.values():
        assert row.read == row.scored + row.duplicate + row.quarantined, row.file


def test_the_manifest_counts_what_is_read(real_data, readings):
    with (real_data / "MANIFEST.csv").open() as file:
        promised = {row["path"]: row["rows"] for row in csv.DictReader(file)}
    # auditd writes several lines about one event: its records are fewer than its lines
    different = [
        name
        for name, row in readings.items()
        if promised[name] not in ("", str(row.read)) and row.source != "auditd"
    ]
    assert different == []


def test_nothing_is_quarantined_since_nothing_in_these_logs_is_broken(readings):
    assert {row.file: dict(row.reasons) for row in readings.values() if row.quarantined} == {}


def test_exact_repeats_are_the_only_duplicates_of_the_windows_scenarios(readings):
    assert sum(row.duplicate for name, row in readings.items() if name.startswith("otrf/")) == 1_418


def test_zeek_tsv_and_json_of_one_traffic_give_the_same_events(real_data):
    def events(path):
        log = files.open_log(path)
        decoder = registry.decoder_class("zeek")(SourceContext(path=log.name))
        return [decoder.decode(record) for _, record in decoder.frames(files.records(log))]

    compared = 0
    for tsv in sorted((real_data / "zeek" / "zed-tsv").glob("*.log.gz")):
        json_twin = real_data / "zeek" / "zed-json" / tsv.name.replace(".log.gz", ".ndjson.gz")
        first, second = events(tsv), events(json_twin)
        assert first == second, tsv.name
        compared += len(first)
    assert compared == 54_687


@pytest.mark.parametrize("folder", ["otrf", "cloudtrail", "syslog", "azure_ad"])
def test_the_top_twenty_entity_days_have_reasons_in_words(real_data, folder):
    detector = Detector(key_seed=1)
    reader = detector.reader()
    logs, _ = choose_sources(reader, [str(real_data / folder)])
    frame, ledger = replay(detector, reader, logs)
    assert ledger.balanced
    top = frame[frame["risk"] > 0].nlargest(20, "risk")
    assert len(top) >= 5
    for reasons in top["reasons"]:
        assert reasons
        for reason in reasons:
            assert reason.isprintable()
            assert " nats, 1 in " in reason or reason.startswith("an unusual mixture")
            assert any(word in reason for word in COMPARED), reason


@pytest.fixture(scope="module")
def masquerade(real_data):
    return {(row.user, row.method): row for row in bench_masquerade.evaluate(real_data)}


@pytest.mark.parametrize("user", bench_masquerade.USERS)
def test_a_masquerader_is_told_from_the_user_with_peers_as_background(masquerade, user):
    row = masquerade[user, "habitus, peers as background"]
    assert row.auc >= 0.979  # .980 .999 1.000 .999 on the day of writing
    assert row.recall >= 0.95


def test_a_masquerader_is_told_from_the_user_when_nothing_is_known_of_him(masquerade):
    rows = [masquerade[user, "habitus, impostor left out"] for user in bench_masquerade.USERS]
    assert sum(row.auc for row in rows) / len(rows) >= 0.95


def test_the_likelihood_ratio_beats_the_plain_baselines_for_every_user(masquerade):
    for user in bench_masquerade.USERS:
        ours = masquerade[user, "habitus, peers as background"].auc
        assert ours > masquerade[user, "self-surprisal"].auc
        assert ours > masquerade[user, "isolation forest"].auc
