"""From a run file to a champion, at the command line, and back by one step with the very same scores."""

from __future__ import annotations

import json

import numpy as np
import pytest

from serving.cli.main import main
from tests.training.conftest import CUT
from training import bundle, events_table, history
from training.manifest import RUN

pytestmark = pytest.mark.filterwarnings("ignore")


def habitus(*arguments: object) -> int:
    """The exit code."""
    with pytest.raises(SystemExit) as end:
        main([str(part) for part in arguments])
    return int(end.value.code or 0)


def test_from_a_run_file_to_a_champion_and_back(office, tmp_path, capsys):
    models = tmp_path / "habitus-models"
    run = tmp_path / "office.toml"
    text = (
        f'name = "office"\n[data]\nlake = "{office.folder / "lake"}"\nuntil = {CUT}\n'
        '[ranker]\nmembers = ["excess"]\n[evaluation]\nwarm_up_days = 2\n'
    )
    run.write_text(text)
    recent = ("--lake", office.folder / "lake", "--models", models)

    assert habitus("train", run, "--out", tmp_path / "kept") == 0
    assert (models / "registry.db").is_file(), "beside the run file unless it says otherwise"
    assert "office version 1 is registered" in capsys.readouterr().out
    assert bundle.verify(tmp_path / "kept").manifest.files.keys() >= {RUN}
    assert habitus("promote", "office", "--models", models) == 0
    assert "office version 1 is champion now" in capsys.readouterr().out

    run.write_text(text + '[detector]\noff = ["habit", "volume", "link", "return", "travel"]\n')
    assert habitus("train", run, "--models", models) == 0
    assert habitus("promote", "office", *recent) == 1
    out = capsys.readouterr().out
    assert "office version 2 is refused" in out
    assert "ranks differently" in out

    def scores() -> tuple[str, bytes]:
        place = tmp_path / f"fetched-{len(list(tmp_path.iterdir()))}"
        assert habitus("models", "fetch", "office", place, "--models", models) == 0
        detector, found = bundle.load_detector(place)
        table = next(office.lake.between(history.day_start_us(CUT), 1 << 60).slices()).slice(0, 3000)
        batch = events_table.batch_of(table, detector.baselines)
        return found.digest, np.ascontiguousarray(detector.score_learn(batch).evidence).tobytes()

    before = scores()
    from training.tracking import Registry

    registry = Registry(str(models))
    registry.promote(registry.version("office", "2"))
    assert scores() != before
    assert habitus("rollback", "office", "--models", models) == 0
    assert "office version 1 is champion again" in capsys.readouterr().out
    assert scores() == before

    assert habitus("models", "list", "--models", models) == 0
    assert "champion" in capsys.readouterr().out
    assert habitus("models", "show", "office", "--models", models) == 0
    assert "What it cannot see" in capsys.readouterr().out
    assert habitus("drift", "office", *recent, "--out", tmp_path / "drift.json") == 0
    assert json.loads((tmp_path / "drift.json").read_text())["model"] == "office version 1"
    state = tmp_path / "state"
    assert habitus("models", "start", "office", "--state", state, "--models", models) == 0
    assert habitus("models", "start", "office", "--state", state, "--models", models) == 1
    assert habitus("baseline", "show", "--help") == 0


def test_mistakes_are_one_line(tmp_path, capsys):
    assert habitus("train", tmp_path / "none.toml") == 1
    assert "cannot be read" in capsys.readouterr().err
    assert habitus("models", "list", "--models", tmp_path / "none") == 1
    assert "no such folder of models" in capsys.readouterr().err
    (tmp_path / "run.toml").write_text('[data]\nfiles = ["none.ndjson"]\n')
    assert habitus("train", tmp_path / "run.toml") == 1
    err = capsys.readouterr().err
    assert "none.ndjson" in err
    assert "Traceback" not in err
    (tmp_path / "run.toml").write_text("[data.simulated]\nseed = 9310\n")
    assert habitus("train", tmp_path / "run.toml") == 1
    assert "held out" in capsys.readouterr().err
