"""One training loop for all PyTorch models: seeded, stopped early, resumed bit for bit from checkpoints.

Nothing random is carried from one epoch to the next: first weights come from the seed, the order of rows from
(seed, epoch), noise from (seed, epoch, step). So a run that was killed and goes on from its last checkpoint
ends with the very weights of a run that was not.

The same rows, settings and device kind give the same weights bit for bit on one machine: one thread on the
processor, deterministic algorithms on CUDA. Another machine, or CUDA instead of the processor, rounds
differently.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from features import checkpoint
from features.errors import InputError, StateError
from models.neural.settings import AUTO, CPU, CUDA, Fitted, LoopSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import torch


KIND = "training loop 1"
"""Says of a checkpoint that it is one of this loop."""


class BatchLoss(Protocol):
    """Sum of losses over some rows and how many units they are; noise is None when nothing is learned."""

    def __call__(
        self, module: torch.nn.Module, rows: torch.Tensor, noise: torch.Generator | None, /
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Both are scalars on the module's device; the first has a gradient."""
        ...


def torch_device(wanted: str) -> str:
    """Which device it will be: "cpu" or "cuda".

    Raises
    ------
    InputError
        When PyTorch is not installed, or CUDA is wanted and there is none.
    """
    try:
        import torch
    except ImportError as error:
        raise InputError(
            "this model is fitted with PyTorch, which is not installed: pip install 'habitus[torch]', or take"
            " the model out of ranker.members"
        ) from error
    there = bool(torch.cuda.is_available())
    if wanted == CUDA and not there:
        raise InputError("device is cuda, but PyTorch finds no such accelerator; use auto or cpu")
    return CUDA if wanted == CUDA or (wanted == AUTO and there) else CPU


def train(
    make: Callable[[], torch.nn.Module],
    loss: BatchLoss,
    rows: np.ndarray,
    held: np.ndarray,
    settings: LoopSettings,
    *,
    about: str = "",
    checkpoints: Path | None = None,
    progress: Callable[[int, int, float, float], object] | None = None,
) -> Fitted:
    """Fit a module on some rows, watched on others.

    Parameters
    ----------
    make
        A new module; draws its weights from the global generator, which is seeded for it and put back.
    loss
        Of a batch; draws its noise from the generator it is given.
    rows, held
        int64 row numbers: learned, and held out to stop early (without any, the training loss decides).
    about
        Says what data this is: a checkpoint of other data or settings is refused.
    checkpoints
        Folder for a checkpoint after each epoch, and to go on from; none by default.
    progress
        Told the epochs done, the most there can be, and both losses.

    Raises
    ------
    InputError
        When there is no row, PyTorch or accelerator.
    StateError
        When a loss is no finite number, or the checkpoint is damaged or of something else.
    """
    if not len(rows):
        raise InputError("training: there is no row to learn from; give more history")
    device = torch_device(settings.device)
    with _reproducible(device, settings.seed):
        run = _Run(make().to(device), loss, settings, device)
        schema = hashlib.sha256(f"{about}\n{sorted(asdict(settings).items())}\n{device}".encode()).hexdigest()
        if checkpoints is not None:
            run.resume(checkpoints, schema)
        while not run.over:
            run.epoch(rows, held)
            if checkpoints is not None:
                run.keep(checkpoints, schema)
            if progress is not None:
                progress(len(run.losses), settings.epochs, *run.losses[-1])
    return Fitted(run.best_weights, run.losses, run.best, device)


@contextmanager
def _reproducible(device: str, seed: int) -> Iterator[None]:
    """One thread and deterministic algorithms; whatever was set before is set again afterwards."""
    import torch

    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    if device == CUDA:
        # without it cuBLAS refuses to be deterministic; read when its first handle is made
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if device == CUDA else []):
            torch.manual_seed(seed)
            yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(threads)


