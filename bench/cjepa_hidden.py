"""How far objects are from where they are believed after 1 and 2 s without being seen.

    python bench/cjepa_hidden.py

Test episodes of the world model's own scenes, states as noisy as the tracker's. Each case hides
one object, which is struck or pushed meanwhile, or undisturbed.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from common import write_result
from torch import Tensor

from perception_models.cjepa.dataset import episodes
from perception_models.cjepa.occlusion import (
    Occlusions,
    by_kalman,
    by_network,
    by_velocity,
    occlusions,
)
from perception_models.cjepa.samples import Windows
from perception_models.cjepa.shipped import as_shipped, shipped

SECONDS = (1, 2)
KINDS = {"struck": True, "undisturbed": False}


def errors(found: Tensor, cases: Occlusions) -> dict[str, Any]:
    """Errors in millimeters by kind and second: of each case, median and mean."""
    apart = 1000 * (found - cases.truth).norm(dim=-1)
    table: dict[str, Any] = {}
    for kind, struck in KINDS.items():
        for seconds in SECONDS:
            values = apart[cases.struck == struck, 10 * seconds - 1]
            table[f"{kind}_{seconds}s"] = {
                "median_mm": round(float(values.median()), 1),
                "mean_mm": round(float(values.mean()), 1),
                "cases": [round(v, 2) for v in values.tolist()],
            }
    return table


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--cases", type=int, default=600)
    args = parser.parse_args()
    torch.set_num_threads(1)
    windows, switches = Windows(episodes("test", "few")), as_shipped()
    cases = occlusions(windows, args.cases)
    network, _ = by_network(shipped(), windows, cases, switches)
    held = cases.truth[:, :1].expand_as(cases.truth)
    methods = {
        "world model": network,
        "Kalman filter": by_kalman(windows, cases, switches),
        "constant velocity": by_velocity(windows, cases, switches),
        "stays (as at the first hidden frame)": held,
    }
    figures = {name: errors(found, cases) for name, found in methods.items()}
    for name, row in figures.items():
        print(name, {key: (v["median_mm"], v["mean_mm"]) for key, v in row.items()})
    write_result("cjepa_hidden", {"cases": len(cases.item), "methods": figures})


if __name__ == "__main__":
    main()
