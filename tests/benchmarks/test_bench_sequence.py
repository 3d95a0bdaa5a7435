"""The benchmark of the sequence model: what it cuts, and that it runs from end to end on little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import bench_sequence
from models.sequence.sequences import sequences_of


def task() -> bench_sequence.Task:
    """Two people who go round a circle, one way and the other."""
    rng = np.random.default_rng(0)

    def lines(count: int) -> tuple[list[list[int]], list[int]]:
        found, owners = [], []
        for number in range(count):
            owner = 1 + number % 2
            start = int(rng.integers(0, 12))
            found.append([(start + step * (1 if owner == 1 else 11)) % 12 + 5 for step in range(15)])
            owners.append(owner)
        return found, owners

    own = sequences_of(*lines(20))
    return bench_sequence.Task(
        "circle",
        sequences_of(*lines(80)),
        sequences_of(*lines(10)),
        own,
        replace(own, owner=3 - own.owner),
    )


@pytest.mark.parametrize("method", ["unigram", "bigram"])
def test_a_bigram_tells_directions_apart_and_a_unigram_cannot(method):
    result = bench_sequence.measured(task(), method)
    assert result.perplexity > 1
    if method == "bigram":
        assert result.auc_mean > 0.95
        assert result.perplexity < 3
    else:
        assert result.auc_mean < 0.7
        assert result.perplexity > 10


def test_real_histories_are_cut_into_blocks_of_their_owners_and_of_others(tmp_path):
    folder = tmp_path / "purdue"
    folder.mkdir()
    for number, user in enumerate(bench_sequence.USERS):
        words = [f"tool{number}"] * (bench_sequence.LEARNED + 2 * bench_sequence.BLOCK + 7)
        (folder / f"{user}.txt").write_text("\n".join(words) + "\n\n")
    found = bench_sequence.purdue(tmp_path)
    assert set(found.own.lengths) == {bench_sequence.BLOCK}
    assert len(found.own) == 2 * 4
    assert len(found.foreign) == 2 * 4 * 3
    assert len(found.past) + len(found.held) == 4 * bench_sequence.LEARNED // bench_sequence.BLOCK


def test_the_table_goes_between_its_marks(tmp_path):
    page = tmp_path / "sequence.md"
    page.write_text(f"before\n{bench_sequence.BEGIN}\nold\n{bench_sequence.END}\nafter\n")
    bench_sequence.write_page(page, "| new |")
    assert page.read_text() == f"before\n{bench_sequence.BEGIN}\n\n| new |\n\n{bench_sequence.END}\nafter\n"


def test_without_real_data_it_says_so_and_skips(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench_sequence", "--data", str(tmp_path), "--users", "0"])
    bench_sequence.main()
    assert "no real data" in capsys.readouterr().out
