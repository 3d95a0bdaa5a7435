"""The autoencoder and the sequence model: off unless asked for, and then part of the bundle like all else."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load, save

from features.baselines import DAY_US, Baselines
from features.enrich import GeoDatabase
from features.errors import InputError, StateError
from models.detector import Detector
from models.engine import Engine
from models.ranking.ranker import Ranker
from models.ranking.settings import AUTOENCODER, EXCESS, SEQUENCE, RankerSettings
from models.sequence.book import SequenceBook
from models.sequence.sequences import Sequences
from tests.batches import batch, story
from tests.training.small_models import DOCUMENTS, FACTS
from training import bundle, runfile
from training.manifest import ARRAYS, MANIFEST, FileFact, encoded

if TYPE_CHECKING:
    from features.columns import Batch

EVENTS = 6000


def events(detector: Detector) -> Batch:
    return batch(detector.baselines, story(5, EVENTS, people=60, days=12.0, strange=0.05))


def new() -> Detector:
    baselines = Baselines()
    members = (EXCESS, AUTOENCODER, SEQUENCE)
    weights = tuple((name, 1.0) for name in members)
    return Detector(
        baselines=baselines,
        engine=Engine(baselines),
        key_seed=7,
        geo=GeoDatabase(),
        ranker=Ranker(RankerSettings(members=members, weights=weights, refit_days=4, device="cpu")),
    )


@pytest.fixture(scope="module")
def learned() -> Detector:
    pytest.importorskip("torch")
    detector = new()
    detector.score_learn(events(detector))
    return detector


@pytest.fixture(scope="module")
def written(learned, tmp_path_factory) -> bundle.Bundle:
    return bundle.write(tmp_path_factory.mktemp("models") / "office", learned, FACTS, DOCUMENTS)


def test_they_are_off_by_default():
    assert Detector(key_seed=1).sequences is None
    assert not {AUTOENCODER, SEQUENCE} & set(RankerSettings().members)


def test_a_run_file_switches_them_on_with_a_weight_of_their_own():
    text = '[data]\nlake = "lake"\n[ranker]\nalso = ["autoencoder", "sequence"]\nweights = {sequence = 0.5}\n'
    settings = runfile.parsed(text.encode()).ranker_settings()
    assert settings.on(AUTOENCODER)
    assert settings.on(SEQUENCE)
    assert dict(settings.weights)[AUTOENCODER] == 1.0
    assert dict(settings.weights)[SEQUENCE] == 0.5
    with pytest.raises(InputError, match="no member is called 'transformer'"):
        runfile.parsed(b'[data]\nlake = "lake"\n[ranker]\nalso = ["transformer"]\n')


def test_they_have_something_to_say_of_users_and_hosts(learned):
    table = learned.today()
    scores = learned.ranker.score(table)
    people = table.kind < 2
    for name in (AUTOENCODER, SEQUENCE):
        said = np.isfinite(scores.members[name][people])
        assert said.mean() > 0.9, name
        assert np.ptp(scores.members[name][people][said]) > 0.5


def test_cutting_the_stream_elsewhere_gives_the_same_sequences():
    baselines = Baselines()
    whole = batch(baselines, story(5, EVENTS, people=20, days=4.0))
    day = whole.time_us // DAY_US
    books = [SequenceBook(baselines), SequenceBook(baselines)]
    for book, portion in zip(books, (EVENTS, 97), strict=True):
        for today in np.unique(day).tolist():
            book.open_day(today)
            rows = np.flatnonzero(day == today)
            for start in range(0, len(rows), portion):
                book.add(whole.take(rows[start : start + portion]))
                book.sequences()  # looking on the way must not matter
            book.close_day()
    first, second = (book.past.sequences for book in books)
    assert len(first) > 100
    assert first.tokens.tobytes() == second.tokens.tobytes()
    assert first.owner.tobytes() == second.owner.tobytes()


def test_a_bundle_brings_them_back_bit_for_bit(learned, written):
    restored, _ = bundle.load_detector(written.folder, written.digest, geo=learned.geo)
    before, after = (one.ranker.score(one.today()) for one in (learned, restored))
    assert before.risk.tobytes() == after.risk.tobytes()
    for name, nats in before.members.items():
        assert nats.tobytes() == after.members[name].tobytes(), name


def test_a_renumbering_of_ids_does_not_change_what_they_say(learned):
    moved = np.concatenate([[0], 1 + np.random.default_rng(0).permutation(2000)])
    table = learned.today()
    z = learned.ranker.usual(table)[1]
    renamed = table._replace(entity=moved[table.entity].astype(np.int32))
    autoencoder = learned.ranker._ensemble.autoencoder
    np.testing.assert_array_equal(autoencoder.renumber(moved).score(renamed, z), autoencoder.score(table, z))
    model, today = learned.sequences.model, learned.sequences.sequences()
    same = Sequences(today.tokens, today.starts, moved[today.owner])
    np.testing.assert_array_equal(model.renumber(moved).score(same), model.score(today))


def tampered(written: bundle.Bundle, folder, change) -> None:
    """A copy of a bundle with other arrays whose manifest agrees with them, as an attacker would make it."""
    shutil.copytree(written.folder, folder)
    content = save(change(load((folder / ARRAYS).read_bytes())))
    (folder / ARRAYS).write_bytes(content)
    fact = FileFact(len(content), bundle._digest(content))
    files = written.manifest.files | {ARRAYS: fact}
    manifest = msgspec.structs.replace(written.manifest, files=files)
    (folder / MANIFEST).write_bytes(encoded(manifest))


def test_a_weight_that_is_no_number_is_refused_even_with_a_matching_checksum(written, tmp_path):
    def poisoned(arrays):
        name = next(name for name in arrays if name.endswith("gru.weight_hh_l0"))
        weights = arrays[name].copy()
        weights[0, 0] = np.nan
        return arrays | {name: weights}

    tampered(written, tmp_path / "bad", poisoned)
    with pytest.raises(StateError, match="no finite numbers"):
        bundle.load_detector(tmp_path / "bad")


def test_a_network_of_another_shape_is_refused(written, tmp_path):
    def cut(arrays):
        name = next(name for name in arrays if name.endswith("network_0.decode.weight"))
        return arrays | {name: arrays[name][:-1].copy()}

    tampered(written, tmp_path / "bad", cut)
    with pytest.raises(StateError, match="shape"):
        bundle.load_detector(tmp_path / "bad")


def test_a_flipped_byte_is_refused(written, tmp_path):
    folder = tmp_path / "bad"
    shutil.copytree(written.folder, folder)
    path = folder / "arrays.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(StateError, match="does not match its checksum"):
        bundle.load_detector(folder)


def test_settings_of_a_bundle_say_that_they_are_on(written):
    settings = json.loads((written.folder / "settings.json").read_text())
    assert settings["sequences"]["fitted"]
    assert "autoencoder" in settings["ranker"]
