"""No plan is carried out that is unsafe, or that can't be judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from beliefs import SECOND
from plans import INTERVAL, NOW, TABLE, goal, person, plan, push, situation, thing

from perception_nodes.planner.case import Limits
from perception_nodes.planner.constraints import Constraint, Violation
from perception_nodes.planner.interface import Situation
from perception_nodes.planner.verify import Verdict, Verifier
from perception_nodes.scene import Plan, PlanStatus, Visibility

ALONE = situation(thing("o1", -0.2, 0.0))
GOAL = goal("o1", 0.0, 0.0)


def judge(made: Plan, now: Situation, protected: tuple[str, ...] = (), start: int = NOW) -> Verdict:
    return Verifier(Limits(), protected).plan(made, now, goal("o1", 0.0, 0.0), start)


def worst(verdict: Verdict) -> Violation:
    assert not verdict.safe
    assert str(verdict.violations[0]) == verdict.reason
    return verdict.violations[0]


def kinds(verdict: Verdict) -> set[Constraint]:
    return {violation.constraint for violation in verdict.violations}


def test_a_straight_push_with_nothing_around_is_safe() -> None:
    assert judge(push(ALONE, (0.15, 0.0)), ALONE).violations == ()
    crowded = situation(thing("o1", -0.2, 0.0), thing("o2", 0.0, 0.2), thing("o3", 0.2, -0.2))
    assert judge(push(crowded, (0.15, 0.0)), crowded, ("o2",)).violations == ()


DAMAGES: dict[str, Callable[[Plan], Plan]] = {
    "a position that is no number": lambda p: replace(p, tip=p.tip * np.nan),
    "one number that is none": lambda p: replace(p, velocity=_poked(p.velocity, np.nan)),
    "an infinite velocity": lambda p: replace(p, velocity=_poked(p.velocity, np.inf)),
    "no steps": lambda p: replace(p, tip=p.tip[:1], velocity=p.velocity[:0]),
    "no positions at all": lambda p: replace(p, tip=p.tip[:0], velocity=p.velocity[:0]),
    "one position too few": lambda p: replace(p, tip=p.tip[:-1]),
    "positions without height": lambda p: replace(p, tip=p.tip[:, :2]),
    "an infinite cost": lambda p: replace(p, cost=np.inf),
    "a cost that is no number": lambda p: replace(p, cost=np.nan),
    "a residual that is no number": lambda p: replace(p, physics_residual=np.nan),
    "an interval of zero": lambda p: replace(p, interval=0.0),
    "a negative interval": lambda p: replace(p, interval=-0.1),
    "no prediction of its target": lambda p: replace(p, predicted={}),
    "a prediction that is too short": lambda p: replace(p, predicted={"o1": np.zeros((2, 4))}),
    "a prediction that is no number": lambda p: replace(
        p, predicted={"o1": p.predicted["o1"] * np.nan}
    ),
    "a prediction for nobody": lambda p: replace(
        p, predicted={**p.predicted, "o9": p.predicted["o1"]}
    ),
    "an uncertainty below zero": lambda p: replace(p, deviation={"o1": np.full(len(p.tip), -1.0)}),
    "an uncertainty that is too short": lambda p: replace(p, deviation={"o1": np.zeros(2)}),
    "an object that nobody knows": lambda p: replace(p, object_id="o7"),
    "nothing to carry out": lambda p: replace(p, status=PlanStatus.HOLDING),
    "nonsense": lambda p: replace(p, tip="left"),  # type: ignore[arg-type]
    "none of its fields": lambda p: replace(p, tip=None, velocity=None),  # type: ignore[arg-type]
}


def _poked(values: np.ndarray, number: float) -> np.ndarray:
    poked = values.copy()
    poked[-1, 1] = number
    return poked


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_plan_that_is_none_is_refused(damage: str) -> None:
    violation = worst(judge(DAMAGES[damage](push(ALONE, (0.15, 0.0))), ALONE))
    assert violation.constraint is Constraint.VALUES
    assert violation.text


def test_a_plan_made_for_another_goal_is_refused() -> None:
    now = situation(thing("o2", -0.2, 0.0), thing("o1", 0.3, 0.3))
    assert "the plan moves 'o2', not 'o1'" in judge(push(now, (0.15, 0.0)), now).reason


@pytest.mark.parametrize(
    ("later", "reason"), [(0.6, "are 0.60 s old"), (-0.3, "0.30 s in the future")]
)
def test_stale_states_and_states_of_the_future_are_refused(later: float, reason: str) -> None:
    start = NOW + round(later * SECOND)
    violation = worst(judge(push(ALONE, (0.15, 0.0)), ALONE, start=start))
    assert violation.constraint is Constraint.FRESHNESS
    assert reason in violation.text


def test_a_state_with_numbers_that_are_none_is_refused() -> None:
    broken = thing("o2", np.nan, 0.2)
    now = replace(ALONE, objects=(*ALONE.objects, broken))
    assert "the state of o2" in judge(push(ALONE, (0.15, 0.0)), now).reason
    nowhere = replace(ALONE, tip=np.full(3, np.nan))
    assert "where the pusher is" in judge(push(ALONE, (0.15, 0.0)), nowhere).reason


def test_a_plan_that_begins_elsewhere_than_the_pusher_or_object_is_refused() -> None:
    moved = replace(ALONE, tip=ALONE.tip + np.array([0.0, 0.03, 0.0]))
    assert worst(judge(push(ALONE, (0.15, 0.0)), moved)).constraint is Constraint.START
    shifted = replace(ALONE, objects=(thing("o1", -0.17, 0.0),))
    violation = worst(judge(push(ALONE, (0.15, 0.0)), shifted))
    assert (violation.constraint, violation.subject) == (Constraint.START, "o1")


def test_the_pusher_and_what_it_pushes_stay_in_the_workspace() -> None:
    above = situation(thing("o1", -0.2, 0.0), tip=(-0.3, 0.3, 1.0))
    tip = above.tip + np.linspace(0.0, 1.0, 11)[:, None] * np.array([0.0, 0.2, 0.0])
    resting = np.tile([*above.objects[0].position, 0.0], (11, 1))
    verdict = judge(plan(tip, "o1", {"o1": resting}), above)
    violation = next(v for v in verdict.violations if v.constraint is Constraint.WORKSPACE)
    assert violation.position[1] > 0.45
    assert violation.value > 0.0
    edge = situation(thing("o1", 0.5, 0.0))
    verdict = judge(push(edge, (0.15, 0.0)), edge)
    assert "o1 would leave the workspace" in verdict.reason


def test_speed_and_acceleration_have_limits_and_velocities_must_lead_along_the_plan() -> None:
    assert Constraint.SPEED in kinds(judge(push(ALONE, (0.25, 0.0)), ALONE))
    away = situation(thing("o1", -0.2, 0.0), tip=(0.2, 0.2, 0.9))
    resting = {"o1": np.tile([*away.objects[0].position, 0.0], (6, 1))}
    tip = np.tile(away.tip, (6, 1))
    tip[3:, 0] += 0.03
    tip[4:, 0] -= 0.03
    verdict = judge(plan(tip, "o1", resting), away)
    assert kinds(verdict) == {Constraint.ACCELERATION}
    assert worst(verdict).value == pytest.approx(6.0)
    assert worst(verdict).time == pytest.approx(0.3)
    lying = replace(push(ALONE, (0.15, 0.0)), velocity=np.zeros((10, 3)))
    assert "don't lead to the positions" in judge(lying, ALONE).reason
    rushing = replace(away, velocity=np.array([0.51, 0.0, 0.0]))
    still = plan(np.tile(away.tip, (6, 1)), "o1", resting)
    assert kinds(judge(still, rushing)) == {Constraint.ACCELERATION}


def test_the_pusher_runs_into_nothing_even_between_two_samples() -> None:
    now = situation(
        thing("o1", -0.2, 0.0), thing("o2", 0.1, 0.2, size=np.array([0.004, 0.3, 0.1])),
        tip=(0.05, 0.2, TABLE + 0.03),
    )  # fmt: skip
    tip = np.array([[0.075, 0.2, 0.73], [0.125, 0.2, 0.73]])
    tip = np.vstack([tip[:1], tip[:1] * 0.9 + tip[1:] * 0.1, tip[1:]])
    now = replace(now, tip=tip[0])
    resting = {"o1": np.tile([*now.objects[0].position, 0.0], (3, 1))}
    made = plan(tip, "o1", resting)
    limits = Limits(speed=2.0, acceleration=50.0, tool_radius=0.004)
    violation = worst(Verifier(limits).plan(made, now, GOAL, NOW))
    assert violation.constraint is Constraint.COLLISION
    assert violation.subject == "o2"
    assert violation.time == pytest.approx(0.15, abs=0.03)
    above = replace(now, tip=now.tip + np.array([0.0, 0.0, 0.1]))
    made = replace(made, tip=made.tip + np.array([0.0, 0.0, 0.1]))
    assert Verifier(limits).plan(made, above, GOAL, NOW).safe


def test_from_what_it_touches_already_the_pusher_may_go_away() -> None:
    now = situation(thing("o1", -0.2, 0.0), thing("o2", 0.2, 0.0), tip=(0.136, 0.0, TABLE + 0.03))
    resting = {"o1": np.tile([*now.objects[0].position, 0.0], (11, 1))}
    line = np.linspace(0.0, 1.0, 11)[:, None]
    away = plan(now.tip + line * np.array([-0.05, 0.0, 0.1]), "o1", resting)
    into = plan(now.tip + line * np.array([0.02, 0.0, 0.0]), "o1", resting)
    assert judge(away, now).safe
    assert worst(judge(into, now)).constraint is Constraint.COLLISION
    assert worst(judge(away, now, ("o2",))).constraint is Constraint.PROTECTED


def test_a_protected_object_is_neither_touched_nor_approached_by_what_is_pushed() -> None:
    now = situation(thing("o1", -0.2, 0.0), thing("cup", -0.01, 0.0))
    made = push(now, (0.15, 0.0))
    violation = worst(judge(made, now, ("cup",)))
    assert violation.constraint is Constraint.PROTECTED
    assert violation.subject == "cup"
    assert 0.0 < violation.time < 1.0
    assert judge(push(now, (0.07, 0.0)), now, ("cup",)).safe
    assert worst(judge(made, now, ("o1",))).constraint is Constraint.PROTECTED


def test_a_protected_object_is_safe_also_behind_others_that_are_pushed() -> None:
    chain = [thing("o1", -0.2, 0.0), thing("o2", -0.05, 0.0), thing("o3", 0.055, 0.0)]
    now = situation(*chain, thing("cup", 0.16, 0.0))
    made = push(now, (0.062, 0.0))
    violation = worst(judge(made, now, ("cup",)))
    assert violation.constraint is Constraint.PROTECTED
    assert "o2 would be pushed, and with it the protected cup" in violation.text
    far = situation(*chain, thing("cup", 0.3, 0.0))
    assert judge(push(far, (0.062, 0.0)), far, ("cup",)).safe
    on_top = situation(*chain, thing("cup", -0.05, 0.0, height=0.15))
    assert worst(judge(made, on_top, ("cup",))).constraint is Constraint.PROTECTED


def test_a_plan_that_leaves_its_own_pushing_out_is_refused() -> None:
    now = situation(thing("o1", -0.2, 0.0), thing("o2", -0.05, 0.0))
    honest = push(now, (0.15, 0.0))
    assert "o1 would pass through o2" in judge(honest, now).reason
    still = {"o1": np.tile([*now.objects[0].position, 0.0], (11, 1))}
    denying = replace(honest, predicted=still)
    assert "the pusher would pass through o1" in judge(denying, now).reason
    leaping = honest.predicted["o1"].copy()
    leaping[5:, 0] += 0.3
    verdict = judge(replace(honest, predicted={"o1": leaping}), now)
    assert "faster than it can be pushed" in verdict.reason


def test_what_a_plan_overlaps_is_taken_to_be_pushed_that_much_farther_than_predicted() -> None:
    now = situation(thing("o1", -0.2, 0.0), thing("cup", -0.068, 0.0))
    made = push(now, (0.02, 0.0))
    still = {"o1": np.tile([*now.objects[0].position, 0.0], (11, 1))}
    assert judge(replace(made, predicted=still), now).safe, "it does not overlap by much"
    violation = worst(judge(replace(made, predicted=still), now, ("cup",)))
    assert violation.constraint is Constraint.PROTECTED


def test_uncertainty_of_places_widens_what_is_kept_clear() -> None:
    sure = situation(thing("o1", -0.2, 0.0), thing("cup", 0.03, 0.0))
    unsure = situation(
        thing("o1", -0.2, 0.0), thing("cup", 0.03, 0.0, pose_covariance=np.eye(6) * 4e-4)
    )
    made = push(sure, (0.1, 0.0))
    assert judge(made, sure, ("cup",)).safe
    assert worst(judge(made, unsure, ("cup",))).constraint is Constraint.PROTECTED
    vague = replace(made, deviation={"o1": np.full(len(made.tip), 0.03)})
    assert worst(judge(vague, sure, ("cup",))).constraint is Constraint.PROTECTED


def test_what_is_surely_round_needs_no_room_for_corners_to_turn() -> None:
    anyhow = np.diag([1e-6, 1e-6, 1e-6, 1e-6, 1e-6, 1.0])
    for chance, safe in ((0.5, False), (0.9, True)):
        cup = thing("cup", 0.0, 0.085, pose_covariance=anyhow)
        cup = replace(cup, roundness=np.array([0.0, 0.0, chance]))
        now = situation(thing("o1", -0.4, 0.0), cup, tip=(-0.1, 0.0, TABLE + 0.03))
        verdict = judge(push(now, (0.2, 0.0)), now)
        assert verdict.safe == safe
        assert safe or worst(verdict).constraint is Constraint.COLLISION


def seen_walking(toward: float, distance: float) -> tuple[Verifier, Situation]:
    """A verifier that has followed somebody for 0.4 s at a speed; and what holds now."""
    verifier = Verifier(Limits())
    for step in range(5):
        ago = (4 - step) * 0.1
        who = person("anna", distance + toward * ago, 0.0, NOW - round(ago * SECOND))
        now = replace(ALONE, stamp=who.stamp, people=(who,))
        verifier.plan(push(ALONE, (0.15, 0.0)), now, GOAL, who.stamp)
    return verifier, now


@pytest.mark.parametrize(
    ("toward", "distance", "safe"), [(0.0, 1.2, True), (0.9, 1.2, False), (0.0, 0.5, False)]
)
def test_people_are_kept_away_from_where_they_stand_and_where_they_walk(
    toward: float, distance: float, safe: bool
) -> None:
    verifier, now = seen_walking(toward, distance)
    verdict = verifier.plan(push(ALONE, (0.15, 0.0)), now, GOAL, NOW)
    assert verdict.safe == safe
    if not safe:
        assert worst(verdict).constraint is Constraint.PERSON
        assert worst(verdict).subject == "anna"


def test_somebody_seen_for_the_first_time_may_move_at_once() -> None:
    now = replace(ALONE, people=(person("anna", 1.2, 0.0),))
    assert worst(judge(push(ALONE, (0.15, 0.0)), now)).constraint is Constraint.PERSON
    far = replace(ALONE, people=(person("anna", 3.0, 0.0),))
    assert judge(push(ALONE, (0.15, 0.0)), far).safe


def test_a_hand_over_the_table_stops_a_plan_and_an_unseen_one_could_be_there() -> None:
    verifier, now = seen_walking(0.0, 1.2)
    hand = replace(now.people[0], stamp=NOW)
    hand.joints[9] = (0.1, 0.0, TABLE + 0.05)
    assert not verifier.plan(push(ALONE, (0.15, 0.0)), now, GOAL, NOW).safe
    verifier, now = seen_walking(0.0, 1.0)
    assert verifier.plan(push(ALONE, (0.15, 0.0)), now, GOAL, NOW).safe
    now.people[0].joints[[7, 8, 9, 10]] = np.nan
    assert not verifier.plan(push(ALONE, (0.15, 0.0)), now, GOAL, NOW).safe


def test_people_who_can_not_be_followed_stop_everything() -> None:
    who = person("anna", 5.0, 0.0)
    blurred = replace(who, joints=who.joints * np.nan)
    assert "no joint" in judge(push(ALONE, (0.15, 0.0)), replace(ALONE, people=(blurred,))).reason
    odd = replace(who, joint_names=("tail",))
    assert "COCO" in judge(push(ALONE, (0.15, 0.0)), replace(ALONE, people=(odd,))).reason
    old = replace(who, stamp=NOW - SECOND)
    verdict = judge(push(ALONE, (0.15, 0.0)), replace(ALONE, people=(old,)))
    assert worst(verdict).constraint is Constraint.FRESHNESS


def test_an_object_that_got_lost_is_pushed_no_further() -> None:
    for change in ({"visibility": Visibility.LOST}, {"existence": 0.3}):
        now = situation(thing("o1", -0.2, 0.0, **change))
        violation = worst(judge(push(now, (0.15, 0.0)), now))
        assert violation.constraint is Constraint.GOAL
        assert "o1 is lost" in violation.text
    hidden = situation(thing("o1", -0.2, 0.0, visibility=Visibility.OCCLUDED))
    assert judge(push(hidden, (0.15, 0.0)), hidden).safe


def test_a_witness_says_what_was_found_where_and_when() -> None:
    now = situation(thing("o1", -0.2, 0.0), thing("cup", -0.01, 0.0))
    text = judge(push(now, (0.15, 0.0)), now, ("cup",)).reason
    assert text.startswith("protected object: o1 would come too near to the protected cup (")
    assert " limit 0.02" in text
    assert text.endswith("0.750))")
    assert len(push(now, (0.15, 0.0)).velocity) * INTERVAL == pytest.approx(1.0)
