"""Is masking objects worth it? Small world models, trained as cells of one batched model.

    python bench/cjepa_masking.py [--factorial] [--updates 1500] [--seeds 0,1,2]

Without --factorial: no mask, up to one or two objects, single tokens, tubes, on noisy states with
the robot token. With it: noisy or clean x robot token or pusher as an object x 0, 1, 2 objects.
All arms of a seed see the same windows and the same number of updates; arms may be trained one
after the other (`--arms`), those of the same updates and seeds are put together in the result. The
state is kept in the cache every 200 updates: the same command goes on where a run was killed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from common import RESULTS, write_result
from torch import Tensor

from perception_models.cells import Cell, CellStack
from perception_models.cjepa.dataset import episodes
from perception_models.cjepa.evaluation import KINDS, distance, effect, outlook
from perception_models.cjepa.occlusion import by_network, occlusions
from perception_models.cjepa.samples import Windows
from perception_models.cjepa.task import ABLATIONS, FACTORS, CjepaTask, Configuration
from perception_models.data import cache_folder
from perception_models.optimizers.build import Optimizers
from perception_models.trainer import rate_factor

ARMS = ("noisy_robot_mask_0", "noisy_robot_mask_1", "noisy_robot_mask_2", "token_mask", "tube_mask")
SIZE = {"width": 32, "heads": 2, "depth": 2, "message": 24, "batch": 32, "longest_horizon": 3}


KEEP_EVERY = 200
"""Updates between two checkpoints."""


def train(task: CjepaTask, stack: CellStack) -> None:
    """All updates of all cells, from the checkpoint of the same run on if there is one."""
    c = task.configuration
    optimizers = Optimizers(stack.networks, c.optimizer, c.rate, c.rest_rate, c.weight_decay)
    kept = checkpoint(c, stack)
    first = resumed(kept, stack, optimizers)
    began = time.process_time()
    for step in range(first, c.steps):
        batches = {seed: task.batch(step, seed, c.longest_horizon) for seed in stack.seeds}
        losses = stack.losses(task.loss, batches)
        torch.autograd.backward(losses.sum())
        for network in stack.networks:
            torch.nn.utils.clip_grad_norm_(network.parameters(), c.clip)
        optimizers.step(rate_factor(step, c.steps, c.warmup, c.decay))
        if (step + 1) % KEEP_EVERY == 0:
            networks = [network.state_dict() for network in stack.networks]
            state = {"step": step + 1, "networks": networks, "parts": optimizers.state_dict()}
            torch.save(state, kept.with_suffix(".new"))
            kept.with_suffix(".new").replace(kept)
            seconds = time.process_time() - began
            print(f"{step + 1} of {c.steps}, {seconds:.0f} s of CPU time", flush=True)


def checkpoint(configuration: Configuration, stack: CellStack) -> Path:
    """Where the state of this run is kept."""
    identity = hashlib.sha256(repr((configuration, stack.cells)).encode()).hexdigest()[:16]
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"cjepa-masking-{identity}.pt"


def resumed(kept: Path, stack: CellStack, optimizers: Optimizers) -> int:
    """The update to go on with, weights and moments restored."""
    if not kept.exists():
        return 0
    state = torch.load(kept, weights_only=True)
    for network, weights in zip(stack.networks, state["networks"], strict=True):
        network.load_state_dict(weights)
    optimizers.load_state_dict(state["parts"])
    print(f"goes on from update {state['step']}", flush=True)
    return int(state["step"])


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


def together(name: str, tier: str, figures: dict[str, Any]) -> dict[str, Any]:
    """The figures with the arms of earlier runs of the same size, updates and seeds."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return figures
    before: dict[str, Any] = json.loads(path.read_text())["figures"].get(tier, {"arms": {}})
    same = all(before.get(k) == figures[k] for k in ("updates", "parameters", "seeds"))
    return {**figures, "arms": {**before["arms"], **figures["arms"]}} if same else figures


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
    name = "cjepa_factorial" if factorial else "cjepa_masking"
    write_result(name, {args.tier: together(name, args.tier, figures)})


if __name__ == "__main__":
    main()
