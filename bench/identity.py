"""Does an object get its old id when the camera comes back? On video, with drifting poses.

A camera looks at a table, turns away by 80 degrees for three seconds, and comes back to another
place, 30 to 80 degrees around the table. The pose that the robot believes drifts meanwhile. States
are matched one to one to the objects that the frame shows by the distance of centers, as the camera
sees both; of the objects known before and shown after, how many have their old id? Ways to see: the
depth finder; the learned encoder as it is, without latents (geometry and color alone), without
key frames, with slots that start from those of the frame before, and another network that was
trained in the same way with screen RoPE (`permanence train viewrope --set encoding=screen`), if one
is given.

    python bench/identity.py [--card FILE] [--screen FILE]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from common import RESULTS, write_result
from scipy.optimize import linear_sum_assignment

from perception_nodes.inference.loading import load_network
from perception_nodes.model_cards import weights_folder
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.scene import Frame, ObjectState, Sample, Slots, Visibility
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_nodes.viewrope.encoding import Sight
from perception_nodes.viewrope.keyframes import KeyFrame, KeyFrames
from perception_nodes.viewrope.learned import LearnedFinder
from perception_nodes.viewrope.source import SlotSource
from perception_simulation.motion import PoseTrack, camera_track
from perception_simulation.random_objects import random_objects, random_texture
from perception_simulation.simulator import Simulator
from perception_simulation.specification import (
    TABLE_HEIGHT,
    CameraKey,
    MovingCamera,
    Odometry,
    Scene,
    Vector3,
)

SEEDS = range(300, 316)
DRIFTS = (0.0, 0.1)
"""Standard deviation of the believed position after a meter, m; of yaw a third of it, rad."""
LEFT, BACK, END = 3.0, 7.0, 9.0
MIN_PIXELS = 150
SLACK = 0.03
"""Meters that a center may be wrong by, beyond half of the object's largest extent."""
Ids = dict[int, str]


class _NoKeyFrames(KeyFrames):
    """Keeps key frames and shows none."""

    def select(self, sight: Sight, count: int) -> list[KeyFrame]:
        return super().select(sight, count)[:0]


class _NoLatents:
    """A slot source whose latents are taken away."""

    def __init__(self, source: SlotSource) -> None:
        self._source = source
        self.model_id = source.model_id

    def find(self, frame: Frame) -> Slots:
        slots = self._source.find(frame)
        items = tuple(dataclasses.replace(slot, latent=None) for slot in slots.items)
        return dataclasses.replace(slots, items=items)

    def reset(self) -> None:
        self._source.reset()


def scene(seed: int, drift: float) -> Scene:
    """A still table, and a camera that looks away and comes back elsewhere."""
    rng = np.random.default_rng((seed, 11))
    objects = random_objects(rng, int(rng.integers(5, 11)), (0.7, 0.6), 1.0, TABLE_HEIGHT)
    first = float(rng.uniform(-math.pi, math.pi))
    second = first + float(rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 1.4))
    middle = (0.0, 0.0, TABLE_HEIGHT + 0.03)

    def eye(angle: float, reach: float) -> Vector3:
        return reach * math.cos(angle), reach * math.sin(angle), TABLE_HEIGHT + 0.55

    def aside(angle: float, reach: float) -> Vector3:
        """A point 80 degrees to the side of the table's middle, as seen from the eye."""
        x, y, z = eye(angle, reach)
        turned = angle + math.pi + math.radians(80.0)
        return x + math.cos(turned), y + math.sin(turned), z - 0.5

    path = (
        CameraKey(0.0, eye(first, 0.9), middle),
        CameraKey(LEFT - 0.5, eye(first + 0.15, 0.85), middle),
        CameraKey(LEFT + 0.5, eye(first + 0.2, 0.9), aside(first + 0.2, 0.9)),
        CameraKey(BACK - 1.5, eye(second, 0.9), aside(second, 0.9)),
        CameraKey(BACK, eye(second, 0.85), middle),
    )
    return Scene(
        objects=tuple(objects),
        cameras=(MovingCamera(path),),
        surface=random_texture(rng),
        odometry=Odometry(drift, drift / 3.0),
        duration=END,
        rate=5.0,
        width=320,
        height=240,
        seed=seed,
    )


