"""The solver: plans that reach goals, answers in time, and reasons where there is no plan."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from pushing import block, goal, scene

from perception_nodes.arrays import Floats
from perception_nodes.planner import sampling
from perception_nodes.planner.blocks import blocks_of
from perception_nodes.planner.budget import Budget, Table
from perception_nodes.planner.candidates import (
    Moves,
    approach,
    bounded,
    proposals,
    sliding,
    tips_of,
    travel_height,
)
from perception_nodes.planner.cost import Aim, Weights, cost
from perception_nodes.planner.interface import Futures, Goal, Situation
from perception_nodes.planner.learned import combined
from perception_nodes.planner.prior import Physics, PriorRollout, start_state, things
from perception_nodes.planner.sampling import SamplingSolver
from perception_nodes.planner.task import Task
from perception_nodes.scene import PlanStatus

FOREVER = 1e6
QUICK = Budget(samples=32, rounds=2, slice=32)


def solver(**more: Any) -> SamplingSolver:
    return SamplingSolver(Table(0.0), QUICK, **more)


@pytest.mark.parametrize("method", ["cem", "mppi"])
def test_a_plan_is_expected_to_bring_the_object_to_its_goal(method: Literal["cem", "mppi"]) -> None:
    planner = SamplingSolver(Table(0.0), replace(QUICK, method=method))
    plan = planner.plan(scene(block("a", 0.0, 0.0)), goal("a", 0.1, 0.05), FOREVER)
    assert plan.status is PlanStatus.RUNNING
    assert np.hypot(*(plan.predicted["a"][-1, :2] - [0.1, 0.05])) < 0.02
    assert plan.iterations == QUICK.rounds


def test_a_plan_is_consistent_from_tip_to_velocity_to_prediction() -> None:
    situation = scene(block("a", 0.0, 0.0), block("b", 0.0, 0.3))
    plan = solver().plan(situation, goal("a", 0.1, 0.0), FOREVER)
    assert np.array_equal(plan.tip[0], situation.tip)
    assert np.diff(plan.tip, axis=0) == pytest.approx(plan.velocity * plan.interval)
    assert len(plan.predicted["a"]) == len(plan.deviation["a"]) == len(plan.tip)
    assert np.linalg.norm(plan.velocity, axis=1).max() <= Moves().travel_speed + 1e-9


def test_a_goal_with_a_heading_turns_the_object() -> None:
    target = goal("a", 0.03, 0.0, angle_tolerance=0.1)
    c, s = math.cos(0.6), math.sin(0.6)
    target.target.rotation[:2, :2] = [[c, -s], [s, c]]
    plan = solver().plan(scene(block("a", 0.0, 0.0, size=(0.12, 0.04, 0.06))), target, FOREVER)
    assert plan.predicted["a"][-1, 3] > 0.3


def test_another_object_is_not_pushed_along_when_there_is_a_way_around() -> None:
    clear = scene(block("a", 0.0, 0.0), block("b", 0.05, 0.07))
    plan = solver().plan(clear, goal("a", 0.12, -0.03), FOREVER)
    moved = plan.predicted["b"][-1, :2] - plan.predicted["b"][0, :2]
    assert np.hypot(*moved) < 0.005


def test_the_tip_does_not_squeeze_in_between_two_objects() -> None:
    """There would be room for a thin tip, but the verification refuses to go so near."""
    beside = block("b", -0.098, 0.0)
    plan = solver().plan(scene(block("a", 0.0, 0.0), beside), goal("a", 0.1, 0.0), FOREVER)
    low = plan.tip[plan.tip[:, 2] < 0.06]
    gaps = np.hypot(*np.maximum(np.abs(low[:, :2] - [-0.098, 0.0]) - 0.03, 0.0).T)
    assert gaps.min() > 0.02


def test_the_same_situation_gives_the_same_plan() -> None:
    situation, target = scene(block("a", 0.0, 0.0)), goal("a", 0.1, 0.05)
    one, other = (solver().plan(situation, target, FOREVER) for _ in range(2))
    assert np.array_equal(one.tip, other.tip)
    assert one.cost == other.cost


def test_more_rounds_do_not_make_the_plan_worse() -> None:
    situation, target = scene(block("a", 0.0, 0.0, 0.4)), goal("a", 0.1, 0.08)
    costs = [
        SamplingSolver(Table(0.0), replace(QUICK, rounds=n)).plan(situation, target, FOREVER).cost
        for n in (0, 1, 4)
    ]
    assert costs[0] >= costs[1] >= costs[2]
    assert costs[2] < costs[0]


class Slow(SamplingSolver):
    """Its clock stands still but for the judging of candidates."""

    def __init__(self, seconds: Callable[[int], float], steps: int = 1, **more: Any) -> None:
        super().__init__(Table(0.0), QUICK, now=lambda: self.time, **more)
        self.time, self.slices, self._seconds, self._steps = 0.0, 0, seconds, steps

    def _judge(self, task: Task, candidates: Floats, lifted: bool) -> Floats:
        self.slices += 1
        for _ in range(self._steps):
            self.time += self._seconds(self.slices) / self._steps
            if self._steps > 1:
                task.tick()
        return super()._judge(task, candidates, lifted)


def crowd() -> Situation:
    return scene(*(block(name, 0.15 * k, 0.0) for k, name in enumerate("abcd")))


@pytest.mark.parametrize("each", [0.005, 0.05, 0.1, 0.17])
def test_no_slice_is_begun_that_would_not_end_by_the_deadline(each: float) -> None:
    planner = Slow(lambda _: each)
    plan = planner.plan(crowd(), goal("a", 0.1, 0.1), 0.5)
    assert plan.status is PlanStatus.RUNNING
    assert planner.time <= 0.5
    assert plan.deadline_used == pytest.approx(planner.time / 0.5)


def test_without_time_there_is_still_a_plan_and_it_says_how_far_it_came() -> None:
    plan = Slow(lambda _: 0.1).plan(crowd(), goal("a", 0.1, 0.1), 0.5)
    assert plan.iterations < QUICK.rounds
    assert plan.deadline_used > 0.0


@pytest.mark.parametrize("slow", [1, 2, 3, 4, 5])
def test_a_slice_that_suddenly_takes_long_is_given_up_by_the_deadline(slow: int) -> None:
    planner = Slow(lambda number: 0.02 if number < slow else 9.0, steps=900)
    plan = planner.plan(crowd(), goal("a", 0.1, 0.1), 0.5)
    assert planner.slices == slow
    assert planner.time <= 0.5
    if slow == 1:
        assert (plan.status, plan.reason) == (PlanStatus.HOLDING, sampling.NO_TIME)
    else:
        assert plan.status is PlanStatus.RUNNING


def test_a_roll_out_is_given_up_when_time_is_up() -> None:
    ticks = iter(np.arange(0.0, 1e4, 0.01))
    planner = SamplingSolver(Table(0.0), QUICK, now=lambda: float(next(ticks)))
    plan = planner.plan(crowd(), goal("a", 0.1, 0.1), 0.1)
    assert (plan.status, plan.reason) == (PlanStatus.HOLDING, sampling.NO_TIME)
    assert float(next(ticks)) < 0.2


def test_a_second_opinion_is_not_asked_when_it_would_come_late() -> None:
    class Second:
        asked = 0

        def roll(self, situation: Situation, tips: Floats, interval: float) -> Futures:
            self.asked += 1
            planner.time += 0.3
            return PriorRollout().roll(situation, tips, interval)

    second = Second()
    planner = Slow(lambda _: 0.02, second=second)
    plans = [planner.plan(crowd(), goal("a", 0.1, 0.1), 0.5) for _ in range(2)]
    assert second.asked == 1
    assert plans[1].status is PlanStatus.RUNNING
    assert plans[1].deadline_used <= 1.0


def test_the_next_plan_goes_on_from_the_one_before() -> None:
    planner = solver()
    situation, target = scene(block("a", 0.0, 0.0), tip=(-0.05, 0.0, 0.015)), goal("a", 0.2, 0.0)
    first = planner.plan(situation, target, FOREVER)
    k = 4
    state = block("a", *first.predicted["a"][k, :2])
    later = replace(situation, stamp=situation.stamp + k * 100_000_000, objects=(state,))
    later = replace(later, tip=first.tip[k])
    lone = SamplingSolver(Table(0.0), replace(QUICK, rounds=0))
    lone._last = planner._last
    assert lone.plan(later, target, FOREVER).cost <= first.cost + 0.02


def test_a_reached_goal_needs_no_plan() -> None:
    plan = solver().plan(scene(block("a", 0.0, 0.0)), goal("a", 0.01, 0.0), FOREVER)
    assert plan.status is PlanStatus.SUCCEEDED
    assert not plan.velocity.any()


@pytest.mark.parametrize(
    ("situation", "target", "reason"),
    [
        (scene(block("a", 0.0, 0.0)), goal("z", 0.1, 0.0), "no object 'z'"),
        (scene(), goal("a", 0.1, 0.0), "no object 'a'"),
        (scene(block("a", 0.0, 0.0)), goal("a", math.nan, 0.0), "not finite"),
        (scene(block("a", math.inf, 0.0)), goal("a", 0.1, 0.0), "not finite"),
        (scene(block("a", 0.0, 0.0), tip=(math.nan, 0, 0)), goal("a", 0.1, 0.0), "pusher"),
    ],
)
def test_what_can_not_be_planned_holds_with_the_reason(
    situation: Situation, target: Goal, reason: str
) -> None:
    plan = solver().plan(situation, target, FOREVER)
    assert plan.status is PlanStatus.HOLDING
    assert reason in plan.reason
    assert not plan.velocity.any()
    assert np.isfinite(plan.tip).all()


def test_a_model_that_answers_nonsense_gives_no_plan() -> None:
    class Nonsense:
        def roll(self, situation: Situation, tips: Floats, interval: float) -> Futures:
            assert interval > 0.0
            shape = (len(tips), tips.shape[1], len(situation.objects))
            ids = tuple(item.id for item in situation.objects)
            return Futures(ids, np.full((*shape, 4), np.nan), np.ones(shape), np.zeros(len(tips)))

    plan = solver(rollout=Nonsense()).plan(scene(block("a", 0, 0)), goal("a", 0.1, 0), FOREVER)
    assert plan.status is PlanStatus.HOLDING
    assert "finite" in plan.reason


def test_objects_with_broken_numbers_do_not_spoil_the_plan_for_others() -> None:
    situation = scene(block("a", 0.0, 0.0), block("b", math.nan, 0.1))
    assert solver().plan(situation, goal("a", 0.1, 0.0), FOREVER).status is PlanStatus.RUNNING


def test_two_models_are_combined_by_precision_and_their_contradiction_is_told() -> None:
    def future(x: float, deviation: float) -> Futures:
        poses = np.zeros((1, 3, 1, 4))
        poses[..., 0] = x
        return Futures(("a",), poses, np.full((1, 3, 1), deviation), np.zeros(1))

    both = combined(future(0.0, 0.01), future(0.1, 0.1))
    assert both.poses[0, -1, 0, 0] == pytest.approx(0.1 / 101.0, rel=1e-2)
    assert both.deviation[0, -1, 0] < 0.01
    assert both.residual[0] == pytest.approx(0.1**2 / (0.01**2 + 0.1**2), rel=1e-2)
    assert combined(future(0.05, 0.01), future(0.05, 0.01)).residual[0] == 0.0


def test_the_way_to_a_start_goes_above_everything_at_travel_speed() -> None:
    way = approach(np.array([0.0, 0.0, 0.02]), np.array([0.3, 0.0, 0.02]), 0.2, Moves())
    high = way[(way[:, 0] > 1e-6) & (way[:, 0] < 0.3 - 1e-6)]
    assert (high[:, 2] == 0.2).all()
    assert np.linalg.norm(np.diff(way, axis=0), axis=1).max() <= Moves().travel_speed * 0.1 + 1e-9


def test_the_tip_keeps_clear_of_the_box_of_what_looks_round() -> None:
    corner = np.array([[[-0.1, 0.1, 0.015], [0.031, 0.1, 0.015]]])
    aim = Aim(np.array([0.0]), np.zeros(3), np.array(0.0), np.array([-1.0, -1.0, 1.0, 1.0]),
              np.array(-1.0))  # fmt: skip
    thing = block("a", 0.0, 0.06)
    costs = []
    for chance in (0.1, 0.9):
        seen = replace(thing, roundness=np.array([0.0, 0.0, chance]))
        blocks = blocks_of([seen])
        states = [start_state(blocks, 1)] * 3
        tips = np.concatenate((corner, corner[:, -1:]), axis=1)
        still = things(blocks, Physics(), 0.1)
        costs.append(float(cost(np, states, still, tips, aim, Weights())[0]))
    assert costs[0] == pytest.approx(costs[1])
    assert costs[0] > 1.0


def test_the_pusher_is_not_sent_down_right_after_it_went_up() -> None:
    way = approach(np.array([0.0, 0.0, 0.02]), np.array([0.005, 0.0, 0.02]), 0.2, Moves())
    climbs = np.sign(np.diff(way, axis=0)[:, 2].round(9))
    between = np.flatnonzero(climbs < 0.0)[0] - np.flatnonzero(climbs > 0.0)[-1] - 1
    assert between >= 3, "the pusher lags behind its plan by a step or two"


def test_the_way_rises_above_what_stands_under_it_and_not_above_what_stands_aside() -> None:
    tip, start = np.array([0.4, 0.0, 0.2]), np.array([-0.1, 0.0, 0.015])
    under = np.array([0.1, 0.02, 0.1, 0.0]), np.array([0.03, 0.03, 0.1])
    aside = np.array([0.1, 0.30, 0.3, 0.0]), np.array([0.03, 0.03, 0.3])
    assert travel_height(tip, start, 0.0, [under, aside]) == pytest.approx(0.23)
    assert travel_height(tip, start, 0.0, [aside]) < 0.1


def test_sliding_ways_go_around_the_object() -> None:
    moves = Moves(knots=12, hold=3)
    part = np.array([0.0, 0.0, 0.03, 0.03])
    pushes = proposals(np.zeros(3), part, np.array([-0.2, 0.0]), 0.012, moves)
    behind = pushes[pushes[:, 0] > 0.04]
    ways = tips_of(np, sliding(np.array([-0.1, 0.0]), behind, np.zeros(2), 0.07, moves), 0.0, moves)
    for way in ways:
        first = int(np.argmax(way[:, 0] > 0.03))
        assert first > 0
        assert np.hypot(*way[:first, :2].T).min() > 0.04


def test_candidates_are_never_faster_than_allowed() -> None:
    moves = Moves()
    wild = np.random.default_rng(0).normal(0.0, 5.0, (20, moves.size))
    tips = tips_of(np, bounded(np, wild, moves), 0.0, moves)
    speed = np.linalg.norm(np.diff(tips, axis=1), axis=-1) / moves.interval
    assert speed.max() <= moves.speed + 1e-9
