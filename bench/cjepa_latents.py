"""Do latents of the encoder help the world model? Small ones, trained as cells of one batch.

    python bench/cjepa_latents.py [--updates 1000] [--seeds 0,1,2]

Each episode's scene is drawn as a camera sees it (textures at random, an imperfect sensor), the
shipped encoder gives each object its latent, and arms of the same seed see the same windows for the
same number of updates: states alone, with latents, with roundness. Wrong latents, those of objects
of another episode, are the negative control. Struck objects that nobody sees are asked for. What
latents tell at all is shown by a nearest-neighbor vote on roundness.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from common import write_result
from torch import Tensor

from perception_models.cells import Batch, Call, Cell, CellStack
from perception_models.cjepa import rollout
from perception_models.cjepa.appearance import LookingNetwork, latents
from perception_models.cjepa.dataset import episodes
from perception_models.cjepa.occlusion import Occlusions, by_network, hidden_batch, occlusions
from perception_models.cjepa.samples import Windows, roundness
from perception_models.cjepa.task import ABLATIONS
from perception_models.data import stream
from perception_models.optimizers.build import Optimizers
from perception_models.trainer import rate_factor
from perception_nodes.scene import UNKNOWN_ROUNDNESS

TRAINING, TEST = 600, 200
WIDTH, HEADS, DEPTH, MESSAGE, BATCH, HORIZON = 32, 2, 2, 24, 32, 3
COMPONENTS = 16
"""Of the latents of training objects; what varies less is left out."""
ARMS = {
    "states alone": {"shape": 0.0, "latent": 0.0, "wrong": 0.0},
    "latents": {"shape": 0.0, "latent": 1.0, "wrong": 0.0},
    "wrong latents": {"shape": 0.0, "latent": 1.0, "wrong": 1.0},
    "roundness": {"shape": 1.0, "latent": 0.0, "wrong": 0.0},
}
SWITCHES = {
    name: {**ABLATIONS["full"], "latent": arm["latent"], "wrong": arm["wrong"]}
    | {"told": arm["shape"]}
    for name, arm in ARMS.items()
}


def told(batch: Batch, switches: Batch) -> Tensor:
    """[B, N, 3 + L]: roundness, and the latents that an arm sees."""
    shape = switches["told"] * batch["round"] + (1 - switches["told"]) * UNKNOWN_ROUNDNESS
    seen = batch["latent"]
    other = seen.roll(1, dims=0)
    latent = switches["latent"] * (seen + switches["wrong"] * (other - seen))
    return torch.cat((shape, latent), dim=-1)


def loss(call: Call, batch: Batch, switches: Batch) -> Tensor:
    """See `rollout.loss`."""
    return rollout.loss(call, {**batch, "roundness": told(batch, switches)}, switches)


def train(stack: CellStack, windows: Windows, steps: int) -> None:
    """All updates of all cells: single steps, in the last half every third on own roll-outs."""
    optimizers = Optimizers(stack.networks, "muon", 0.0, 2e-3, 0.01)
    for step in range(steps):
        horizon = HORIZON if 2 * step >= steps and step % 3 == 0 else 1
        batches = {
            seed: windows.draw(BATCH, horizon, stream("cjepa", "latents", seed, step))
            for seed in stack.seeds
        }
        torch.autograd.backward(stack.losses(loss, batches).sum())
        for network in stack.networks:
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizers.step(rate_factor(step, steps, 0.05, True))
        if (step + 1) % 100 == 0:
            print(f"{step + 1} of {steps}", flush=True)


def reduced(training: Tensor, test: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
    """Principal components of unit variance; fitted on the training objects that have latents."""
    rows = training[found > 0]
    mean = rows.mean(dim=0)
    _, size, axes = torch.linalg.svd(rows - mean, full_matrices=False)
    basis = axes[:COMPONENTS].T * (len(rows) ** 0.5 / size[:COMPONENTS])
    return (training - mean) @ basis, (test - mean) @ basis


def neighbors(training: Tensor, labels: Tensor, test: Tensor, true: Tensor) -> float:
    """Share of rightly told roundness by the vote of the five nearest latents."""
    nearest = torch.cdist(test, training).topk(5, largest=False).indices
    return float((labels[nearest].float().mean(dim=1).round() == true).float().mean())


def probe(
    data: tuple[Tensor, Tensor], found: tuple[Tensor, Tensor], sizes: tuple[Tensor, Tensor]
) -> dict[str, float]:
    """What latents tell of whether an object is round at all, against the more frequent answer."""
    round_ = [roundness(size).amax(dim=-1) for size in sizes]
    masks = [(f > 0) & (size[..., 0] > 0) for f, size in zip(found, sizes, strict=True)]
    labels, true = (r[m] for r, m in zip(round_, masks, strict=True))
    return {
        "told": neighbors(data[0][masks[0]], labels, data[1][masks[1]], true),
        "most_frequent": float(max(true.mean(), 1 - true.mean())),
        "objects": len(true),
    }


def measure(stack: CellStack, windows: Windows, cases: Occlusions) -> dict[str, Any]:
    """By arm and seed the errors of struck hidden objects after 1 and 2 s, mm."""
    found: dict[str, Any] = {}
    assert windows.latents is not None
    batch = hidden_batch(windows, cases) | {"latent": windows.latents[cases.episode]}
    for cell, network, switches in zip(stack.cells, stack.networks, stack.switches, strict=True):
        network.eval()
        shape = {"roundness": told(batch, switches)}
        places, _ = by_network(network, windows, cases, switches, shape)
        away = 1000 * (places - cases.truth).norm(dim=-1)[cases.struck]
        row = {f"{s}s_mm": [round(v, 2) for v in away[:, 10 * s - 1].tolist()] for s in (1, 2)}
        found.setdefault(cell.ablation, []).append(row)
        means = {name: round(sum(v) / len(v), 1) for name, v in row.items()}
        print(cell, means, flush=True)
    return found


def main() -> None:
    """Train, measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--seeds", default="0,1,2")
    args = parser.parse_args()
    torch.set_num_threads(1)
    raw, there = zip(latents("training", TRAINING), latents("test", TEST), strict=True)
    data = reduced(*raw, there[0])
    kept = tuple(x * mask.unsqueeze(-1) for x, mask in zip(data, there, strict=True))
    seen, unseen = episodes("training", "few", TRAINING), episodes("test", "few", TEST)
    figures: dict[str, Any] = {
        "updates": args.updates,
        "latents_found": [float(f[s.size[..., 0] > 0].mean())
                          for f, s in zip(there, (seen, unseen), strict=True)],
        "roundness_told": probe(data, there, (seen.size, unseen.size)),
    }  # fmt: skip
    print(figures, flush=True)
    cells = [Cell(int(seed), arm) for seed in args.seeds.split(",") for arm in ARMS]

    def make() -> LookingNetwork:
        return LookingNetwork(WIDTH, HEADS, DEPTH, MESSAGE, COMPONENTS)

    stack = CellStack(make, cells, SWITCHES, torch.device("cpu"))
    train(stack, Windows(seen, kept[0]), args.updates)
    windows = Windows(unseen, kept[1])
    cases = occlusions(windows, 2 * TEST)
    figures["arms"] = measure(stack, windows, cases)
    write_result("cjepa_latents", {args.tier: figures})


if __name__ == "__main__":
    main()
