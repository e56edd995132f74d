"""The rate of the whole pipeline at 640x480 with one and two cameras: images to remembered states.

Frames are drawn beforehand. Finder (in a process of its own, as in replay and as a node), tracking,
futures and memory run as on a robot; recording and report do not. Targets on two cores: 10 Hz with
one camera, 6 Hz each with two.

    python bench/cameras.py
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

from common import write_result

from perception_nodes.memory.writer import Memory
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.replay import run
from perception_nodes.viewrope.beside import beside
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_simulation.generator import generate
from perception_simulation.simulator import Simulator

FRAMES = 120
TARGETS = {1: 10.0, 2: 6.0}
SEED = 3


def rate(cameras: int) -> dict[str, Any]:
    """Frames per second of each camera."""
    scene = dataclasses.replace(generate(SEED, cameras=cameras), width=640, height=480)
    samples = list(itertools.islice(Simulator(scene), FRAMES))
    names = {sample.frame.camera_name for sample in samples}
    with tempfile.TemporaryDirectory() as folder, beside(DepthFinder()) as finder:
        finder.find(samples[0].frame)  # the process has started
        finder.reset()
        with Memory(Path(folder) / "memory.db", "map") as memory:
            pipeline = Pipeline(finder, ObjectTracker(), memory)
            began = time.perf_counter()
            run(samples, pipeline, (), ahead=True)
            seconds = time.perf_counter() - began
    return {
        "cameras": len(names),
        "objects": len(samples[0].truth.objects) if samples[0].truth else 0,
        "hz_each": round(FRAMES / seconds / len(names), 2),
        "target_hz": TARGETS[cameras],
    }


def main() -> None:
    """Measure both and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu", help="both the same")
    parser.parse_args()
    rows = []
    for cameras in TARGETS:
        rows.append(rate(cameras))
        print(rows[-1], flush=True)
    write_result("cameras", {"rows": rows})


if __name__ == "__main__":
    main()