def shown(sample: Sample, states: tuple[ObjectState, ...], path: PoseTrack) -> tuple[set[int], Ids]:
    """Numbers of the true objects that the frame shows, and the ids of the states that are them."""
    frame, truth = sample.frame, sample.truth
    assert truth is not None
    assert truth.labels is not None
    assert frame.pose is not None
    counts = np.bincount(truth.labels.ravel(), minlength=len(truth.objects) + 1)
    visible = [k for k in range(1, len(counts)) if counts[k] >= MIN_PIXELS]
    seen = [state for state in states if state.visibility is Visibility.VISIBLE]
    if not visible or not seen:
        return set(visible), {}
    to_camera, believed = path.at(frame.stamp * 1e-9).inverse(), frame.pose.inverse()
    things = [truth.objects[k - 1] for k in visible]
    true = np.stack([to_camera.apply(thing.position) for thing in things])
    found = np.stack([believed.apply(state.position) for state in seen])
    apart = np.linalg.norm(true[:, None] - found, axis=2)
    limit = np.array([thing.size.max() / 2 + SLACK for thing in things])[:, None]
    rows, columns = linear_sum_assignment(np.where(apart <= limit, apart, 10.0))
    return set(visible), {
        visible[i]: seen[j].id
        for i, j in zip(rows, columns, strict=True)
        if apart[i, j] <= limit[i]
    }


def follow(samples: list[Sample], path: PoseTrack, source: SlotSource) -> dict[str, int]:
    """How many objects kept their id, got another, or were not found again."""
    tracker = ObjectTracker()
    before: Ids = {}
    after: Ids = {}
    visible: set[int] = set()
    for sample in samples:
        states, _ = tracker.update(sample.frame, source.find(sample.frame))
        seconds = (sample.frame.stamp - samples[0].frame.stamp) * 1e-9
        if seconds < LEFT - 0.5:
            before |= shown(sample, states, path)[1]
        visible, after = shown(sample, states, path)
    asked = [number for number in before if number in visible]
    return {
        "asked": len(asked),
        "same": sum(after.get(number) == before[number] for number in asked),
        "other": sum(number in after and after[number] != before[number] for number in asked),
        "none": sum(number not in after for number in asked),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--card", type=Path, default=weights_folder() / "viewrope.yaml")
    parser.add_argument("--screen", type=Path, help="card of a network trained with screen RoPE")
    parser.add_argument("--only", help="one way; others stay as they were measured before")
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu", help="both the same")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    network = load_network(args.card, "cpu", threads=1)
    sources: dict[str, Callable[[], SlotSource]] = {
        "depth": DepthFinder,
        "learned": lambda: LearnedFinder(network),
        "learned, no latents": lambda: _NoLatents(LearnedFinder(network)),
        "learned, no key frames": lambda: LearnedFinder(network, _NoKeyFrames()),
        "learned, persistent": lambda: LearnedFinder(network, persistent=True),
    }
    if args.screen is not None:
        other = load_network(args.screen, "cpu", threads=1)
        sources["learned, screen RoPE"] = lambda: LearnedFinder(other)
    figures: dict[str, Any] = {}
    if args.only:
        sources = {args.only: sources[args.only]}
        figures = json.loads((RESULTS / "identity.json").read_text())["figures"]["drifts"]
    for drift in DRIFTS:
        rows: dict[str, list[dict[str, int]]] = {name: [] for name in sources}
        for seed in SEEDS:
            world = scene(seed, drift)
            samples, path = list(Simulator(world)), camera_track(world.cameras[0])
            for name, make in sources.items():
                rows[name].append(follow(samples, path, make()))
            print(drift, seed, {name: row[-1] for name, row in rows.items()}, flush=True)
        figures[str(drift)] = figures.get(str(drift), {}) | rows
    for drift, found in figures.items():
        for name, row in found.items():
            total = {key: sum(item[key] for item in row) for key in row[0]}
            print(f"drift {drift}  {name:24s} {total}")
    write_result("identity", {"model": network.model_id, "drifts": figures})


if __name__ == "__main__":
    main()
