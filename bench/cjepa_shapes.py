"""How well the tracker's rule tells what is round, on rendered tabletops.

    python bench/cjepa_shapes.py [--fit]

A few times a second, what the depth-only finder sees whole is compared with five surfaces
(`perception_nodes/objects/shape.py`), by sighting and as the mean over the sightings of an object.
`--fit` instead fits the rule's constants, on other scenes. What is neither box, ball nor round
about an axis (ellipsoids, superquadrics) has no true answer and is left out.
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import write_result
from scipy.optimize import minimize

from perception_nodes.arrays import Floats
from perception_nodes.objects.shape import COMMON, POWER, chances, residuals, roundness
from perception_nodes.objects.sighting import Sighting
from perception_nodes.scene import ObjectState, Truth
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_simulation.generator import generate
from perception_simulation.simulator import Simulator

SCENES = {"fit": range(200, 216), "test": range(216, 228)}
FRAMES, EVERY = 160, 16
NEAR = 0.04
ROUND = {"cylinder", "capsule", "revolution", "bottle", "mug", "bowl"}
NAMES = ("box", "ball", "round about x", "round about y", "round about z")


@dataclass(frozen=True)
class Look:
    """One sighting: of which object, which of the five shapes it is, and the residuals (5,)."""

    thing: tuple[int, str]
    shape: int
    fits: Floats


def looks(seeds: range) -> list[Look]:
    """All whole sightings of things with a true shape."""
    found = []
    for seed in seeds:
        finder = DepthFinder()
        for k, sample in enumerate(itertools.islice(Simulator(generate(seed, "tabletop")), FRAMES)):
            if k % EVERY or sample.truth is None or sample.frame.pose is None:
                continue
            for slot in finder.find(sample.frame).items:
                if slot.cut:
                    continue
                sighting = Sighting.from_slot(slot, sample.frame.pose, 0.0)
                found += _look(seed, sighting, sample.truth)
    return found


def _look(seed: int, sighting: Sighting, truth: Truth) -> list[Look]:
    apart = [float(np.linalg.norm(item.position - sighting.center)) for item in truth.objects]
    nearest = int(np.argmin(apart))
    thing = truth.objects[nearest]
    shape = true_shape(thing, sighting.rotation)
    middle = sighting.points - sighting.center
    fits = residuals(middle, sighting.rotation, sighting.slot.size)
    if apart[nearest] > NEAR or shape is None or fits is None:
        return []
    return [Look((seed, thing.id), shape, fits)]


def true_shape(thing: ObjectState, rotation: Floats) -> int | None:
    """Index into `NAMES`; what is round is so about its own z axis, here an axis of the box."""
    if thing.label in ("box", "sphere"):
        return int(thing.label == "sphere")
    if thing.label not in ROUND:
        return None
    return 2 + int(np.abs(rotation.T @ thing.pose.rotation[:, 2]).argmax())


def by_object(found: list[Look]) -> list[Look]:
    """The mean of each object's sightings, of which each has a shape (the most frequent one)."""
    groups: dict[tuple[int, str], list[Look]] = {}
    for look in found:
        groups.setdefault(look.thing, []).append(look)
    return [
        Look(
            thing,
            Counter(one.shape for one in group).most_common(1)[0][0],
            np.mean([one.fits for one in group], axis=0),
        )
        for thing, group in groups.items()
    ]


def figures(found: list[Look]) -> dict[str, Any]:
    """How often the likeliest shape is the true one, and what is said against what is so."""
    said = np.array([chances(look.fits) for look in found])
    shape = np.array([look.shape for look in found])
    round_about = said[:, 1:2] + said[:, 2:]
    truly = (shape[:, None] == 1) | (shape[:, None] == np.arange(2, 5))
    bins = np.minimum((round_about * 5).astype(int), 4)
    return {
        "count": len(found),
        "right": int((said.argmax(axis=1) == shape).sum()),
        "confusion": [
            [int(((shape == i) & (said.argmax(axis=1) == j)).sum()) for j in range(5)]
            for i in range(5)
        ],
        "told_round": [
            [int((bins == b).sum()), round(float(round_about[bins == b].mean()), 3),
             round(float(truly[bins == b].mean()), 3)]
            for b in range(5)
            if (bins == b).any()
        ],
    }  # fmt: skip


def said(found: list[Look]) -> list[list[float]]:
    """Of each the true shape and the chances to be round about x, y and z."""
    return [[look.shape, *roundness(look.fits).round(3).tolist()] for look in found]


def fit(found: list[Look]) -> tuple[float, list[float]]:
    """Power and log weights of the shapes by maximum likelihood; x and y are alike."""
    fits = np.array([look.fits for look in found])
    row, shape = np.arange(len(found)), np.array([look.shape for look in found])

    def loss(values: Floats) -> float:
        weights = values[[1, 2, 3, 3, 4]]
        score = weights - np.exp(values[0]) * fits
        total = np.logaddexp.reduce(score, axis=1)
        return float((total - score[row, shape]).mean() + 0.01 * (weights**2).sum())

    best = minimize(loss, np.array([1.0, 0, 0, 0, 0]), method="Nelder-Mead",
                    options={"maxiter": 4000}).x  # fmt: skip
    return float(np.exp(best[0])), [round(float(v), 2) for v in best[[1, 2, 3, 3, 4]]]


def main() -> None:
    """Measure and write the result, or fit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--fit", action="store_true", help="print constants, measure nothing")
    args = parser.parse_args()
    found = looks(SCENES["fit" if args.fit else "test"])
    if args.fit:
        print("POWER, COMMON =", *fit(found))
        return
    whole = by_object(found)
    result = {"sightings": figures(found), "objects": figures(whole) | {"said": said(whole)}}
    for name, row in result.items():
        print(name, row)
    write_result("cjepa_shapes", {"names": NAMES, "power": POWER, "common": COMMON, **result})


if __name__ == "__main__":
    main()
