"""A model comes back exactly as it was, and anything that is not what was written is refused before use."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import struct
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load, save

from features.enrich import GeoDatabase
from features.errors import InputError, StateError
from models.detector import Detector
from tests.batches import assert_identical
from tests.training.small_models import DOCUMENTS, EVENTS, FACTS, events, fitted, written
from training import bundle
from training.manifest import ARRAYS, MANIFEST, SETTINGS, FileFact, Manifest, encoded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> bundle.Bundle:
    return written(tmp_path_factory.mktemp("models") / "office")


@pytest.fixture
def copy(original, tmp_path) -> Path:
    return shutil.copytree(original.folder, tmp_path / "office")


def resealed(folder: Path, change: Callable[[Manifest], Manifest] = lambda manifest: manifest) -> None:
    """What an attacker does who knows the format: sizes and checksums fit again."""
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    files = {}
    for path in manifest.files:
        content = (folder / path).read_bytes()
        files[path] = FileFact(len(content), hashlib.sha256(content).hexdigest())
    (folder / MANIFEST).write_bytes(encoded(change(msgspec.structs.replace(manifest, files=files))))


def refused(folder: Path, match: str, digest: str = "") -> None:
    for look in (bundle.verify, bundle.load_detector):
        with pytest.raises(StateError, match=match):
            look(folder, digest)


def not_loaded(folder: Path, match: str) -> None:
    """What only a look at the content shows."""
    with pytest.raises(StateError, match=match):
        bundle.load_detector(folder)


def replaced(folder: Path, name: str, array: np.ndarray) -> None:
    arrays = load((folder / ARRAYS).read_bytes())
    assert name in arrays
    (folder / ARRAYS).write_bytes(save(arrays | {name: array}))
    resealed(folder)


# ------------------------------------------------------------------------------------------------- round trip


def test_a_loaded_model_scores_bit_for_bit_as_one_from_a_checkpoint(original, tmp_path):
    fitted().save(tmp_path)
    loaded, found = bundle.load_detector(original.folder, original.digest)
    assert found == original
    assert_identical(
        *(
            detector.score_learn(events(detector).take(slice(EVENTS // 2, None)))
            for detector in (Detector.load(tmp_path, geo=GeoDatabase()), loaded)
        )
    )


def test_the_same_detector_gives_the_same_bundle_bit_for_bit(original, tmp_path):
    again = written(tmp_path / "again")
    assert again.digest == original.digest
    for path in (*original.manifest.files, MANIFEST):
        assert (again.folder / path).read_bytes() == (original.folder / path).read_bytes(), path


def test_channels_that_were_off_stay_off(tmp_path):
    loaded, _ = bundle.load_detector(written(tmp_path / "deaf", frozenset({"habit", "volume"})).folder)
    assert loaded.off == {"habit", "volume"}
    scores = loaded.score_learn(events(loaded).take(slice(EVENTS // 2, None)))
    assert not scores.details.gain[scores.details.behaviour < loaded.channels.volume].any()


def test_the_secret_of_deduplication_stays_behind(original):
    settings = json.loads((original.folder / SETTINGS).read_bytes())
    arrays = load((original.folder / ARRAYS).read_bytes())
    assert settings["key_seed"] == 0
    assert not len(arrays["seen_current"])


def test_documents_are_read_back_and_missing_ones_are_none(original):
    assert bundle.read_document(original, "run.toml") == DOCUMENTS["run.toml"]
    assert bundle.read_document(original, "card.md") is None


def test_nothing_is_written_over_and_nothing_is_left_half_written(original, tmp_path):
    with pytest.raises(InputError, match="exists already"):
        bundle.write(original.folder, fitted(), FACTS, {})
    with pytest.raises(StateError, match="no part of a model"):
        bundle.write(tmp_path / "odd", fitted(), FACTS, {"notes.txt": b""})
    with pytest.raises(InputError, match="cannot be the name"):
        bundle.write(tmp_path / "odd", fitted(), FACTS._replace(name="../up"), {})
    assert list(tmp_path.iterdir()) == []


def test_a_detector_with_broken_weights_is_not_written(tmp_path):
    detector = fitted()
    detector.engine.behaviours.bins[0, 0] = np.nan
    with pytest.raises(StateError, match="no finite numbers"):
        bundle.write(tmp_path / "broken", detector, FACTS, {})
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------------------------- attacks


@pytest.mark.parametrize("path", [ARRAYS, SETTINGS, "run.toml", "pictures/calibration.svg"])
def test_a_changed_byte_is_refused(copy, path):
    content = bytearray((copy / path).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / path).write_bytes(content)
    refused(copy, "does not match its checksum")


def test_a_shortened_file_is_refused(copy):
    os.truncate(copy / ARRAYS, 1000)
    refused(copy, "bytes instead of")


def test_a_missing_file_is_refused(copy):
    (copy / ARRAYS).unlink()
    refused(copy, "cannot be read as a plain file")


def test_a_consistent_model_that_is_not_the_registered_one_is_refused(copy, original):
    (copy / "run.toml").write_bytes(b'name = "other"\n')
    resealed(copy)
    refused(copy, "not the model that was registered", original.digest)
    bundle.verify(copy)


def test_two_files_of_a_model_swapped_are_refused(copy, tmp_path):
    other = written(tmp_path / "deaf", frozenset({"habit"}))
    (copy / SETTINGS).write_bytes((other.folder / ARRAYS).read_bytes())
    refused(copy, "bytes instead of")
    resealed(copy)
    not_loaded(copy, "not JSON")


@pytest.mark.parametrize("name", ["extra.json", "pictures/more.svg", "model.pkl", ".hidden"])
def test_a_file_that_the_manifest_does_not_name_is_refused(copy, name):
    (copy / name).write_bytes(pickle.dumps({"weights": 1}))
    refused(copy, "no part of the model")


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("weights.pkl", "can hold code"),
        ("model.joblib", "can hold code"),
        ("../../etc/passwd", "outside of the model"),
        ("/etc/passwd", "outside of the model"),
        ("pictures/../../x.svg", "outside of the model"),
        ("..\\x.json", "outside of the model"),
        ("more.json", "no part of a model"),
    ],
)
def test_a_manifest_that_names_what_no_model_has_is_refused(copy, path, match):
    resealed(
        copy,
        lambda manifest: msgspec.structs.replace(
            manifest, files=manifest.files | {path: FileFact(1, "0" * 64)}
        ),
    )
    refused(copy, match)


def test_a_pickle_in_the_place_of_the_arrays_is_refused_without_running_it(copy, tmp_path):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    (copy / ARRAYS).write_bytes(pickle.dumps(Attack()))
    resealed(copy)
    not_loaded(copy, "none of habitus|no safetensors")
    assert not (tmp_path / "owned").exists()


def test_an_npz_in_the_place_of_the_arrays_is_refused(copy):
    content = io.BytesIO()
    np.savez(content, weights=np.zeros(3))
    (copy / ARRAYS).write_bytes(content.getvalue())
    resealed(copy)
    not_loaded(copy, "none of habitus|no safetensors")


def test_a_link_is_refused_even_when_what_it_leads_to_is_right(copy, original):
    (copy / SETTINGS).unlink()
    (copy / SETTINGS).symlink_to(original.folder / SETTINGS)
    refused(copy, "plain file")


def test_a_linked_folder_of_pictures_is_refused(copy, original):
    shutil.rmtree(copy / "pictures")
    (copy / "pictures").symlink_to(original.folder / "pictures")
    refused(copy, "no part of the model")


def test_a_linked_model_is_refused(tmp_path, original):
    (tmp_path / "link").symlink_to(original.folder)
    refused(tmp_path / "link", "no folder of a model")


def test_a_pipe_does_not_hold_anybody_up(copy):
    (copy / "run.toml").unlink()
    os.mkfifo(copy / "run.toml")
    refused(copy, "no plain file")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(copy, value):
    arrays = load((copy / ARRAYS).read_bytes())
    weights = arrays["weights"].copy()
    weights[3] = value
    replaced(copy, "weights", weights)
    not_loaded(copy, "no finite numbers")


def test_settings_that_are_no_numbers_are_refused(copy):
    text = (copy / SETTINGS).read_text()
    assert '"half_life_days": 30.0' in text
    (copy / SETTINGS).write_text(text.replace('"half_life_days": 30.0', '"half_life_days": NaN'))
    resealed(copy)
    not_loaded(copy, "not JSON as habitus writes it")


def test_a_header_that_claims_too_much_is_refused(copy):
    content = (copy / ARRAYS).read_bytes()
    for length in (bundle.HEADER_LIMIT + 1, 2**63):
        (copy / ARRAYS).write_bytes(struct.pack("<Q", length) + content[8:])
        resealed(copy)
        not_loaded(copy, "header of")


def test_a_header_too_large_for_any_model_is_refused(copy):
    header = b'{"__metadata__":{"x":"' + b"a" * bundle.HEADER_LIMIT + b'"}}'
    (copy / ARRAYS).write_bytes(struct.pack("<Q", len(header)) + header)
    resealed(copy)
    not_loaded(copy, "header of")


@pytest.mark.parametrize(
    "header",
    [
        b'{"weights":{"dtype":"F64","shape":[10],"data_offsets":[0,9999999]}}',
        b'{"weights":{"dtype":"F64","shape":[2305843009213693952,8],"data_offsets":[0,0]}}',
        b"[" * 100_000,
        b"[]",
        b'{"weights":1}',
    ],
)
def test_a_header_that_lies_is_refused(copy, header):
    (copy / ARRAYS).write_bytes(struct.pack("<Q", len(header)) + header)
    resealed(copy)
    not_loaded(copy, "no safetensors file")


def test_a_model_of_another_feature_schema_is_refused(copy):
    resealed(copy, lambda manifest: msgspec.structs.replace(manifest, feature_schema="0" * 64))
    not_loaded(copy, "trained with other features")


def test_a_model_of_another_format_is_refused(copy):
    resealed(copy, lambda manifest: msgspec.structs.replace(manifest, format=99))
    refused(copy, "format 99")


def test_a_model_without_a_part_is_refused(copy):
    arrays = load((copy / ARRAYS).read_bytes())
    del arrays["keys"]
    (copy / ARRAYS).write_bytes(save(arrays))
    resealed(copy)
    not_loaded(copy, "lacks or contradicts a part")


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[" * 100_000, b'{"format": 1}', b"\x80\x04K\x01.", b"null"],
)
def test_a_manifest_that_is_none_is_refused(copy, content):
    (copy / MANIFEST).write_bytes(content)
    refused(copy, "is no manifest")


def test_a_manifest_written_in_another_way_is_refused(copy):
    content = json.loads((copy / MANIFEST).read_bytes())
    (copy / MANIFEST).write_text(json.dumps(content))
    refused(copy, "not written as habitus writes it")
    (copy / MANIFEST).write_text(json.dumps(content | {"more": 1}))
    refused(copy, "is no manifest")


def test_a_manifest_too_large_to_be_one_is_not_read(copy):
    (copy / MANIFEST).write_bytes(b" " * (2 << 20))
    refused(copy, "more than the")
