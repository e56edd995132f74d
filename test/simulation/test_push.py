"""The simulated robot that pushes, and the T of Push-T."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from perception_nodes.errors import ConfigurationError
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.planner.interface import Goal, Situation
from perception_nodes.replay import run
from perception_nodes.scene import Plan, PlanStatus
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_simulation import push_robot, push_t
from perception_simulation.push_task import DISTANCE, push_task


def test_a_task_is_the_same_for_the_same_seed_and_its_target_is_free() -> None:
    task = push_task(1, 6)
    assert task == push_task(1, 6)
    item = next(o for o in task.scene.objects if o.name == task.name)
    assert np.hypot(*np.subtract(task.target, item.position[:2])) == pytest.approx(
        DISTANCE, abs=1e-3
    )
    others = [o.position[:2] for o in task.scene.objects if o is not item]
    assert min(np.hypot(*np.subtract(task.target, place)) for place in others) > 0.06


def test_the_panel_covers_the_target_but_not_the_start() -> None:
    task = push_task(1, 6, hidden=True)
    (panel,) = task.scene.occluders
    eye = np.array(task.scene.cameras[0].path[0].position)
    key = panel.path[0]
    normal = np.array([np.cos(key.yaw), np.sin(key.yaw), 0.0])
    side = np.array([-normal[1], normal[0], 0.0])

    def covered(x: float, y: float) -> bool:
        way = np.array([x, y, task.scene.support_height + 0.03]) - eye
        hit = eye + way * (normal @ (np.array(key.position) - eye)) / (normal @ way)
        off = hit - key.position
        return bool(abs(side @ off) < panel.size[1] / 2.0 and abs(off[2]) < panel.size[2] / 2.0)

    start = next(o for o in task.scene.objects if o.name == task.name).position
    assert covered(*task.target)
    assert not covered(start[0], start[1])


def test_a_table_too_full_says_so() -> None:
    with pytest.raises(ConfigurationError, match=r"1\.\.12 objects"):
        push_task(0, 40)


def test_the_t_lies_about_its_middle_of_mass() -> None:
    areas = 4.0 * push_t.PARTS[:, 2] * push_t.PARTS[:, 3]
    assert (areas[:, None] * push_t.PARTS[:, :2]).sum(axis=0) == pytest.approx([0.0, 0.0], abs=1e-9)
    pose = np.array([0.05, -0.02, 0.7])
    board = push_t.Board(pose, np.array([0.2, 0.2]))
    assert board.pose() == pytest.approx(pose, abs=1e-3)
    assert board.tip()[:2] == pytest.approx([0.2, 0.2], abs=5e-3)


def test_an_episode_of_push_t_is_not_solved_by_waiting() -> None:
    task = push_t.episode(3)
    assert not push_t.solved(task.start, task.goal)
    assert push_t.solved(task.goal + np.array([0.01, 0.01, 0.3]), task.goal)
    assert not push_t.solved(task.goal + np.array([0.0, 0.0, 0.36]), task.goal)
    again = push_t.episode(3)
    assert np.array_equal(task.goal, again.goal)


class _Reckless:
    """Plans that are too fast."""

    def plan(self, situation: Situation, goal: Goal, deadline: float) -> Plan:
        """At 0.8 m/s across the table."""
        del deadline
        velocity = np.tile([-0.8, 0.0, 0.0], (5, 1))
        tip = situation.tip + 0.1 * np.vstack([np.zeros(3), np.cumsum(velocity, axis=0)])
        state = next(item for item in situation.objects if item.id == goal.object_id)
        return Plan(
            stamp=situation.stamp,
            status=PlanStatus.RUNNING,
            object_id=goal.object_id,
            interval=0.1,
            tip=tip,
            velocity=velocity,
            predicted={state.id: np.tile([*state.position, 0.0], (6, 1))},
            deviation={},
            cost=0.0,
            physics_residual=0.0,
            iterations=1,
            deadline_used=0.1,
        )

    def reset(self) -> None:
        """Nothing to forget."""


def test_the_simulated_robot_stands_still_when_its_plan_is_refused(
    rendering: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del rendering
    monkeypatch.setattr(push_robot, "SamplingSolver", lambda _: _Reckless())
    robot = push_robot.PushRobot(push_task(1, 6))
    pipeline = Pipeline(DepthFinder(), ObjectTracker())
    run(itertools.islice(robot.samples(), 40), pipeline, [robot])
    assert robot.account.object_id
    assert any("too fast" in reason for reason in robot.account.holds)
    assert np.ptp(robot.account.tips, axis=0).max() < 1e-3