class _Run:
    """A training run between two epochs."""

    def __init__(self, module: torch.nn.Module, loss: BatchLoss, settings: LoopSettings, device: str) -> None:
        import torch

        self._module, self._loss, self._settings, self._device = module, loss, settings, device
        self._optimiser = torch.optim.AdamW(
            module.parameters(), lr=settings.rate, weight_decay=settings.weight_decay
        )
        self.losses: list[tuple[float, float]] = []
        self.best = -1
        self.best_weights: dict[str, np.ndarray] = {}

    @property
    def over(self) -> bool:
        done = len(self.losses)
        return done >= self._settings.epochs or (done > 0 and done - 1 - self.best >= self._settings.patience)

    def epoch(self, rows: np.ndarray, held: np.ndarray) -> None:
        number = len(self.losses)
        order = rows[np.random.default_rng((self._settings.seed, number)).permutation(len(rows))]
        learned = self._pass(order, number, learn=True)
        watched = self._pass(held, number, learn=False) if len(held) else learned
        if not np.isfinite([learned, watched]).all():
            raise StateError(
                f"training went wrong in epoch {number + 1}: the loss is {learned:g}; the rate of"
                f" {self._settings.rate:g} may be too high"
            )
        if self.best < 0 or watched < self.losses[self.best][1]:
            self.best, self.best_weights = number, _arrays(self._module)
        self.losses.append((learned, watched))

    def _pass(self, rows: np.ndarray, number: int, *, learn: bool) -> float:
        import torch

        settings, module = self._settings, self._module
        module.train(learn)
        total = units = 0.0
        for step, start in enumerate(range(0, len(rows), settings.batch_rows)):
            chosen = torch.from_numpy(np.ascontiguousarray(rows[start : start + settings.batch_rows]))
            noise = None
            if learn:
                noise = torch.Generator(self._device)
                seed = np.random.SeedSequence((settings.seed, number, step)).generate_state(1, np.uint64)[0]
                noise.manual_seed(int(seed >> np.uint64(1)))
            with torch.set_grad_enabled(learn), self._precision():
                summed, count = self._loss(module, chosen.to(self._device), noise)
            if learn:
                self._optimiser.zero_grad(set_to_none=True)
                (summed / count.clamp(min=1)).backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(module.parameters(), settings.clip)
                self._optimiser.step()
            total += float(summed.detach())
            units += float(count)
        return total / max(units, 1.0)

    def _precision(self) -> Any:
        import torch

        # bfloat16 has the range of float32: no scaling of losses, and nothing to keep in a checkpoint
        return torch.autocast(CUDA, dtype=torch.bfloat16) if self._device == CUDA else nullcontext()

    # --------------------------------------------------------------------------------------- checkpoints

    def keep(self, folder: Path, schema: str) -> None:
        arrays = {f"now/{name}": array for name, array in _arrays(self._module).items()}
        arrays |= {f"best/{name}": array for name, array in self.best_weights.items()}
        for number, state in self._optimiser.state_dict()["state"].items():
            arrays |= {f"adam/{number}/{name}": _array(part) for name, part in state.items()}
        checkpoint.write(folder, arrays, {"losses": self.losses, "best": self.best, "of": schema}, KIND)

    def resume(self, folder: Path, schema: str) -> None:
        import torch

        found = checkpoint.read(folder, KIND)
        if found is None:
            return
        arrays, kept = found
        if kept.get("of") != schema:
            raise StateError(
                f"{folder}: is a checkpoint of other data, settings or device; remove the folder to"
                " start anew"
            )
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise StateError(f"{folder}: {name} holds values that are no finite numbers; remove it")
        try:
            named = _part(arrays, "now/")
            self._module.load_state_dict({name: torch.from_numpy(part) for name, part in named.items()})
            state: dict[int, dict[str, torch.Tensor]] = {}
            for key, array in _part(arrays, "adam/").items():
                number, _, name = key.partition("/")
                state.setdefault(int(number), {})[name] = torch.from_numpy(array)
            groups = self._optimiser.state_dict()["param_groups"]
            self._optimiser.load_state_dict({"state": state, "param_groups": groups})
            self.losses = [(float(learned), float(held)) for learned, held in kept["losses"]]
            self.best, self.best_weights = int(kept["best"]), _part(arrays, "best/")
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise StateError(
                f"{folder}: is a checkpoint of another model ({str(error)[:120]}); remove the folder to start"
                " anew"
            ) from error


def _array(part: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(part.detach().cpu().float().numpy()).copy()


def _arrays(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: _array(part) for name, part in module.state_dict().items()}


def _part(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): part for name, part in arrays.items() if name.startswith(prefix)}
