"""Where the stack spends its time, function by function: by this the kernels were chosen.

Real images of 640x480 through the depth-only finder and through the learned source (each with the
tracker), and a plan on a table of five objects. Shares of the main thread's time on the processor,
by cProfile, which makes many small calls look dearer than they are. The network of the learned
source runs in a thread beside it and is not in these shares (bench/viewrope_cost.py has it).

    .venv/bin/python bench/kernel_profile.py [--frames 60]
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import write_result
from planner_deadline import table
from viewrope_rate import frames

from perception_nodes.inference.loading import load_network
from perception_nodes.model_cards import weights_folder
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.planner.budget import Table
from perception_nodes.planner.sampling import SamplingSolver
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_nodes.viewrope.learned import LearnedFinder

MOST = 8
ROOT = Path(__file__).resolve().parents[1]


def profiled(work: Callable[[], Any]) -> dict[str, dict[str, float]]:
    """Shares of time: the functions with the most of their own, and all of the kernels'."""
    profile = cProfile.Profile(time.thread_time)
    profile.runcall(work)
    stats: dict[tuple[str, int, str], Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(row[2] for row in stats.values())
    own: dict[str, float] = {}
    kernels: dict[str, float] = {}
    for (file, _, name), row in stats.items():
        shown = named(file, name)
        own[shown] = own.get(shown, 0.0) + row[2] / total
        if "perception_kernels" in file and name[0] not in "_<":
            kernels[name] = round(row[3] / total, 4)
    most = sorted(own.items(), key=lambda item: -item[1])[:MOST]
    return {"own": {name: round(share, 4) for name, share in most}, "kernels": kernels}


def named(file: str, name: str) -> str:
    """`module: function`; built-in functions have no module."""
    path = Path(file)
    if "site-packages" in path.parts:
        path = Path(*path.parts[path.parts.index("site-packages") + 1 :])
    elif path.is_relative_to(ROOT):
        path = path.relative_to(ROOT)
    if path.suffix == ".py":
        return f"{path.with_suffix('')}: {name}".replace("/", ".")
    return name.strip("<>") if file == "~" else f"{path.stem}: {name}"


def main() -> None:
    """Profile and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu", help="both the same")
    parser.add_argument("--frames", type=int, default=60)
    seen = list(frames("box", parser.parse_args().frames))
    network = load_network(weights_folder() / "viewrope.yaml", "cpu", threads=1)
    sources = {"depth-only finder": DepthFinder(), "learned source": LearnedFinder(network)}
    found = {}
    for name, source in sources.items():
        pipeline = Pipeline(source, ObjectTracker())

        def replay(pipeline: Pipeline = pipeline) -> None:
            for frame in seen:
                pipeline.process(frame)

        found[f"{name} and tracker"] = profiled(replay)
    solver = SamplingSolver(Table(0.0))
    found["a plan, unhurried"] = profiled(lambda: solver.plan(*table(0), 1e6))
    for name, rows in found.items():
        print(name, rows, flush=True)
    write_result("kernel_profile", {"frames": len(seen), "loads": found})


if __name__ == "__main__":
    main()
