"""A checkpoint is read back as it was written, or refused; what is current changes in one step."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from features import checkpoint
from features.errors import StateError

ARRAYS = {
    "weights": np.linspace(0.1, 7.7, 50),
    "keys": np.arange(50) << 40,
    "blob": np.frombuffer(b"a\x00b\xff", np.uint8),
    "empty": np.zeros((0, 26), np.int32),
    "flags": np.array([True, False]),
    "hashes": np.array([2**64 - 1, 0], np.uint64),
}
SETTINGS = {
    "landmark_us": None,
    "watermark_us": 4_102_444_800_000_000,
    "third": 1 / 3,
    "key_seed": 2**62 - 1,
    "sids": {"s-1-5-21-\u00e9": "jos\u00e9", "\ud800": "\x00"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    checkpoint.write(tmp_path / "state", ARRAYS, SETTINGS, "schema")
    return tmp_path / "state"


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def assert_reads(folder: Path, settings: dict[str, object] = SETTINGS) -> None:
    found = checkpoint.read(folder, "schema")
    assert found is not None
    arrays, read_settings = found
    assert read_settings == settings
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        assert arrays[name].tobytes() == array.tobytes()


def test_arrays_and_settings_come_back_bit_for_bit(folder):
    assert_reads(folder)


def test_a_folder_without_a_checkpoint_holds_none(tmp_path):
    assert checkpoint.read(tmp_path, "schema") is None
    assert checkpoint.read(tmp_path / "missing", "schema") is None
    (tmp_path / "checkpoint-notes").mkdir()
    (tmp_path / "README").write_text("mine")
    assert checkpoint.read(tmp_path, "schema") is None


def test_only_the_newest_checkpoint_is_kept_and_foreign_files_are_left_alone(folder):
    (folder / "checkpoint-of-last-week").mkdir()
    (folder / "checkpoint-of-last-week" / "notes.txt").write_text("mine")
    for number in range(3):
        checkpoint.write(folder, ARRAYS, {"number": number}, "schema")
        assert_reads(folder, {"number": number})
    assert len(list(folder.glob("checkpoint-0*"))) == 1
    assert (folder / "checkpoint-of-last-week" / "notes.txt").read_text() == "mine"


def test_damage_of_any_single_byte_is_refused(folder):
    """All bytes of the pointer and a sample of the others; a flipped bit, NUL, and whitespace for each."""
    refused = 0
    for path in files(folder):
        good = path.read_bytes()
        places = (
            range(len(good)) if len(good) < 100 else [*range(90), *range(90, len(good), 23), len(good) - 1]
        )
        for place in places:
            for bad in {good[place] ^ 0x01, good[place] ^ 0x80, 0x00, 0x20, 0x09, 0x0A} - {good[place]}:
                path.write_bytes(good[:place] + bytes([bad]) + good[place + 1 :])
                with pytest.raises(StateError):
                    checkpoint.read(folder, "schema")
                refused += 1
        path.write_bytes(good)
    assert refused > 1000
    assert_reads(folder)


@pytest.mark.parametrize(
    "change", [lambda good: good[:-1], lambda good: good + b"\n", lambda good: b"", lambda good: good * 2]
)
def test_cut_and_lengthened_files_are_refused(folder, change):
    for path in files(folder):
        good = path.read_bytes()
        path.write_bytes(change(good))
        with pytest.raises(StateError):
            checkpoint.read(folder, "schema")
        path.write_bytes(good)


def test_missing_files_are_refused(folder):
    for path in files(folder):
        good = path.read_bytes()
        path.unlink()
        with pytest.raises(StateError):
            checkpoint.read(folder, "schema")
        path.write_bytes(good)
    assert_reads(folder)
    shutil.rmtree(next(folder.glob("checkpoint-*")))
    with pytest.raises(StateError):
        checkpoint.read(folder, "schema")


@pytest.mark.parametrize(
    "foreign",
    [
        b"{}",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"\xff\xfe",
        b'{"sha256": 1, "manifest": 2}',
        b"\x80\x04].",
    ],
)
def test_foreign_files_are_refused(folder, foreign):
    for path in files(folder):
        good = path.read_bytes()
        path.write_bytes(foreign)
        with pytest.raises(StateError):
            checkpoint.read(folder, "schema")
        path.write_bytes(good)


@pytest.mark.parametrize(
    "name", ["../state/checkpoint-000001", "/etc", "checkpoint-000001/..", "checkpoint-\x00", "none "]
)
def test_the_pointer_leads_nowhere_else(folder, name):
    (folder / checkpoint.CURRENT).write_text(name)
    with pytest.raises(StateError):
        checkpoint.read(folder, "schema")


def test_another_schema_and_another_format_are_refused(folder, monkeypatch):
    with pytest.raises(StateError, match="behaviours"):
        checkpoint.read(folder, "another schema")
    monkeypatch.setattr(checkpoint, "FORMAT", checkpoint.FORMAT + 1)
    with pytest.raises(StateError, match="version"):
        checkpoint.read(folder, "schema")


class Crash(Exception):
    """Stands for the power going out."""


STEPS = ["mkdir", "open", "fsync", "replace", "rmtree"]


def crash_at(monkeypatch, call: int, *, done: bool) -> list[int]:
    """Make the given call that touches the disk fail, counted over all of them; returns the counter.

    done: after what it does; a file that was opened is there then, and empty.
    """
    calls = [0]

    def guarded(function):
        def wrapper(*args, **kwargs):
            calls[0] += 1
            last = calls[0] == call
            if last and not done:
                raise Crash
            found = function(*args, **kwargs)
            if last:
                if hasattr(found, "close"):
                    found.close()
                raise Crash
            return found

        return wrapper

    monkeypatch.setattr(Path, "mkdir", guarded(Path.mkdir))
    monkeypatch.setattr(Path, "open", guarded(Path.open))
    monkeypatch.setattr(Path, "replace", guarded(Path.replace))
    monkeypatch.setattr(os, "fsync", guarded(os.fsync))
    monkeypatch.setattr(shutil, "rmtree", guarded(shutil.rmtree))
    return calls


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_a_crash_at_any_step_leaves_the_former_or_the_new_state_and_the_next_write_works(
    tmp_path, first, done
):
    outcomes = []
    for call in range(1, 100):
        folder = tmp_path / str(call)
        if not first:
            checkpoint.write(folder, ARRAYS, {"number": 1}, "schema")
        with pytest.MonkeyPatch.context() as patch:
            calls = crash_at(patch, call, done=done)
            try:
                checkpoint.write(folder, ARRAYS, {"number": 2}, "schema")
            except Crash:
                crashed = True
            else:
                crashed = False
        found = checkpoint.read(folder, "schema") if folder.exists() else None
        outcomes.append(found[1]["number"] if found else None)
        checkpoint.write(folder, ARRAYS, {"number": 3}, "schema")
        assert_reads(folder, {"number": 3})
        assert len(list(folder.glob("checkpoint-*"))) == 1
        if not crashed:
            break
    former = None if first else 1
    assert calls[0] > 8
    assert outcomes == [former] * outcomes.count(former) + [2] * outcomes.count(2)
    assert outcomes.count(former) > 5
    assert outcomes.count(2) >= 2


def test_files_of_an_unfinished_write_are_ignored_and_removed(folder):
    partial = folder / "checkpoint-000009"
    partial.mkdir()
    (partial / checkpoint.ARRAYS).write_bytes(b"half of it")
    (folder / (checkpoint.CURRENT + ".new")).write_text("checkpoint-0000")
    assert_reads(folder)
    checkpoint.write(folder, ARRAYS, SETTINGS, "schema")
    assert_reads(folder)
    assert not partial.exists()


def test_a_checkpoint_is_data_only(folder):
    manifest = next(folder.glob("checkpoint-*")) / checkpoint.MANIFEST
    assert json.loads(json.loads(manifest.read_bytes())["manifest"])["format"] == checkpoint.FORMAT
    assert {path.suffix for path in files(folder)} == {"", ".json", ".safetensors"}
