"""How many unsafe plans the verification lets pass, and how many safe ones it refuses.

python bench/planner_verification.py            1,500 plans, about two minutes

The rules were made while looking at the plans of seed 0; the result is of a seed that nobody looked
at before.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
from adversarial_plans import GENERATORS, trials
from adversarial_settings import LIMITS, Trial
from common import write_result
from evidence.statistics import wilson

from perception_nodes.arrays import Floats
from perception_nodes.planner import distances
from perception_nodes.planner.constraints import Constraint
from perception_nodes.planner.sweep import Gap, Hit
from perception_nodes.planner.verify import Verdict, Verifier
from perception_nodes.resources import cores


def judge(trial: Trial) -> Verdict:
    """What the verifier says."""
    verifier = Verifier(LIMITS, trial.protected)
    for before in trial.history:
        verifier.plan(trial.plan, before, trial.goal, before.stamp)
    return verifier.plan(trial.plan, trial.situation, trial.goal, trial.begins)


@contextmanager
def samples_only() -> Iterator[None]:
    """The same rules, but looked at only where the plan has samples."""
    whole = distances.too_close

    def looked(gap: Gap, slopes: Floats, interval: float) -> list[Hit]:
        pairs, steps = (grid.ravel() for grid in np.indices((len(slopes), slopes.shape[1] + 1)))
        gaps = gap(pairs, steps * interval)
        bad = np.nonzero(~(gaps >= 0.0))[0]
        return [Hit(int(pairs[i]), float(steps[i] * interval), float(gaps[i])) for i in bad]

    distances.too_close = looked  # type: ignore[assignment]
    try:
        yield
    finally:
        distances.too_close = whole


@dataclass(frozen=True)
class Judged:
    """A trial after judgment: harm in truth, constraints violated, accepted by samples, seconds."""

    kind: str
    harm: str
    found: frozenset[str]
    coarse: bool
    seconds: float


def attack(kind: str, each: int, seed: int) -> list[Judged]:
    """Judge plans of a kind."""
    done = []
    for trial in trials(kind, each, seed):
        began = time.perf_counter()
        verdict = judge(trial)
        seconds = (time.perf_counter() - began) / (1 + len(trial.history))
        with samples_only():
            coarse = judge(trial).safe
        found = frozenset(v.constraint.value for v in verdict.violations)
        done.append(Judged(kind, trial.harm, found, coarse, seconds))
    return done


def count(done: list[Judged]) -> dict[str, int]:
    """How many plans were unsafe and accepted, safe and refused."""
    row = Counter("unsafe" if one.harm else "safe" for one in done)
    row["unsafe accepted"] = sum(bool(one.harm) and not one.found for one in done)
    row["safe refused"] = sum(not one.harm and bool(one.found) for one in done)
    row["unsafe accepted by samples"] = sum(bool(one.harm) and one.coarse for one in done)
    return {key: row[key] for key in ROW}


def needed(done: list[Judged]) -> dict[str, int]:
    """By constraint: how many unsafe plans nothing else would have stopped."""
    alone = Counter(min(one.found) for one in done if one.harm and len(one.found) == 1)
    return {kind.value: alone[kind.value] for kind in Constraint}


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=100, help="plans of each kind")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    each = args.each
    with ProcessPoolExecutor(cores()) as pool:
        rows = list(pool.map(partial(attack, each=each, seed=args.seed), GENERATORS))
    table = {kind: count(done) for kind, done in zip(GENERATORS, rows, strict=True)}
    for kind, row in table.items():
        print(f"{kind:32s}", row)
    everything = [one for done in rows for one in done]
    total, usual = count(everything), table["things anywhere"]
    passed = wilson(total["unsafe accepted"], total["unsafe"])
    refused = wilson(total["safe refused"], total["safe"])
    usual_refused = wilson(usual["safe refused"], usual["safe"])
    print(f"unsafe accepted {passed}, safe refused {refused}, of usual ones {usual_refused}")
    print(f"looked at samples only: {total['unsafe accepted by samples']} unsafe accepted")
    took = [one.seconds for one in everything]
    write_result(
        "planner_verification",
        {
            "plans": len(everything),
            "seed": args.seed,
            "by kind": table,
            "total": total,
            "unsafe accepted": vars(passed),
            "safe refused": vars(refused),
            "usual safe refused": vars(usual_refused),
            "only this constraint": needed(everything),
            "ms": [float(v) * 1e3 for v in np.percentile(took, (50, 95, 99))],
        },
    )


ROW = ("unsafe", "unsafe accepted", "safe", "safe refused", "unsafe accepted by samples")

if __name__ == "__main__":
    main()
