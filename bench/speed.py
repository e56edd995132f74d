"""Every benchmark of speed, one after the other: what `make bench` runs.

Each writes its own bench/results/NAME.json. One that fails is named at the end, and does not keep
the others from running. Best with nothing else running; about 25 minutes on two cores.

    .venv/bin/python bench/speed.py [NAME ...]     # NAME as below, such as kernels
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
RUN_TIME = (str(ROOT / ".venv/bin/python"),)
TRAINING = (str(ROOT / ".venv-train/bin/python"),)
"""Of the checkout; the second has torch, from which graphs of kernels are made."""
ROS = (*RUN_TIME, str(ROOT / "scripts/with_ros.py"), "python")
SCRIPTS: dict[str, tuple[str, ...]] = {
    "kernel_profile": RUN_TIME,
    "kernels": TRAINING,
    "kernel_candidates": TRAINING,
    "quantized": TRAINING,
    "cameras": RUN_TIME,
    "finder": RUN_TIME,
    "replay": RUN_TIME,
    "viewrope_rate": RUN_TIME,
    "simulation": RUN_TIME,
    "memory": RUN_TIME,
    "latency_ros": ROS,
}
"""With what each is run."""


def run_all(commands: Mapping[str, Sequence[str]]) -> list[str]:
    """Run commands by name, say how far it is and how long each took; the names that failed."""
    failed = []
    for number, (name, command) in enumerate(commands.items(), 1):
        print(f"[{number} of {len(commands)}] {name}", flush=True)
        began = time.perf_counter()
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        took = time.perf_counter() - began
        print(f"[{number} of {len(commands)}] {name}: {took:.0f} s", flush=True)
        if code:
            failed.append(name)
    return failed


def main() -> int:
    """Run those that are named, or all; 1 if one failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SCRIPTS))
    names = parser.parse_args().names or list(SCRIPTS)
    unknown = sorted(set(names) - set(SCRIPTS))
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; choose among {', '.join(SCRIPTS)}")
    failed = run_all({n: (*SCRIPTS[n], str(BENCH / f"{n}.py")) for n in names})
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
        return 1
    print("all done; `make evidence` writes the pages anew")
    return 0


if __name__ == "__main__":
    sys.exit(main())
