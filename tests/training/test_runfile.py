"""A run file says all that a model depends on, and whatever it misspells is an error, not a default."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from features.errors import InputError
from models.ranking.settings import RankerSettings
from training import runfile

SMALLEST = b'[data]\nfiles = ["logs"]\n'


def test_the_smallest_run_file_has_the_detectors_own_defaults():
    run = runfile.parsed(SMALLEST)
    settings = run.ranker_settings()
    assert dict(settings.weights) == dict(RankerSettings().weights)
    assert settings.members == RankerSettings().members
    assert run.protocol().warm_up_days == 28


def test_every_table_is_read():
    run = runfile.parsed(
        b"""
        name = "office"
        [data]
        lake = "lake"
        until = 2026-03-01
        [detector]
        half_life_days = 14
        off = ["link", "travel"]
        seed = 9
        [ranker]
        members = ["excess", "histogram"]
        weights = {excess = 2, histogram = 1.5}
        [evaluation]
        warm_up_days = 3
        [tracking]
        uri = "http://127.0.0.1:5000"
        """
    )
    assert run.data.until == date(2026, 3, 1)
    assert run.detector.half_life_days == 14.0
    assert run.ranker_settings().seed == 9
    assert run.ranker_settings(seed=4).seed == 4
    assert dict(run.ranker_settings().weights) == {"excess": 2.0, "histogram": 1.5}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('[data]\nfile = ["x"]', r"unknown key data\.file; did you mean files\?"),
        ('[dta]\nfiles = ["x"]', r"unknown key dta; did you mean data\?"),
        ('[data]\nfiles = ["x"]\n[detector]\nhalf_live_days = 3', r"did you mean half_life_days\?"),
        ('[data]\nfiles = ["x"]\n[data.simulated]\nsed = 3', r"data\.simulated\.sed; did you mean seed\?"),
        ('half_life_days = 3\n[data]\nfiles = ["x"]', r"did you mean detector\.half_life_days\?"),
        ('[data]\nfiles = ["x"]\nqqqqqqq = 1', r"known are files, lake"),
        ('[data]\nfiles = "x"', r"data\.files: expected `array`, got `str`"),
        ("", r"missing required field `data`"),
        ("[data]", r"no history"),
        ('[data]\nfiles = ["x"]\nlake = "y"', r"files and lake"),
        ("[data.simulated]\nusers = 3", r"missing required field `seed`"),
        ('[data]\nlabels = "x"\n[data.simulated]\nseed = 3', r"labels belongs to files"),
        ('[data]\nlake = "x"\nsource = "zeek"', r"belong to files"),
        ('[data]\nfiles = ["x"]\nmapping = "m"\nsource = "zeek"', r"exclude each other"),
        ('[data]\nfiles = ["x"]\nsince = 2026-01-02\nuntil = 2026-01-02', r"before data\.until"),
        ('name = "../x"\n[data]\nfiles = ["x"]', r"lower-case letters"),
        ('[data]\nfiles = ["x"]\n[detector]\noff = ["links"]', r"did you mean link\?"),
        ('[data]\nfiles = ["x"]\n[detector]\nhalf_life_days = 0', r"half_life_days is 0"),
        ('[data]\nfiles = ["x"]\n[detector]\nhalf_life_days = nan', r"half_life_days is nan"),
        ('[data]\nfiles = ["x"]\n[detector]\nseed = -1', r"seed is -1"),
        ('[data]\nfiles = ["x"]\n[ranker]\nmembers = ["forest"]', r"no member is called 'forest'"),
        ('[data]\nfiles = ["x"]\n[evaluation]\nbudget = -3', r"budget of -3"),
        ('[data]\nfiles = ["x"]\n[evaluation]\nwarm_up_days = -3', r"warm-up of -3"),
        ("[data", r"is no TOML"),
        ("\xff", r"is no TOML"),
    ],
)
def test_a_mistake_is_named_with_what_was_probably_meant(text, match):
    with pytest.raises(InputError, match=match) as caught:
        runfile.parsed(text.encode("latin-1"), "runs/office.toml")
    assert str(caught.value).startswith("runs/office.toml: ")


def test_a_run_file_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        runfile.read_run(tmp_path / "none.toml")


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "runs").glob("*.toml")), ids=str)
def test_the_run_files_that_ship_can_be_read(path):
    assert runfile.read_run(path)[1] == path.read_bytes()
