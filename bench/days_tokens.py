"""How few tokens of an image still tell its objects? Anchors and transport beside simpler ways.

Simulated tables seen twice, 30 to 60 degrees apart; the tokens are those that the shipped slot
encoder keeps of key frames. Objects of the first view, described by the mean of their tokens there,
are looked for among the fewer tokens of the second: does the nearest one lie on that object? And
does an object survive: does any token lie on it? A merged token lies where its anchor does. Small
objects have four tokens or fewer.

    python bench/days_tokens.py [--scenes 16]    (about 1 minute of one core)
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from common import write_result
from scipy.cluster.hierarchy import fcluster, linkage

from perception_kernels.transport import (
    EPSILON,
    choose_anchors,
    merge_tokens,
    sinkhorn,
    unlike_mean,
)
from perception_nodes.arrays import Floats, Ints
from perception_nodes.inference.loading import load_network
from perception_nodes.model_cards import weights_folder
from perception_nodes.scene import UNSCORED_LABELS, Frame, Truth
from perception_nodes.viewrope.learned import LearnedFinder
from perception_simulation.random_objects import random_objects, random_texture
from perception_simulation.simulator import Simulator
from perception_simulation.specification import TABLE_HEIGHT, CameraKey, MovingCamera, Scene

BUDGETS = (64, 48, 32, 16)
ROWS, COLUMNS = 15, 20
SMALL = 4


class View(NamedTuple):
    """Tokens (300, 128) of an image, and the number of the object at each; 0 for none."""

    tokens: Floats
    owner: Ints


class _Capturing:
    """A network that keeps the tokens it gave."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self.tokens: Floats = np.zeros((0, 0))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def run(self, inputs: Any) -> Any:
        found = self._network.run(inputs)
        self.tokens = np.array(found["tokens"][0])
        return found


def scene(seed: int) -> Scene:
    """A still table; the camera goes around it between the first frame and the last."""
    rng = np.random.default_rng((seed, 17))
    first = float(rng.uniform(-math.pi, math.pi))
    second = first + float(rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 1.0))
    middle = (0.0, 0.0, TABLE_HEIGHT + 0.03)
    path = tuple(
        CameraKey(t, (0.85 * math.cos(a), 0.85 * math.sin(a), TABLE_HEIGHT + 0.55), middle)
        for t, a in ((0.4, first), (1.2, second))
    )
    return Scene(
        objects=tuple(random_objects(rng, 8, (0.7, 0.6), 1.0, TABLE_HEIGHT)),
        cameras=(MovingCamera(path),), surface=random_texture(rng), duration=1.5, rate=2.0,
        seed=seed,
    )  # fmt: skip


