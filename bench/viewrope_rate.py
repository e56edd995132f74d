"""How many pictures of 640x480 a second the part `viewrope` handles, key frames included.

Real recordings in their order, decoded beforehand, each frame from images to slots: the learned
source with the network on all cores, key frames remembered and selected, and the depth-only finder
beside it. Target on two cores: 10 Hz.

    python bench/viewrope_rate.py [--card FILE] [--frames 150]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from common import SHARED_DATA, write_result

from perception_nodes.bags.plain import PlainRecording
from perception_nodes.inference.loading import load_network
from perception_nodes.model_cards import weights_folder
from perception_nodes.scene import Frame
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_nodes.viewrope.learned import LearnedFinder
from perception_nodes.viewrope.source import SlotSource

RECORDINGS = ("box", "icl_livingroom1")
TARGET_HZ = 10.0
WARM_UP = 5


def frames(name: str, count: int) -> Iterator[Frame]:
    """The first frames of a recording, with the poses that come with it."""
    recording = PlainRecording(SHARED_DATA / "rgbd" / name)
    for plain in recording.frames[:count]:
        color, depth = recording.read(plain)
        yield Frame(plain.stamp, name, name, recording.camera, color, depth, plain.pose)


def measure(source: SlotSource, seen: list[Frame]) -> dict[str, Any]:
    """Milliseconds a frame, from images to slots."""
    taken = []
    for frame in seen:
        start = time.perf_counter()
        source.find(frame)
        taken.append(1000.0 * (time.perf_counter() - start))
    used = np.array(taken[WARM_UP:])
    return {
        "frames": len(used),
        "hz": round(1000.0 / float(used.mean()), 1),
        "ms": {f"p{q}": round(float(np.percentile(used, q)), 1) for q in (50, 95, 99)},
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--card", type=Path, default=weights_folder() / "viewrope.yaml")
    parser.add_argument("--frames", type=int, default=150, help="of each recording at most")
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu", help="both the same")
    args = parser.parse_args()
    network = load_network(args.card, "cpu")
    figures: dict[str, Any] = {}
    for name in RECORDINGS:
        seen = list(frames(name, args.frames))
        learned = LearnedFinder(network)
        figures[name] = {"learned": measure(learned, seen), "depth": measure(DepthFinder(), seen)}
        figures[name]["learned"]["key frames"] = int(learned.facts()["key frames"])
        print(name, figures[name], flush=True)
    write_result(
        "viewrope_rate",
        {
            "model": network.model_id,
            "cores": cv2.getNumberOfCPUs(),
            "target_hz": TARGET_HZ,
            "recordings": figures,
        },
    )


if __name__ == "__main__":
    main()
