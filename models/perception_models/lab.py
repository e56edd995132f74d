"""From a model's name to a network with its card: train, validate, export, check, document."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from perception_models import checkpoint, registry
from perception_models import device as devices
from perception_models.cells import FULL, Cell
from perception_models.errors import TrainingError
from perception_models.export import OPSET, Exported, export
from perception_models.half import add_half
from perception_models.progress import TrainingProgress
from perception_models.task import TEST, VALIDATION, Task
from perception_models.trainer import Trainer, configuration_values
from perception_nodes.model_cards import Card, read_card, sha256, write_card

LICENSE = "Apache-2.0"
TRAINED = "trained.pt"
"""Weights of the shipped cell, from which the network can be exported again."""
EPISODES = "episodes.json"
"""Errors of each cell on each test episode: what paired statistics are computed from."""


@dataclass(frozen=True)
class Order:
    """What is to be trained.

    Attributes:
        task: The model.
        seeds: One training each.
        ablations: Of the task's; "full" is always trained.
        folder: Of the run: checkpoint, TensorBoard, network, card.
        device: Where to compute.
        command: As the user gave it, for the card.
        minutes: Time to train in; none: as long as the updates take.
        resume: Go on from the folder's checkpoint.
        begin: Folder of a finished training whose weights all cells begin with; none: random ones.
    """

    task: Task
    seeds: Sequence[int]
    ablations: Sequence[str]
    folder: Path
    device: torch.device
    command: str
    minutes: float | None = None
    resume: bool = False
    begin: Path | None = None


def train(order: Order) -> Card:
    """Train all cells, export the best one and write its card.

    Raises:
        TrainingError: Training stopped (the state is kept) or the export is not faithful.
    """
    task = order.task
    names = dict.fromkeys((FULL, *order.ablations))
    cells = [Cell(seed, name) for seed in order.seeds for name in names]
    trainer = Trainer(task, cells, order.folder, order.device, order.resume)
    if order.begin is not None and not order.resume:
        trainer.begin_with(checkpoint.load(order.begin, order.device, name=TRAINED)["network"])
    try:
        with TrainingProgress(task.name, order.folder, trainer.step, trainer.planned) as progress:
            trainer.fit(progress, order.minutes)
        return document(order, trainer)
    except OSError as error:
        raise TrainingError(
            f"the run folder {order.folder} can't be written: {error.strerror or error}",
            "make room or choose another with -o; --resume goes on from its last checkpoint",
        ) from error


def document(order: Order, trainer: Trainer) -> Card:
    """Measure a finished training on test episodes, export its best cell and write the card."""
    task, folder = order.task, order.folder
    test = trainer.errors(TEST)
    _write_episodes(trainer.stack.cells, test, folder / EPISODES)
    best = _best(task, trainer)
    network = trainer.stack.networks[best]
    weights = {"identity": trainer.identity(), "network": network.state_dict()}
    checkpoint.save(folder, {"step": trainer.step, **weights}, TRAINED)
    exported = export(network, task.signature(), folder / f"{task.name}.onnx")
    card = Card(
        name=task.name,
        summary=task.summary,
        limits=task.limits,
        license=LICENSE,
        file=exported.path.name,
        sha256=sha256(exported.path),
        opset=OPSET,
        inputs=exported.inputs,
        outputs=exported.outputs,
        training=_training(order, trainer, best),
        data=task.recipe(),
        metrics=_metrics(trainer.stack.cells, test),
        parity=_parity(exported),
        ranges=dict(task.signature().ranges),
    )
    write_card(card, folder / f"{task.name}.yaml")
    card = add_half(card, folder, task.signature())
    (folder / checkpoint.FILE).unlink(missing_ok=True)
    return card


def export_again(folder: Path, target: Path) -> Card:
    """Export a finished training anew, to another folder; the card gets the new hash.

    Raises:
        TrainingError: The folder has no finished training, or the export is not faithful.
        ModelError: Its card can't be read.
    """
    state = checkpoint.load(folder, torch.device("cpu"), name=TRAINED)
    identity = state["identity"]
    task_class, configuration_class = registry.find(identity["model"])
    task = task_class(configuration_class(**identity["configuration"]), torch.device("cpu"))
    network = task.network()
    network.load_state_dict(state["network"])
    card = read_card(folder / f"{task.name}.yaml")
    exported = export(network, task.signature(), target / f"{task.name}.onnx")
    card = dataclasses.replace(
        card,
        sha256=sha256(exported.path),
        opset=OPSET,
        inputs=exported.inputs,
        outputs=exported.outputs,
        parity=_parity(exported),
        ranges=dict(task.signature().ranges),
        half=None,
    )
    write_card(card, target / f"{task.name}.yaml")
    return add_half(card, target, task.signature())


def _best(task: Task, trainer: Trainer) -> int:
    """The cell without ablation that errs least on validation episodes (not those of the card)."""
    errors = trainer.errors(VALIDATION)
    full = [k for k, cell in enumerate(trainer.stack.cells) if cell.ablation == FULL]
    return min(full, key=lambda k: float(errors[k][task.metric].mean()))


def _training(order: Order, trainer: Trainer, best: int) -> dict[str, Any]:
    begun = {}
    if order.begin is not None:
        before = read_card(order.begin / f"{order.task.name}.yaml")
        begun = {"begun_with": {"sha256": before.sha256, "training": before.training}}
    return {
        "command": order.command,
        **begun,
        "configuration": configuration_values(order.task.configuration),
        "learning_rate": trainer.optimizers.rate,
        "seeds": list(order.seeds),
        "shipped_seed": trainer.stack.cells[best].seed,
        "chosen_by": f"{order.task.metric} on validation episodes",
        "updates": trainer.step,
        "minutes": round(trainer.seconds / 60, 2),
        "cells_trained_together": len(trainer.stack.cells),
        "parameters": sum(p.numel() for p in trainer.stack.networks[best].parameters()),
        "precision": trainer.precision,
        "machine": devices.describe(order.device),
    }


def _metrics(cells: Sequence[Cell], errors: Sequence[dict[str, Tensor]]) -> dict[str, Any]:
    """Per error and ablation: mean over seeds, and the mean over test episodes of each seed."""
    table: dict[str, Any] = {}
    for cell, found in zip(cells, errors, strict=True):
        for name, values in found.items():
            row = table.setdefault(name, {}).setdefault(cell.ablation, {"mean": 0.0, "seeds": {}})
            row["seeds"][cell.seed] = round(float(values.mean()), 5)
            row["mean"] = round(sum(row["seeds"].values()) / len(row["seeds"]), 5)
    return {"episodes": "test, unseen by training and by the choice of the seed", **table}


def _parity(exported: Exported) -> dict[str, Any]:
    return {"largest_relative_difference": float(f"{exported.difference:.1e}")}


def _write_episodes(cells: Sequence[Cell], errors: Sequence[dict[str, Tensor]], path: Path) -> None:
    rows = [
        {
            "seed": cell.seed,
            "ablation": cell.ablation,
            "errors": {name: [float(f"{v:.5g}") for v in x.tolist()] for name, x in found.items()},
        }
        for cell, found in zip(cells, errors, strict=True)
    ]
    path.write_text(json.dumps(rows) + "\n")