def view(frame: Frame, truth: Truth, finder: LearnedFinder, network: _Capturing) -> View:
    """The tokens of a frame, and whose they are: that of most pixels of the patch."""
    assert truth.labels is not None
    finder.find(frame)
    height, width = (n // m for n, m in zip(truth.labels.shape, (ROWS, COLUMNS), strict=True))
    patches = truth.labels[: ROWS * height, : COLUMNS * width]
    patches = patches.reshape(ROWS, height, COLUMNS, width).swapaxes(1, 2).reshape(300, -1)
    owner = np.array([np.bincount(p).argmax() for p in patches])
    unscored = [k for k, o in enumerate(truth.objects, 1) if o.label in UNSCORED_LABELS]
    owner[np.isin(owner, unscored)] = 0
    return View(network.tokens, owner)


Reduce = Callable[[Floats, int, np.random.Generator], Floats]
"""Weights (K, 300) with which tokens make up those that are kept."""


def keep(indices: Ints) -> Floats:
    """Weights of tokens that are kept as they are."""
    return np.asarray(np.eye(300)[indices])


def uniform(tokens: Floats, budget: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Evenly spaced."""
    return keep(np.linspace(0, 299, budget).round().astype(np.intp))


def chance(tokens: Floats, budget: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """At random."""
    return keep(rng.choice(300, budget, replace=False))


def top(tokens: Floats, budget: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """The most important."""
    return keep(np.argsort(-unlike_mean(tokens), kind="stable")[:budget])


def cosine(tokens: Floats, budget: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Means of clusters of similar ones."""
    found = fcluster(linkage(tokens, "average", "cosine"), budget, "maxclust")
    member = found == np.unique(found)[:, None]
    return np.asarray(member / member.sum(axis=1, keepdims=True))


def anchors_of(tokens: Floats, budget: int) -> Ints:
    """Global and local anchors."""
    return choose_anchors(unlike_mean(tokens).reshape(ROWS, COLUMNS), budget)


def anchors(tokens: Floats, budget: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Anchors, the others dropped."""
    return keep(anchors_of(tokens, budget))


def nearest(tokens: Floats, budget: int, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Anchors that take what is like them, however much or little that is: no plan."""
    kept = anchors_of(tokens, budget)
    unit = tokens / np.maximum(np.linalg.norm(tokens, axis=1, keepdims=True), 1e-12)
    rest = np.delete(np.arange(300), kept)
    gibbs = np.exp(-(1.0 - unit[rest].astype(float) @ unit[kept].T.astype(float)) / EPSILON)
    weights = keep(kept)
    weights[:, rest] = (gibbs / gibbs.sum(axis=1, keepdims=True)).T
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def transported(tokens: Floats, budget: int, *, row: bool) -> Floats:
    """What `merge_tokens` computes, as weights."""
    kept = anchors_of(tokens, budget)
    unit = tokens / np.maximum(np.linalg.norm(tokens, axis=1, keepdims=True), 1e-12)
    rest = np.delete(np.arange(300), kept)
    plan = sinkhorn(1.0 - unit[rest].astype(float) @ unit[kept].T.astype(float))
    plan = plan / plan.sum(axis=1, keepdims=True) if row else plan
    weights = keep(kept)
    weights[:, rest] = plan.T
    weights /= weights.sum(axis=1, keepdims=True)
    merged = merge_tokens(tokens, kept, row_normalized=row)
    np.testing.assert_allclose(weights @ tokens, merged, atol=1e-3)
    return weights


ARMS: dict[str, Reduce] = {
    "uniform": uniform,
    "random": chance,
    "top-k": top,
    "cosine merge": cosine,
    "anchors only": anchors,
    "transport, paper": lambda t, k, _: transported(t, k, row=False),
    "transport, rows normalized": lambda t, k, _: transported(t, k, row=True),
    "nearest anchors, no plan": nearest,
}


def owners(weights: Floats, owner: Ints) -> Ints:
    """(K,) whose each kept token is: of the token that weighs most, or of most that weigh alike."""
    heavy = weights >= weights.max(axis=1, keepdims=True) - 1e-9
    return np.array([np.bincount(owner[row]).argmax() for row in heavy])


def answers(a: View, b: View, weights: Floats) -> list[dict[str, float]]:
    """For each object of both views: small, found, alive."""
    mean = b.tokens.mean(axis=0)
    kept = weights @ b.tokens - mean
    kept /= np.maximum(np.linalg.norm(kept, axis=1, keepdims=True), 1e-9)
    rows, whose = [], owners(weights, b.owner)
    for number in np.intersect1d(a.owner, b.owner):
        if number == 0:
            continue
        asked = a.tokens[a.owner == number].mean(axis=0) - a.tokens.mean(axis=0)
        rows.append({
            "small": float((b.owner == number).sum() <= SMALL),
            "found": float(whose[np.argmax(kept @ asked)] == number),
            "alive": float((whose == number).any()),
        })  # fmt: skip
    return rows


def main() -> None:
    """Look, reduce, look for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=16)
    parser.add_argument("--tier", default="cpu")
    args = parser.parse_args()
    network = _Capturing(load_network(weights_folder() / "viewrope.yaml", "cpu"))
    pairs = []
    for seed in range(700, 700 + args.scenes):
        finder = LearnedFinder(network)  # type: ignore[arg-type]
        samples = list(Simulator(scene(seed)))
        frames = [(s.frame, s.truth) for s in (samples[0], samples[-1]) if s.truth is not None]
        pairs.append([view(frame, truth, finder, network) for frame, truth in frames])
    rows: dict[str, list[dict[str, float]]] = {"all 300": []}
    for a, b in pairs:
        rows["all 300"] += answers(a, b, np.eye(300))
    for budget in BUDGETS:
        for name, reduce in ARMS.items():
            rng = np.random.default_rng(budget)
            rows[f"{name}, {budget}"] = [
                x for a, b in pairs for x in answers(a, b, reduce(b.tokens, budget, rng))
            ]
    figures = {}
    for name, found in rows.items():
        small = [x for x in found if x["small"]]
        figures[name] = {
            key: float(np.sum([x[key] for x in of]))
            for of, key in ((found, "found"), (found, "alive"))
        } | {"objects": len(found), "small": len(small),
             "small_found": sum(x["found"] for x in small),
             "small_alive": sum(x["alive"] for x in small)}  # fmt: skip
        print(f"{name:32s}", figures[name])
    write_result("days_tokens", {"rows": figures, "scenes": args.scenes})


if __name__ == "__main__":
    main()
