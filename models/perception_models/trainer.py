"""The training loop: one update after another, resumable at each, stopped by what goes wrong."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from perception_models import checkpoint
from perception_models import device as devices
from perception_models.cells import Cell, CellStack
from perception_models.configuration import TrainingConfiguration
from perception_models.curriculum import HorizonCurriculum
from perception_models.errors import TrainingError, TrainingInterruptedError
from perception_models.optimizers.build import Optimizers
from perception_models.task import VALIDATION, Task

_TIMED_STEPS = 20
"""Updates after which `--minutes` is turned into a number of updates."""

Listener = Callable[[int, int, dict[str, float]], None]
"""Told (updates done, updates planned, figures by name) after each update."""


def rate_factor(step: int, steps: int, warmup: float, decay: bool) -> float:
    """Linear growth, and half a cosine down to zero, as a multiple of the learning rate."""
    grown = min((step + 1) / max(warmup * steps, 1.0), 1.0)
    return grown * 0.5 * (1 + math.cos(math.pi * step / steps)) if decay else grown


class Trainer:
    """All cells of one run and where it stands.

    Args:
        task: The model.
        cells: Seeds and ablations that are trained together.
        folder: Where checkpoints go.
        device: Where to compute.
        resume: Go on from the folder's checkpoint.

    Raises:
        TrainingError: The folder's checkpoint doesn't fit, or there is one and `resume` is not set.
    """

    def __init__(
        self, task: Task, cells: Sequence[Cell], folder: Path, device: torch.device, resume: bool
    ) -> None:
        self.task, self.folder, self.device = task, folder, device
        settings = task.configuration
        self.stack = CellStack(task.network, cells, task.ablations, device)
        self.optimizers = Optimizers(
            self.stack.networks,
            settings.optimizer,
            settings.rate,
            settings.rest_rate,
            settings.weight_decay,
        )
        self.curriculum = HorizonCurriculum(settings.longest_horizon, settings.curriculum)
        self.precision = devices.precision(settings.precision, device)
        self.step, self.planned, self.seconds = 0, settings.steps, 0.0
        self._resumed_at = 0
        torch.manual_seed(self.stack.seeds[0])
        if resume:
            self._restore(checkpoint.load(folder, device, self.identity()))
        elif (folder / checkpoint.FILE).exists():
            raise TrainingError(
                f"{folder} has the checkpoint of an unfinished run",
                "go on with --resume, delete the folder, or choose another with -o",
            )

    def begin_with(self, weights: dict[str, Any]) -> None:
        """Let every cell begin with the weights of a network of the same form.

        Raises:
            TrainingError: They are of another form.
        """
        for network in self.stack.networks:
            try:
                network.load_state_dict(weights)
            except RuntimeError as error:
                raise TrainingError(
                    f"the weights to begin with are of another form: {str(error).splitlines()[-1]}",
                    "train with the configuration of that training, or without --from",
                ) from error

    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on."""
        return {
            "model": self.task.name,
            "configuration": configuration_values(self.task.configuration),
            "cells": [str(cell) for cell in self.stack.cells],
        }

    def fit(self, listener: Listener, minutes: float | None = None) -> None:
        """Train until all planned updates are done.

        Args:
            listener: Told after each update.
            minutes: Plan as many updates as fit in this time, that before a resumption counted in,
                instead of more.

        Raises:
            TrainingInterruptedError: Ctrl-C; the state was saved.
            TrainingError: The loss is no number any more, or a checkpoint can't be written.
        """
        begun = time.monotonic() - self.seconds
        with _interruptible() as interrupted:
            while self.step < self.planned:
                losses = self._update()
                self.seconds = time.monotonic() - begun
                self._plan(minutes)
                figures = self._figures(losses)
                if self._due(self.task.configuration.evaluate_every):
                    figures.update(self._validate())
                listener(self.step, self.planned, figures)
                if interrupted() and self.step < self.planned:
                    self.save()
                    raise TrainingInterruptedError(
                        f"stopped at update {self.step} of {self.planned}; its state is saved in "
                        f"{self.folder}",
                        "the same command with --resume goes on from there",
                    )
                if self._due(self.task.configuration.checkpoint_every):
                    self.save()

    def save(self) -> Path:
        """Write a checkpoint, unless a weight is no number."""
        for cell, network in zip(self.stack.cells, self.stack.networks, strict=True):
            if not all(bool(p.isfinite().all()) for p in network.parameters()):
                raise self._lost(cell, "a weight")
        state = {
            "identity": self.identity(),
            "step": self.step,
            "planned": self.planned,
            "seconds": self.seconds,
            "networks": [network.state_dict() for network in self.stack.networks],
            "optimizers": self.optimizers.state_dict(),
            "curriculum": self.curriculum.state(),
            "generator": torch.get_rng_state(),
            "device_generators": list(torch.cuda.get_rng_state_all()),
        }
        return checkpoint.save(self.folder, state)

    def _restore(self, state: dict[str, Any]) -> None:
        self.step, self.planned = state["step"], state["planned"]
        self.seconds, self._resumed_at = state["seconds"], state["step"]
        for network, weights in zip(self.stack.networks, state["networks"], strict=True):
            network.load_state_dict(weights)
        self.optimizers.load_state_dict(state["optimizers"])
        self.curriculum = HorizonCurriculum(**state["curriculum"])
        torch.set_rng_state(state["generator"].cpu())
        if self.device.type == "cuda":
            torch.cuda.set_rng_state_all([item.cpu() for item in state["device_generators"]])

    def _update(self) -> Tensor:
        horizon = self.curriculum.horizon
        batches = {s: self.task.batch(self.step, s, horizon) for s in self.stack.seeds}
        with devices.autocast(self.precision, self.device):
            losses = self.stack.losses(self.task.loss, batches)
        finite = losses.isfinite()
        if not bool(finite.all()):
            raise self._lost(self.stack.cells[int((~finite).nonzero()[0])], "the loss")
        torch.autograd.backward(losses.sum())
        self._clip()
        settings = self.task.configuration
        self.optimizers.step(rate_factor(self.step, self.planned, settings.warmup, settings.decay))
        self.step += 1
        return losses.detach()

    def _clip(self) -> None:
        """Bound the gradient of each cell by itself: cells must not touch each other."""
        limit = self.task.configuration.clip
        if limit > 0:
            for network in self.stack.networks:
                torch.nn.utils.clip_grad_norm_(network.parameters(), limit)

    def _plan(self, minutes: float | None) -> None:
        """Once a few updates are timed, or known from before, plan as many as fit.

        Learning rates fall with what is planned, so that a run cut short still comes to rest. Stops
        when time is up anyway.
        """
        if minutes is None:
            return
        if self.step == max(_TIMED_STEPS, self._resumed_at + 1):
            fit = int(60 * minutes / (self.seconds / self.step))
            self.planned = max(self.step, min(self.planned, fit))
        if self.seconds > 60 * minutes * 1.1:
            self.planned = self.step

    def _figures(self, losses: Tensor) -> dict[str, float]:
        names = dict.fromkeys(cell.ablation for cell in self.stack.cells)
        values = losses.tolist()
        figures = {}
        for name in names:
            mine = [
                v for v, cell in zip(values, self.stack.cells, strict=True) if cell.ablation == name
            ]
            figures[f"loss/{name}"] = sum(mine) / len(mine)
        figures["horizon"] = float(self.curriculum.horizon)
        return figures

    def _validate(self) -> dict[str, float]:
        sums: dict[str, list[float]] = {}
        for cell, errors in zip(self.stack.cells, self.errors(VALIDATION), strict=True):
            value = float(errors[self.task.metric].mean())
            sums.setdefault(f"{VALIDATION}/{cell.ablation}", []).append(value)
        means = {name: sum(values) / len(values) for name, values in sums.items()}
        self.curriculum.told(next(iter(means.values())))
        return means

    @torch.no_grad()
    def errors(self, split: str) -> list[dict[str, Tensor]]:
        """Errors of each cell on unseen episodes, by name, each [episodes], on the processor."""
        found = []
        for network, switches in zip(self.stack.networks, self.stack.switches, strict=True):
            network.eval()
            errors = self.task.errors(network, split, switches)
            network.train()
            found.append({name: values.cpu() for name, values in errors.items()})
        return found

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.planned

    def _lost(self, cell: Cell, what: str) -> TrainingError:
        path = self.folder / checkpoint.FILE
        kept = f"the last good state is kept in {path}" if path.exists() else "nothing was kept"
        return TrainingError(
            f"{what} of {cell} is not a number at update {self.step + 1} "
            f"(horizon {self.curriculum.horizon}); {kept}",
            "lower the learning rate (--set rate=...) or bound gradients (--set clip=1.0), and "
            "train in another folder (-o)",
        )


def configuration_values(configuration: TrainingConfiguration) -> dict[str, Any]:
    """The configuration as plain values."""
    return {name: getattr(configuration, name) for name in configuration.__dataclass_fields__}


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a question to ask between updates; a second one interrupts."""
    asked = False

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
