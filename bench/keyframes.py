"""Key frames of the learned encoder: what a frame costs, and whether the right ones are chosen.

    python bench/keyframes.py [--seeds 3] [--frames 450]

Cost: milliseconds a frame for buffers of 4 to 256 key frames. Choice: in simulated worlds with a
camera that moves and looks away, how much of the present image (dense depth, exact poses) is shown
by the four chosen key frames, beside the best four by that same measure, the newest and random
ones. Geometry alone decides here; no network is run.
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from common import write_result

from perception_kernels.unproject import unproject
from perception_nodes.arrays import Bools, Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Frame
from perception_nodes.viewrope.encoding import Picture, Sight, picture, sight
from perception_nodes.viewrope.keyframes import KeyFrames
from perception_simulation.generator import generate
from perception_simulation.simulator import Simulator

LENGTHS = (4, 16, 64, 128, 256)
CHOSEN = 4
SIZE, GRID = (320, 240), (15, 20)
EVERY = 3
REPEATS = 30
TOKENS = np.zeros((GRID[0] * GRID[1], 128), np.float32)


@dataclass(frozen=True)
class Kept:
    """A key frame with its whole depth image."""

    pose: Pose
    camera: Camera
    depth: Floats


def cost(seen: Sight) -> dict[str, dict[str, float]]:
    """Median milliseconds of the three calls that a frame makes, for buffers of some lengths."""
    result = {}
    for length in LENGTHS:
        memory = KeyFrames(capacity=length)
        clock: dict[str, list[float]] = {"arrive": [], "select": [], "observe": []}
        for i in range(length + REPEATS):
            pose = Pose(seen.pose.rotation, seen.pose.translation + np.array([0.2 * i, 0.0, 0.0]))
            places = seen.places + np.array([0.2 * i, 0.0, 0.0])
            now = replace(seen, pose=pose, stamp=i * 10**9, places=places)
            began = [time.perf_counter()]
            memory.arrive(now)
            began.append(time.perf_counter())
            memory.select(now, CHOSEN)
            began.append(time.perf_counter())
            memory.observe(now, TOKENS)
            began.append(time.perf_counter())
            for values, (a, b) in zip(clock.values(), itertools.pairwise(began), strict=True):
                values.append(1e3 * (b - a))
        assert len(memory) == length
        result[str(length)] = {
            name: round(float(np.median(values[-REPEATS:])), 3) for name, values in clock.items()
        }
    return result


def choice(place: str, seed: int, frames: int) -> tuple[list[dict[str, float]], int]:
    """For frames of a scene how much each way of choosing shows, and how many key frames it has."""
    memory = KeyFrames()
    kept: dict[int, Kept] = {}
    rng = np.random.default_rng(seed)
    results = []
    for number, sample in enumerate(itertools.islice(Simulator(generate(seed, place)), frames)):  # type: ignore[arg-type]
        if number % EVERY:
            continue
        seen = picture(sample.frame, *SIZE)
        now = sight(sample.frame, seen, *GRID)
        memory.arrive(now)
        stored = _stored(memory, kept)
        if len(stored) > CHOSEN:
            chosen = [kept[key.sight.stamp] for key in memory.select(now, CHOSEN)]
            results.append(_compare(sample.frame, seen, stored, chosen, rng))
        if memory.observe(now, TOKENS):
            _remember(kept, sample.frame, seen)
    return results, len(memory)


def _stored(memory: KeyFrames, kept: dict[int, Kept]) -> list[Kept]:
    return [kept[key.sight.stamp] for key in memory.frames()]


def _remember(kept: dict[int, Kept], frame: Frame, seen: Picture) -> None:
    assert frame.pose is not None
    kept[frame.stamp] = Kept(frame.pose, seen.camera, seen.depth)


def _compare(
    frame: Frame, seen: Picture, stored: list[Kept], chosen: list[Kept], rng: np.random.Generator
) -> dict[str, float]:
    """The share of the present image that four key frames show together."""
    assert frame.pose is not None
    points = unproject(seen.depth, seen.camera.rays())[::4, ::4].reshape(-1, 3)
    world = frame.pose.apply(points[points[:, 2] > 0].astype(np.float64))
    shows = {id(view): _shown(world, view) for view in stored}
    ranked = sorted(stored, key=lambda view: -shows[id(view)].mean())
    random = [stored[i] for i in rng.permutation(len(stored))[:CHOSEN]]
    ways = {"chosen": chosen, "best": ranked[:CHOSEN], "newest": stored[-CHOSEN:], "random": random}

    def together(views: list[Kept]) -> float:
        return float(np.any([shows[id(v)] for v in views], axis=0).mean()) if views else 0.0

    return {name: together(views) for name, views in ways.items()} | {"all": together(stored)}


def _shown(world: Floats, view: Kept) -> Bools:
    local = (world - view.pose.translation) @ view.pose.rotation
    pixels, depth = view.camera.project(local)
    inside = view.camera.contains(pixels) & (depth > 0)
    u, v = (np.where(inside, np.rint(pixels[:, i]), 0).astype(np.intp) for i in range(2))
    measured = view.depth[v, u]
    return np.asarray(inside & (np.abs(measured - depth) < 0.02 + 0.02 * depth))


def main() -> None:
    """Measure both and write bench/results/keyframes.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--frames", type=int, default=450)
    args = parser.parse_args()
    first = next(iter(Simulator(generate(0)))).frame
    figures: dict[str, Any] = {"cost_ms": cost(sight(first, picture(first, *SIZE), *GRID))}
    print("key frames   arrive   select  observe  ms")
    for length, row in figures["cost_ms"].items():
        print(f"{length:>10} {row['arrive']:8.2f} {row['select']:8.2f} {row['observe']:8.2f}")
    figures["shown"] = {}
    print(
        "\nshare of the image that four key frames show\n"
        "             chosen     best   newest   random      all  key frames"
    )
    for place in ("tabletop", "room"):
        scenes = [choice(place, seed, args.frames) for seed in range(args.seeds)]
        rows = [row for results, _ in scenes for row in results]
        means = {name: round(float(np.mean([r[name] for r in rows])), 3) for name in rows[0]}
        kept = round(float(np.mean([count for _, count in scenes])), 1)
        figures["shown"][place] = {**means, "frames": len(rows), "key_frames": kept}
        print(f"{place:<10}", *(f"{value:8.3f}" for value in means.values()), f"{kept:11.1f}")
    write_result("keyframes", figures)


if __name__ == "__main__":
    main()
