"""`permanence push` on many tables, by camera images: in view, and hidden for the second half.

    python bench/planner_push.py [--seeds 20]

Success is an object that truly ends within 3 cm of its target, 18 cm from its start. Seeds without
a free place beside an object are left out.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from common import write_result

from perception_nodes.errors import ConfigurationError
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.replay import run
from perception_nodes.viewrope.factory import make_source
from perception_simulation.push_robot import PushRobot
from perception_simulation.push_task import push_task

SUCCESS = 0.03
FIRST_SEED = 100
_SECONDS = 0.5


def push(seed: int, hidden: bool) -> dict[str, Any] | None:
    """One table; None if it has no task."""
    try:
        robot = PushRobot(push_task(seed, 6, hidden=hidden), _SECONDS)
    except ConfigurationError:
        return None
    tracker = ObjectTracker(motion=robot.motion)
    run(robot.samples(), Pipeline(make_source(), tracker), [robot])
    account = robot.account
    believed, true = np.array(account.believed_path), np.array(account.true_path)
    apart = np.hypot(*(believed - true).T)
    unseen = apart[np.array(account.hidden, dtype=bool)]
    return {
        "seed": seed,
        "error_m": robot.error(),
        "solved": robot.error() <= SUCCESS,
        "found": bool(account.object_id),
        "gave_up": account.reason,
        "belief_error_unseen_m": float(np.nanmean(unseen)) if len(unseen) else None,
        "seconds": account.stamp * 1e-9,
        "plans": len(account.rounds),
        "holds": dict(account.holds),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("cpu", "full"), default="cpu")
    parser.add_argument("--seeds", type=int, default=20)
    args = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {"in view": [], "hidden": []}
    for seed in range(FIRST_SEED, FIRST_SEED + args.seeds):
        for name, hidden in (("in view", False), ("hidden", True)):
            row = push(seed, hidden)
            if row is not None:
                found[name].append(row)
                print(name, row, flush=True)
        write_result("planner_push", {"cases": found})


if __name__ == "__main__":
    main()
