"""Plans made to get past the verification do not; their true course is known from elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from adversarial_plans import GENERATORS, trials
from planner_verification import attack, count, judge
from pushing_truth import Table, harm

EACH = 2
ATTACKS = [trial for kind in GENERATORS for trial in trials(kind, EACH, seed=3)]


@pytest.mark.parametrize("kind", GENERATORS)
def test_no_unsafe_plan_is_accepted_whatever_it_tries(kind: str) -> None:
    attacks = [trial for trial in ATTACKS if trial.kind == kind]
    assert len(attacks) == EACH
    for trial in attacks:
        verdict = judge(trial)
        if trial.harm:
            assert not verdict.safe, f"accepted although: {trial.harm}"


def test_usual_plans_are_accepted() -> None:
    usual = [trial for trial in ATTACKS if trial.kind == "things anywhere" and not trial.harm]
    assert len(usual) >= 2
    assert all(judge(trial).safe for trial in usual)


def test_looking_at_samples_only_would_let_unsafe_plans_pass() -> None:
    row = count(attack("a wall between two samples", 6, seed=0))
    assert row["unsafe"] > 0
    assert row["unsafe accepted"] == 0
    assert row["unsafe accepted by samples"] > 0


def table(**changes: object) -> Table:
    """Two cubes of 10 cm in a row, 1 cm apart; the pusher is left of them."""
    values = {
        "centers": np.array([[0.0, 0.0, 0.75], [0.11, 0.0, 0.75]]),
        "half": np.full((2, 3), 0.05),
        "yaws": np.zeros(2),
        "target": 0,
        "protected": (),
        "low": np.array([-0.6, -0.45, 0.7]),
        "high": np.array([0.6, 0.45, 1.3]),
        "radius": 0.01,
        "length": 0.2,
        "speed": 0.3,
        "acceleration": 5.0,
        "person_distance": 0.1,
        **changes,
    }
    return Table(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("way", "changes", "expected"),
    [
        (0.05, {}, ""),
        (0.05, {"protected": (1,)}, "protected object moved"),
        (0.01, {"protected": (1,)}, ""),
        (0.05, {"target": 1}, "the pusher touches what it must not"),
        (0.05, {"high": np.array([0.04, 0.45, 1.3])}, "object leaves the workspace"),
        (0.05, {"speed": 0.04}, "speed"),
        (0.05, {"acceleration": 0.4}, "acceleration"),
        (0.05, {"low": np.array([-0.02, -0.45, 0.7])}, "workspace"),
    ],
)
def test_the_world_that_knows_the_truth_tells_harm_from_none(
    way: float, changes: dict[str, object], expected: str
) -> None:
    tip = np.array([-0.062, 0.0, 0.72]) + np.outer(np.linspace(0.0, way, 11), [1.0, 0.0, 0.0])
    velocity = np.diff(tip, axis=0) / 0.1
    assert harm(table(**changes), tip, velocity, 0.1, np.zeros(3)) == expected
