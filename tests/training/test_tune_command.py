"""`habitus tune` at the command line: tries, prints, writes the best values, and goes on where it was."""

from __future__ import annotations

import fcntl
import tomllib

import pytest

from serving.cli.main import main
from training import runfile

pytest.importorskip("optuna")
pytestmark = pytest.mark.filterwarnings("ignore")


def habitus(*arguments: object) -> int:
    """The exit code."""
    with pytest.raises(SystemExit) as end:
        main([str(part) for part in arguments])
    return int(end.value.code or 0)


@pytest.fixture
def run_file(office, tmp_path):
    path = tmp_path / "office.toml"
    path.write_text(
        f'name = "office"\n[data]\nlake = "{office.folder / "lake"}"\n'
        f'labels = "{office.folder / "labels.ndjson"}"\n'
        '[ranker]\nmembers = ["excess"]\n[evaluation]\nwarm_up_days = 1\n'
        '[tune]\ntrials = 2\n[tune.space]\n"detector.hold_days" = {low = 2.0, high = 9.0}\n'
    )
    return path


def test_two_trials_and_then_nothing_is_left_to_do(run_file, tmp_path, capsys):
    best = tmp_path / "best.toml"
    assert habitus("tune", run_file, "--out", best) == 0
    said = capsys.readouterr()
    assert "trial 0: ap" in said.err
    assert "trial 1:" in said.err
    assert "2 trials" in said.out
    assert "the run file as it stands: ap" in said.out
    found = tomllib.loads(best.read_text())["detector"]["hold_days"]
    assert 2.0 <= found <= 9.0
    assert runfile.parsed(('[data]\nlake = "lake"\n' + best.read_text()).encode()).detector.hold_days == found
    assert habitus("tune", run_file) == 0
    said = capsys.readouterr()
    assert "going on after 2 trials" in said.err
    assert "trial 2:" not in said.err


def test_a_study_that_another_process_works_on_is_refused(run_file, capsys):
    with (run_file.parent / "office.study.db.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert habitus("tune", run_file) == 1
    assert "another `habitus tune` works on this study" in capsys.readouterr().err
