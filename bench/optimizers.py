"""Which optimizer suits small transformers: five methods on the bouncing discs, and forgetting.

Every method trains the same networks on the same episodes for 800 updates, three seeds as one
batched model: with the falling learning rate that `permanence train` uses, and for three methods
with a constant one after warm-up, as the papers compare. Rates are of
`perception_models.optimizers.names`; `--grid METHOD` tries half and double on another seed, half
as long. Each part is written as soon as it is measured. Needs the training extra.

    python bench/optimizers.py [--tier cpu|full] [--part falling constant forgetting] [--grid adamw]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from common import RESULTS, write_result

from perception_models.cells import Batch, Cell
from perception_models.configuration import configured
from perception_models.device import choose, describe
from perception_models.discs.task import Configuration, DiscsTask
from perception_models.optimizers.names import DEFAULT_RATES, METHODS
from perception_models.task import TEST, VALIDATION
from perception_models.trainer import Trainer

NAME = "optimizers"
SCHEDULES = {
    "falling": ("adamw", "muon", "namo", "namo-d", "adamw+magma"),
    "constant": ("adamw", "muon", "namo"),
}
PARTS: tuple[str, ...] = (*SCHEDULES, "forgetting")
TIERS = {"cpu": (3, 800), "full": (10, 5000)}
GRID_SEED = 100
GRID_FACTORS = (0.5, 1.0, 2.0)
SMALL, LARGE = (0.1, 0.15), (0.2, 0.25)
TUNING = 200
TUNING_RATE = 1e-3


def no_listener(step: int, planned: int, figures: dict[str, float]) -> None:
    """Nothing is shown."""


def trained(task: DiscsTask, seeds: list[int], start: list[Batch] | None = None) -> Trainer:
    """All seeds of one method trained together, from given weights if there are any."""
    with tempfile.TemporaryDirectory() as folder:
        cells = [Cell(seed) for seed in seeds]
        trainer = Trainer(task, cells, Path(folder), task.device, resume=False)
        for network, weights in zip(trainer.stack.networks, start or [], strict=start is not None):
            network.load_state_dict(weights)
        trainer.fit(no_listener)
    return trainer


def settings(**values: Any) -> Configuration:
    """The defaults but for some values; no validation while training."""
    words = [f"{key}={value}" for key, value in values.items()]
    return configured(Configuration, None, ["evaluate_every=10000000", *words])


def compare(method: str, schedule: str, seeds: list[int], steps: int, device: torch.device) -> Any:
    """Errors on test episodes of each seed."""
    decay = schedule == "falling"
    trainer = trained(
        DiscsTask(settings(optimizer=method, steps=steps, decay=decay), device), seeds
    )
    found = [cell["error"] for cell in trainer.errors(TEST)]
    row = {
        "rate": DEFAULT_RATES[method],
        "seeds": [round(float(e.mean()), 4) for e in found],
        "episodes": [[float(f"{v:.3g}") for v in e.tolist()] for e in found],
        "seconds_a_seed": round(trainer.seconds / len(seeds), 1),
    }
    print(schedule, method, row["seeds"], row["seconds_a_seed"], "s", flush=True)
    return row


def grid(
    method: str, known: dict[str, float], steps: int, device: torch.device
) -> dict[str, float]:
    """Validation errors over learning rates, on a seed that the comparison doesn't use."""
    table = dict(known)
    for factor in GRID_FACTORS:
        rate = factor * DEFAULT_RATES[method]
        if f"{rate:g}" in table:
            continue
        task = DiscsTask(settings(optimizer=method, steps=steps, rate=rate), device)
        errors = trained(task, [GRID_SEED]).errors(VALIDATION)
        table[f"{rate:g}"] = round(float(errors[0]["error"].mean()), 4)
        print("grid", method, rate, table[f"{rate:g}"], flush=True)
    return table


class Replaying(DiscsTask):
    """The new discs, with half of each batch from the old ones."""

    def __init__(self, new: DiscsTask, old: DiscsTask) -> None:
        super().__init__(new.configuration, new.device)
        self.change = old.change
        self._old = old

    def batch(self, step: int, seed: int, horizon: int) -> Batch:
        """Half new, half old episodes."""
        new = super().batch(step, seed, horizon)["states"]
        old = self._old.batch(step, seed, horizon)["states"]
        half = len(new) // 2
        return {"states": torch.cat((new[:half], old[half:]))}


def forgetting(seeds: list[int], steps: int, device: torch.device) -> dict[str, Any]:
    """Learn small discs, go on with large ones, and see what is left of the small ones."""

    def world(radii: tuple[float, float], **values: Any) -> DiscsTask:
        task = DiscsTask(settings(smallest=radii[0], largest=radii[1], **values), device)
        task.change = base.change
        return task

    base = DiscsTask(settings(), device)
    small = world(SMALL, optimizer="muon", steps=steps)
    teacher = trained(small, seeds)
    start = [network.state_dict() for network in teacher.stack.networks]
    before = mean(teacher, small), mean(teacher, world(LARGE))
    rows: dict[str, Any] = {"before": {"small": before[0], "large": before[1]}}
    for name, method, factor in (
        ("adamw", "adamw", 1.0), ("adamw+magma", "adamw+magma", 4.0), ("adamw+replay", "adamw", 1.0)
    ):  # fmt: skip
        large = world(LARGE, optimizer=method, steps=TUNING, rate=TUNING_RATE * factor,
                      rest_rate=TUNING_RATE)  # fmt: skip
        task = Replaying(large, small) if name.endswith("replay") else large
        task.change = base.change
        trainer = trained(task, seeds, start)
        rows[name] = {"small": mean(trainer, small), "large": mean(trainer, world(LARGE))}
        print("forgetting", name, rows[name], flush=True)
    return rows


def mean(trainer: Trainer, task: DiscsTask) -> list[float]:
    """Test error of each seed on another task's episodes."""
    with torch.no_grad():
        return [
            round(float(task.errors(network, TEST, switches)["error"].mean()), 4)
            for network, switches in zip(
                trainer.stack.networks, trainer.stack.switches, strict=True
            )
        ]


def main() -> None:
    """Measure a tier and keep the other's figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", choices=tuple(TIERS), default="cpu")
    parser.add_argument("--grid", choices=sorted(DEFAULT_RATES), help="only try rates of a method")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, help="not all of a part")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = choose("cpu" if args.tier == "cpu" else "cuda")
    path = RESULTS / f"{NAME}.json"
    figures = json.loads(path.read_text())["figures"] if path.exists() else {}
    count, steps = TIERS[args.tier]
    seeds = list(range(count))
    if args.grid:
        tables = figures.setdefault("grid", {})
        tables[args.grid] = grid(args.grid, tables.get(args.grid, {}), steps // 2, device)
        write_result(NAME, figures)
        return
    tier = figures.setdefault(args.tier, {})
    tier.update(seeds=seeds, steps=steps, batch=settings().batch, machine=describe(device))
    for part in args.part:
        if part == "forgetting":
            tier[part] = forgetting(seeds, steps // 2, device)
            continue
        rows = tier.setdefault("methods", {}).setdefault(part, {})
        for method in args.methods or SCHEDULES[part]:
            rows[method] = compare(method, part, seeds, steps, device)
            write_result(NAME, figures)
    write_result(NAME, figures)


if __name__ == "__main__":
    main()
