"""Which position encoding remembers a place best: features foreseen from memory alone.

Every arm has the same network, parameters, updates, episodes and seeds; only what attention is told
about where tokens are differs. Arms are written as soon as they are measured; what is there already
is kept with `--arms`. Needs the training extra and OpenGL (to draw the rooms once).

    python bench/viewrope_encodings.py [--tier cpu|full] [--arms view screen ...]
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import torch
from common import RESULTS, write_result

from perception_models.cells import CellStack
from perception_models.device import choose, describe
from perception_models.viewrope.encodings import Encoding
from perception_models.viewrope.revisits import TEST, TRAINING, load
from perception_models.viewrope.study import ARMS, DEPTHS, Arm, Episodes, train
from perception_models.viewrope.study_retrieval import SELECTED, copied, evaluate

NAME = "viewrope_encodings"
TIERS = {"cpu": (3, 150, 4), "full": (5, 3000, 16)}
ROOMS = {"cpu": 32, "full": TEST.count}
RETRIEVAL = Encoding.VIEW
"""Of this arm, what the choice of frames is worth is measured as well."""


def measured(arm: Arm, stack: CellStack, data: Any, seconds: float) -> dict[str, Any]:
    """Errors of each seed on test rooms, per strategy and split."""
    episodes = Episodes(data, arm)
    retrieval = arm.encoding is RETRIEVAL
    found = [evaluate(network.eval(), episodes, retrieval) for network in stack.networks]
    return {
        "parameters": sum(p.numel() for p in stack.networks[0].parameters()),
        "seconds_a_seed": round(seconds / len(stack.networks), 1),
        "strategies": {
            strategy: {
                name: [rounded(one[strategy][name]) for one in found] for name in found[0][strategy]
            }
            for strategy in found[0]
        },
    }


def rounded(values: torch.Tensor) -> list[float | None]:
    """Three digits; nothing where there was nothing to measure."""
    return [None if v != v else float(f"{v:.3g}") for v in values.tolist()]


def main() -> None:
    """Measure a tier and keep the other's figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", choices=tuple(TIERS), default="cpu")
    parser.add_argument("--arms", nargs="*", help="only these, or none; others are kept")
    args = parser.parse_args()
    seeds, steps, size = TIERS[args.tier]
    training = load(TRAINING)
    test = {name: values[: ROOMS[args.tier]] for name, values in load(TEST).items()}
    path = RESULTS / f"{NAME}.json"
    figures = json.loads(path.read_text())["figures"] if path.exists() else {}
    setup = {
        "seeds": list(range(seeds)), "steps": steps, "batch": size, "selected": SELECTED,
        "machine": describe(choose("auto")), "depths": list(DEPTHS),
        "rooms": {"training": TRAINING.count, "test": ROOMS[args.tier]},
    }  # fmt: skip
    before = figures.get(args.tier, {})
    same = all(before.get(name) == setup[name] for name in ("seeds", "steps", "batch", "rooms"))
    kept = before["arms"] if args.arms is not None and same else {}
    reference = copied(Episodes(test, ARMS[0]))
    setup["copying"] = {name: rounded(values) for name, values in reference.items()}
    figures[args.tier] = {**setup, "arms": kept}
    write_result(NAME, figures)
    for arm in ARMS:
        if args.arms is not None and str(arm) not in args.arms:
            continue
        begun = time.process_time()
        stack = train(arm, training, list(range(seeds)), steps, size)
        kept[str(arm)] = measured(arm, stack, test, time.process_time() - begun)
        print(arm, kept[str(arm)]["seconds_a_seed"], "s of a core a seed", flush=True)
        write_result(NAME, figures)


if __name__ == "__main__":
    main()
