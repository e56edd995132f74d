"""How many unsafe plans the verification lets pass, and how many safe ones it refuses.

python bench/planner_verification.py            1,500 plans, about two minutes
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from adversarial_plans import GENERATORS, LIMITS, Trial, trials
from common import write_result
from evidence.statistics import wilson

from perception_nodes.arrays import Floats
from perception_nodes.planner import distances
from perception_nodes.planner.constraints import Constraint
from perception_nodes.planner.sweep import Gap, Hit
from perception_nodes.planner.verify import Verdict, Verifier


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


def count(trials_: list[Trial], verdicts: list[Verdict]) -> dict[str, dict[str, int]]:
    """By kind: how many plans, how many of them unsafe and accepted, safe and refused."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for trial, verdict in zip(trials_, verdicts, strict=True):
        row = table[trial.kind]
        row["unsafe" if trial.harm else "safe"] += 1
        if trial.harm and verdict.safe:
            row["unsafe accepted"] += 1
        if not trial.harm and not verdict.safe:
            row["safe refused"] += 1
    return {kind: dict(row) for kind, row in table.items()}


def needed(trials_: list[Trial], verdicts: list[Verdict]) -> dict[str, int]:
    """By constraint: how many unsafe plans nothing else would have stopped."""
    alone: Counter[str] = Counter()
    for trial, verdict in zip(trials_, verdicts, strict=True):
        kinds = {violation.constraint for violation in verdict.violations}
        if trial.harm and len(kinds) == 1:
            alone[kinds.pop().value] += 1
    return {kind.value: alone[kind.value] for kind in Constraint}


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=100, help="plans of each kind")
    each = parser.parse_args().each
    made = list(trials(each))
    took, verdicts = [], []
    for trial in made:
        began = time.perf_counter()
        verdicts.append(judge(trial))
        took.append((time.perf_counter() - began) / (1 + len(trial.history)))
    with samples_only():
        coarse = [judge(trial) for trial in made]
    table, naive = count(made, verdicts), count(made, coarse)
    for kind in GENERATORS:
        row = table[kind]
        print(f"{kind:32s}", {k: row.get(k, 0) for k in ROW}, naive[kind].get("unsafe accepted", 0))
    total = {key: sum(row.get(key, 0) for row in table.values()) for key in ROW}
    passed = wilson(total["unsafe accepted"], total["unsafe"])
    refused = wilson(total["safe refused"], total["safe"])
    usual = table["things anywhere"]
    usual_refused = wilson(usual.get("safe refused", 0), usual["safe"])
    through = sum(row.get("unsafe accepted", 0) for row in naive.values())
    print(f"unsafe accepted {passed}, safe refused {refused}, of usual ones {usual_refused}")
    print(f"looked at samples only: {through} unsafe accepted")
    write_result(
        "planner_verification",
        {
            "plans": len(made),
            "by kind": table,
            "total": total,
            "unsafe accepted": vars(passed),
            "safe refused": vars(refused),
            "usual safe refused": vars(usual_refused),
            "only this constraint": needed(made, verdicts),
            "samples only, unsafe accepted": through,
            "ms": [float(v) * 1e3 for v in np.percentile(took, (50, 95, 99))],
        },
    )


ROW = ("unsafe", "unsafe accepted", "safe", "safe refused")

if __name__ == "__main__":
    main()
