"""Is masking objects worth it? Small world models, trained as cells of one batched model.

    python bench/cjepa_masking.py [--factorial] [--updates 1500] [--seeds 0,1,2]

Without --factorial: no mask, up to one or two objects, single tokens, tubes, on noisy states with
the robot token. With it: noisy or clean x robot token or pusher as an object x 0, 1, 2 objects.
All arms of a seed see the same windows and the same number of updates.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import torch
from common import write_result
from torch import Tensor

from perception_models.cells import Cell, CellStack
from perception_models.cjepa.dataset import episodes
from perception_models.cjepa.evaluation import KINDS, distance, effect, outlook
from perception_models.cjepa.occlusion import by_network, occlusions
from perception_models.cjepa.samples import Windows
from perception_models.cjepa.task import ABLATIONS, FACTORS, CjepaTask, Configuration
from perception_models.optimizers.build import Optimizers
from perception_models.trainer import rate_factor

ARMS = ("noisy_robot_mask_0", "noisy_robot_mask_1", "noisy_robot_mask_2", "token_mask", "tube_mask")
SIZE = {"width": 32, "heads": 2, "depth": 2, "message": 24, "batch": 32, "longest_horizon": 3}


def train(task: CjepaTask, stack: CellStack) -> None:
    """All updates of all cells."""
    c = task.configuration
    optimizers = Optimizers(stack.networks, c.optimizer, c.rate, c.rest_rate, c.weight_decay)
    began = time.monotonic()
    for step in range(c.steps):
        batches = {seed: task.batch(step, seed, c.longest_horizon) for seed in stack.seeds}
        losses = stack.losses(task.loss, batches)
        torch.autograd.backward(losses.sum())
        for network in stack.networks:
            torch.nn.utils.clip_grad_norm_(network.parameters(), c.clip)
        optimizers.step(rate_factor(step, c.steps, c.warmup, c.decay))
        if (step + 1) % 100 == 0:
            print(f"{step + 1} of {c.steps}, {time.monotonic() - began:.0f} s", flush=True)


def measure(task: CjepaTask, stack: CellStack, windows: Windows) -> dict[str, Any]:
    """By arm, a list over seeds: effects by episode, errors of moving and of hidden objects."""
    found: dict[str, Any] = {}
    cases = occlusions(windows, 2 * len(windows.episodes))
    for cell, network, switches in zip(stack.cells, stack.networks, stack.switches, strict=True):
        network.eval()
        pusher = task.configuration.pusher
        views = {kind: outlook(network, windows, kind, switches, pusher) for kind in KINDS}
        factual = views[KINDS[0]]
        row: dict[str, Any] = {}
        for name, kind in (("removal", KINDS[1]), ("action", KINDS[2])):
            made = effect(factual, views[kind])
            row[name] = {"missed": rounded(made.missed), "total": rounded(made.total)}
            row[name]["ratio"] = round(made.ratio, 4)
            row[name]["false_mm"] = rounded(1000 * made.false)
        apart = distance(factual.answer, factual.truth)[:, 9] * factual.present
        row["error_1s"] = rounded(apart.sum(dim=1) / factual.present.sum(dim=1))
        if not pusher:
            places, _ = by_network(network, windows, cases, switches)
            away = (places - cases.truth).norm(dim=-1)[:, 9]
            row["struck_1s_mm"] = rounded(1000 * away[cases.struck])
        found.setdefault(cell.ablation, []).append(row)
        print(cell, {k: v["ratio"] for k, v in row.items() if isinstance(v, dict)}, flush=True)
    return found


def rounded(values: Tensor) -> list[float]:
    """Four digits."""
    return [float(f"{v:.4g}") for v in values.tolist()]


def run(arms: Sequence[str], seeds: Sequence[int], steps: int, pusher: bool) -> dict[str, Any]:
    """Train and measure some arms."""
    task = CjepaTask(Configuration(**SIZE, steps=steps, pusher=pusher), torch.device("cpu"))
    cells = [Cell(seed, arm) for seed in seeds for arm in arms]
    stack = CellStack(task.network, cells, ABLATIONS, torch.device("cpu"))
    train(task, stack)
    parameters = sum(p.numel() for p in stack.networks[0].parameters())
    figures = measure(task, stack, Windows(episodes("test", "few", 200)))
    return {"updates": steps, "parameters": parameters, "seeds": list(seeds), "arms": figures}


def main() -> None:
    """Train, measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--factorial", action="store_true")
    parser.add_argument("--updates", type=int, help="default: 1500, in the full tier 20000")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--arms", default=",".join(ARMS), help="without --factorial: which")
    args = parser.parse_args()
    torch.set_num_threads(1)
    steps = args.updates or (20000 if args.tier == "full" else 1500)
    factorial = args.factorial or args.tier == "full"
    arms = [name.replace(" ", "_") for name in FACTORS] if factorial else args.arms.split(",")
    figures = run(arms, [int(s) for s in args.seeds.split(",")], steps, factorial)
    write_result("cjepa_factorial" if factorial else "cjepa_masking", {args.tier: figures})


if __name__ == "__main__":
    main()
