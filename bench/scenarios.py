"""A compact, verified scenario set against a random one of the same size, and horizon curricula.

The candidates hold five percent of wrong physics. Test episodes are correct, from another seed,
once as scenes fall and once the same number from every leaf of the taxonomy. Needs the training
extra.

    python bench/scenarios.py [--tier cpu|full]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, write_result

from perception_models.cells import Batch, Cell
from perception_models.configuration import configured
from perception_models.data import stream
from perception_models.device import choose, describe
from perception_models.discs.scenarios import LEAVES, Pool, examine, make_pool, spoil
from perception_models.discs.task import Configuration, DiscsTask, squared_error
from perception_models.scenarios.selection import compact, coverage, overlap
from perception_models.task import TEST
from perception_models.trainer import Trainer
from perception_nodes.arrays import Ints

NAME = "scenarios"
TIERS = {"cpu": (3, 300, 8000, 500), "full": (10, 3000, 100_000, 4000)}
PARTS = ("sets", "curricula")
WRONG = 0.05
POOL_SEED, TEST_SEED = 11, 12
HORIZON = 4


class PoolTask(DiscsTask):
    """The discs, with a fixed set of episodes instead of fresh ones."""

    def __init__(
        self, configuration: Configuration, device: torch.device, states: torch.Tensor
    ) -> None:
        super().__init__(configuration, device)
        self._states = states.float()

    def batch(self, step: int, seed: int, horizon: int) -> Batch:
        """Episodes of the set, drawn with replacement; of one interval each."""
        assert horizon == 1
        size = (self.configuration.batch,)
        rows = torch.randint(len(self._states), size, generator=stream("pool", seed, step))
        return {"states": self._states[rows].to(self.device)}


def settings(**values: Any) -> Configuration:
    """The defaults but for some values."""
    return configured(Configuration, None, [f"{key}={value}" for key, value in values.items()])


def trained(task: DiscsTask, seeds: list[int]) -> Trainer:
    """Train all seeds together."""
    with tempfile.TemporaryDirectory() as folder:
        cells = [Cell(seed) for seed in seeds]
        trainer = Trainer(task, cells, Path(folder), task.device, resume=False)
        trainer.fit(lambda *_: None)
    return trainer


@torch.no_grad()
def errors(trainer: Trainer, states: torch.Tensor) -> np.ndarray:
    """[seeds, episodes] one interval ahead."""
    states = states.float().to(trainer.device)
    rows = []
    for network in trainer.stack.networks:
        error = squared_error(network(states[:, 0]), states[:, 1], trainer.task.change)
        rows.append(error.mean(dim=(-2, -1)).cpu().numpy())
    return np.stack(rows)


def balanced(leaf: Ints, size: int) -> Ints:
    """Indices, in turn from each leaf."""
    queues = [list(np.flatnonzero(leaf == k)) for k in range(len(LEAVES))]
    chosen: list[int] = []
    while len(chosen) < size and any(queues):
        for queue in queues:
            if queue and len(chosen) < size:
                chosen.append(int(queue.pop(0)))
    return np.array(chosen)


def sets(steps: int, count: int, size: int, seeds: list[int], device: torch.device) -> Any:
    """Train on three sets of one size and test on episodes that none has seen."""
    plain = settings(steps=steps, evaluate_every=10_000_000)
    population, interval = plain.population, plain.interval
    pure = make_pool(population, interval, count, POOL_SEED)
    pool, wrong = spoil(pure, WRONG, interval, POOL_SEED)
    test = make_pool(population, interval, count // 4, TEST_SEED)
    everywhere = balanced(test.leaf, len(LEAVES) * 20)
    first = np.arange(size)
    present = trained(PoolTask(settings(steps=steps // 3, evaluate_every=10_000_000), device,
                               pool.states[first]), seeds[:1])  # fmt: skip
    difficulty = errors(present, pool.states)[0]
    candidates = examine(pool, population, interval, POOL_SEED, difficulty)
    verified = compact(candidates, size, len(LEAVES))
    choices = {
        "random": first,
        "taxonomy": balanced(pool.leaf, size),
        "compact": verified.indices,
        "compact, no difficulty": compact(candidates, size, len(LEAVES), easiest=0.0).indices,
    }
    rows = {}
    for name, indices in choices.items():
        trainer = trained(PoolTask(plain, device, pool.states[indices]), seeds)
        found = {"natural": test.states, "all leaves": test.states[everywhere]}
        rows[name] = {
            "size": len(indices),
            "coverage": round(coverage(pool.leaf[indices], len(LEAVES)), 3),
            "wrong": int(wrong[indices].sum()),
            "leaked": overlap(_flat(pool, indices), _flat(test, np.arange(len(test.leaf)))),
            "errors": {
                split: np.round(errors(trainer, states), 5).tolist()
                for split, states in found.items()
            },
        }
        print(name, {k: v for k, v in rows[name].items() if k != "errors"},
              {k: round(float(np.mean(v)), 4) for k, v in rows[name]["errors"].items()},
              flush=True)  # fmt: skip
    correct = candidates.correct
    return {
        "leaves": list(LEAVES),
        "checks": verified.counts,
        "wrong_injected": int(wrong.sum()),
        "wrong_removed": int((wrong & ~correct).sum()),
        "right_total": int((~wrong).sum()),
        "right_removed": int((~wrong & ~correct).sum()),
        "sets": rows,
    }


def curricula(steps: int, seeds: list[int], device: torch.device) -> dict[str, Any]:
    """Rolled-out error after training at one horizon, at the longest, and at a growing one."""
    rows = {}
    for name, values in {
        "one interval": {"longest_horizon": 1},
        f"{HORIZON} intervals": {"longest_horizon": HORIZON},
        "growing": {"longest_horizon": HORIZON, "curriculum": "true"},
    }.items():
        task = DiscsTask(settings(steps=steps, batch=64, evaluate_every=10, **values), device)
        trainer = trained(task, seeds)
        found = trainer.errors(TEST)
        rows[name] = {
            "minutes": round(trainer.seconds / 60, 2),
            "rollout": [[round(v, 5) for v in e["rollout_error"].tolist()] for e in found],
            "error": [round(float(e["error"].mean()), 4) for e in found],
        }
        print(name, rows[name]["error"], np.mean(rows[name]["rollout"]), flush=True)
    return rows


def _flat(pool: Pool, indices: Ints) -> np.ndarray:
    return pool.states[indices, 0].flatten(1).numpy()


def main() -> None:
    """Measure a tier and keep the other's figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", choices=tuple(TIERS), default="cpu")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = choose("cpu" if args.tier == "cpu" else "cuda")
    count, steps, pool, size = TIERS[args.tier]
    seeds = list(range(count))
    path = RESULTS / f"{NAME}.json"
    figures = json.loads(path.read_text())["figures"] if path.exists() else {}
    tier = figures.setdefault(args.tier, {})
    tier.update(seeds=seeds, steps=steps, machine=describe(device))
    if "sets" in args.part:
        tier["scenario_sets"] = sets(steps, pool, size, seeds, device)
    if "curricula" in args.part:
        tier["curricula"] = curricula(steps // 2, seeds, device)
    write_result(NAME, figures)


if __name__ == "__main__":
    main()
