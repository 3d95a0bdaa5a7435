"""The training loop: stops early, goes on bit for bit, and refuses what is not its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.errors import InputError, StateError
from models.neural.loop import torch_device, train
from models.neural.settings import LoopSettings

torch = pytest.importorskip("torch")

ROWS = np.arange(80)
SETTINGS = LoopSettings(epochs=6, batch_rows=16, rate=0.05, patience=6, device="cpu", seed=3)


class Killed(Exception):
    """Stands for the end of the process."""


def run(settings=SETTINGS, noise_level=0.1, **options):
    x = torch.linspace(-1, 1, 100)[:, None]
    y = torch.sin(3 * x)

    def loss(module, rows, noise):
        given = x[rows]
        if noise is not None:
            given = given + noise_level * torch.randn(given.shape, generator=noise)
        return ((module(given) - y[rows]) ** 2).sum(), torch.tensor(float(len(rows)))

    def make():
        return torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))

    return train(make, loss, ROWS, np.arange(80, 100), settings, about="sine", **options)


def same(first, second) -> bool:
    return all(first.weights[name].tobytes() == second.weights[name].tobytes() for name in first.weights)


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    first = run()
    torch.rand(5)  # whatever else draws from the global generator
    assert same(first, run())
    assert not same(first, run(replace(SETTINGS, seed=4)))


def test_the_global_generator_and_the_threads_are_left_as_they_were():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    threads = torch.get_num_threads()
    run()
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_run_that_was_killed_ends_with_the_weights_of_one_that_was_not(tmp_path):
    def killer(done, most, learned, held):
        if done == 3:
            raise Killed

    with pytest.raises(Killed):
        run(checkpoints=tmp_path, progress=killer)
    seen = []
    resumed = run(checkpoints=tmp_path, progress=lambda done, *rest: seen.append(done))
    assert seen == [4, 5, 6]
    whole = run()
    assert same(resumed, whole)
    assert resumed.losses == whole.losses


def test_it_stops_when_the_held_out_loss_no_longer_falls_and_keeps_the_best():
    found = run(replace(SETTINGS, epochs=60, patience=2, rate=0.3), noise_level=1.0)
    assert len(found.losses) < 60
    assert found.best == len(found.losses) - 3
    assert found.losses[found.best][1] == min(held for _, held in found.losses)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    run(checkpoints=tmp_path)
    with pytest.raises(StateError, match="other data, settings"):
        run(replace(SETTINGS, rate=0.01), checkpoints=tmp_path)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    run(checkpoints=tmp_path)
    path = next(tmp_path.glob("checkpoint-*/arrays.safetensors"))
    content = bytearray(path.read_bytes())
    content[-2] ^= 4
    path.write_bytes(bytes(content))
    with pytest.raises(StateError, match="checksum"):
        run(checkpoints=tmp_path)


def test_a_loss_that_is_no_number_ends_the_run():
    def loss(module, rows, noise):
        return module(torch.zeros(len(rows), 1)).sum() * float("nan"), torch.tensor(1.0)

    with pytest.raises(StateError, match="went wrong in epoch 1"):
        train(lambda: torch.nn.Linear(1, 1), loss, ROWS, ROWS[:0], SETTINGS)


@pytest.mark.parametrize("change", [{"epochs": 0}, {"device": "abacus"}, {"patience": 0}])
def test_choices_that_cannot_work_are_refused(change):
    with pytest.raises(InputError, match="training"):
        replace(SETTINGS, **change)


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(InputError, match="no row"):
        train(lambda: torch.nn.Linear(1, 1), None, ROWS[:0], ROWS, SETTINGS)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is an accelerator")
def test_without_an_accelerator_auto_is_the_processor_and_cuda_is_refused():
    assert torch_device("auto") == "cpu"
    with pytest.raises(InputError, match="no such accelerator"):
        torch_device("cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_on_an_accelerator_it_learns_with_mixed_precision_and_repeats_itself():
    settings = replace(SETTINGS, device="cuda")
    x = torch.linspace(-1, 1, 100, device="cuda")[:, None]

    def loss(module, rows, noise):
        return ((module(x[rows]).float() - x[rows]) ** 2).sum(), torch.tensor(float(len(rows)))

    runs = [train(lambda: torch.nn.Linear(1, 1), loss, ROWS, ROWS, settings) for _ in range(2)]
    assert runs[0].device == "cuda"
    assert same(*runs)
    assert runs[0].losses[-1][1] < runs[0].losses[0][1]
