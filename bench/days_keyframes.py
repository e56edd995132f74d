"""Do key frames of fewer tokens serve the learned encoder as well? Memory, time, objects found.

Simulated tables that a camera goes around. The slot encoder attends to four key frames of 300
tokens, or, where fewer of each are kept, to as many more as fill the same inputs. Objects found are
matched with the truth as in finder.py; small ones show 300 of 320 x 240 pixels or fewer.

    python bench/days_keyframes.py [--scenes 8]    (about 5 minutes of one core)
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

import numpy as np
from common import write_result
from finder import IOU, Counts, count

from perception_nodes.arrays import Ints
from perception_nodes.inference.loading import load_network
from perception_nodes.model_cards import weights_folder
from perception_nodes.scene import UNSCORED_LABELS, Frame, Truth
from perception_nodes.viewrope.encoding import Sight
from perception_nodes.viewrope.keyframes import KeyFrame, KeyFrames
from perception_nodes.viewrope.learned import LearnedFinder
from perception_simulation.random_objects import random_objects, random_texture
from perception_simulation.simulator import Simulator
from perception_simulation.specification import TABLE_HEIGHT, CameraKey, MovingCamera, Scene

SMALL, LEAST = 300, 50
SECONDS, RATE = 8.0, 3.0


class NoKeyFrames(KeyFrames):
    """Keeps key frames and shows none."""

    def select(self, sight: Sight, count: int) -> list[KeyFrame]:
        """None."""
        return super().select(sight, count)[:0]


ARMS = {
    "no key frames": NoKeyFrames,
    "all 300 tokens": KeyFrames,
    "150 tokens": lambda: KeyFrames(anchors=150),
    "75 tokens": lambda: KeyFrames(anchors=75),
    "30 tokens": lambda: KeyFrames(anchors=30),
}


def scene(seed: int) -> Scene:
    """A still table; the camera goes half around it."""
    rng = np.random.default_rng((seed, 19))
    first = float(rng.uniform(-math.pi, math.pi))
    middle = (0.0, 0.0, TABLE_HEIGHT + 0.03)
    path = tuple(
        CameraKey(t, (0.85 * math.cos(a), 0.85 * math.sin(a), TABLE_HEIGHT + 0.55), middle)
        for t, a in ((0.0, first), (SECONDS, first + math.pi))
    )
    return Scene(
        objects=tuple(random_objects(rng, 8, (0.7, 0.6), 1.0, TABLE_HEIGHT)),
        cameras=(MovingCamera(path),), surface=random_texture(rng), duration=SECONDS, rate=RATE,
        seed=seed,
    )  # fmt: skip


def numbered(truth: Truth) -> Ints:
    """(H, W) objects that show enough, from 1 without gaps."""
    assert truth.labels is not None
    kept = [
        k
        for k, o in enumerate(truth.objects, 1)
        if o.label not in UNSCORED_LABELS and int((truth.labels == k).sum()) >= LEAST
    ]
    lookup = np.zeros(256, np.intp)
    lookup[kept] = np.arange(1, len(kept) + 1)
    return np.asarray(lookup[truth.labels])


def small_found(predicted: Ints, truth: Ints) -> tuple[int, int]:
    """Small objects that one label covers well, and how many there are."""
    found = there = 0
    for number in range(1, int(truth.max()) + 1):
        mask = truth == number
        if mask.sum() > SMALL:
            continue
        there += 1
        label = int(np.bincount(predicted[mask]).argmax())
        both = (mask & (predicted == label)).sum() if label else 0
        found += bool(both >= IOU * (mask | (predicted == label)).sum()) if label else 0
    return found, there


def run(frames: list[tuple[Frame, Truth]], finder: LearnedFinder, memory: KeyFrames) -> Any:
    """Counts over a sequence, small objects, milliseconds a frame, bytes of the key frames."""
    counts, small, times = Counts(), np.zeros(2, int), []
    for frame, truth in frames:
        began = time.process_time()
        slots = finder.find(frame)
        times.append(time.process_time() - began)
        wanted = numbered(truth)
        height, width = wanted.shape
        labels = slots.labels
        step = (labels.shape[0] / height, labels.shape[1] / width)
        rows = (np.arange(height) * step[0]).astype(int)
        columns = (np.arange(width) * step[1]).astype(int)
        labels = labels[rows][:, columns].astype(np.intp)
        counts.add(count(labels, wanted))
        small += small_found(labels, wanted)
    size = sum(key.tokens.nbytes for key in memory.frames())
    return counts, small, 1e3 * float(np.median(times)), size, len(memory)


def main() -> None:
    """Run every arm on the same frames."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--tier", default="cpu")
    args = parser.parse_args()
    network = load_network(weights_folder() / "viewrope.yaml", "cpu")
    totals: dict[str, list[Any]] = {name: [] for name in ARMS}
    for seed in range(args.scenes):
        frames = [(f, t) for f, t in Simulator(scene(seed)) if t is not None]
        for name, make in ARMS.items():
            memory = make()
            totals[name].append(run(frames, LearnedFinder(network, memory), memory))
        print(seed, flush=True)
    rows: dict[str, Any] = {}
    for name, runs in totals.items():
        counts, small = Counts(), np.zeros(2, int)
        for found, tiny, *_ in runs:
            counts.add(found)
            small += tiny
        rows[name] = {
            **counts.figures(), "small_found": int(small[0]), "small": int(small[1]),
            "f1_by_scene": [r[0].figures()["f1"] for r in runs],
            "ms": float(np.median([r[2] for r in runs])),
            "bytes_a_key_frame": sum(r[3] for r in runs) / max(sum(r[4] for r in runs), 1),
            "key_frames": float(np.mean([r[4] for r in runs])),
        }  # fmt: skip
        print(name, rows[name], flush=True)
    write_result("days_keyframes", {"scenes": args.scenes, "rows": rows})


if __name__ == "__main__":
    main()
