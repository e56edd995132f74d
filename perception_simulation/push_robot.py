"""A simulated robot that pushes an object to a target by what the pipeline believes.

It is given images and where its own tip is, as a robot is, and nothing else of the truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.planner.budget import Table
from perception_nodes.planner.case import Limits
from perception_nodes.planner.interface import Goal, Situation, Solver
from perception_nodes.planner.motion import PriorMotion
from perception_nodes.planner.pilot import Pilot
from perception_nodes.planner.sampling import SamplingSolver
from perception_nodes.planner.self_filter import Stick, without_stick
from perception_nodes.planner.verify import Verifier
from perception_nodes.scene import ObjectState, PlanStatus, Sample, SceneState, Visibility
from perception_simulation.model import PUSHER, PUSHER_LENGTH, PUSHER_RADIUS
from perception_simulation.push_task import PushTask
from perception_simulation.simulator import Simulator

STICK = Stick(PUSHER_RADIUS, PUSHER_LENGTH + 2.0 * PUSHER_RADIUS)
_LOOK_FIRST = 1.0
_HEADROOM = 0.6  # m above the table that the tip may be
_LEAD = 0.5  # s before the present plan ends that the next one is asked for, as on a robot
_MISTAKE = 0.05
_NANOSECONDS = 1e-9


@dataclass(slots=True, eq=False)
class Account:
    """What happened.

    Attributes:
        object_id: Of the object that was taken for the one to move; empty if none was.
        true_path, believed_path: (T, 2) of the object's center.
        hidden: (T,) whether it was hidden then.
        tips: (T, 3).
        rounds: Rounds of sampling of each plan.
        shares: Shares of the deadline that each plan took.
        holds: In how many frames it held, by reason.
        over: Whether the robot ended by itself.
        reason: Why it gave up; empty if it believes to have succeeded.
        stamp: Of the last frame, ns.
    """

    object_id: str = ""
    true_path: list[Floats] = field(default_factory=list)
    believed_path: list[Floats] = field(default_factory=list)
    hidden: list[bool] = field(default_factory=list)
    tips: list[Floats] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    holds: dict[str, int] = field(default_factory=dict)
    over: bool = False
    reason: str = "the time was over"
    stamp: int = 0


class PushRobot:
    """Iterate over `samples` in a session and give it this as a further sink.

    It plans, verifies and steers as the planner node does, with the same parts.

    Args:
        task: What to do.
        seconds: Deadline of each plan. The simulated world waits for plans.

    Attributes:
        motion: Foresees what it pushes unseen; for the tracker.
        account: What happened.
    """

    def __init__(self, task: PushTask, seconds: float = 0.5) -> None:
        self.task = task
        self.simulator = Simulator(task.scene)
        self.motion = PriorMotion()
        self.account = Account()
        self._seconds = seconds
        self._tip: Floats = np.zeros(3)
        self._solver: Solver = SamplingSolver(Table(task.scene.support_height, task.reach))
        self._pilot = Pilot(Verifier(limits(task)), _LEAD)

    def samples(self) -> Iterator[Sample]:
        """The frames without the robot's own tool in the depth, until the robot is done."""
        for sample in self.simulator:
            assert sample.truth is not None
            tip = _tip(sample.truth.objects)
            self.motion.tell_tip(sample.frame.stamp, tip)
            yield Sample(without_stick(sample.frame, tip, STICK), sample.truth)
            if self.account.over:
                return

    def write(self, sample: Sample, state: SceneState, timings: Mapping[str, float]) -> None:
        """Decide after a frame; see `perception_nodes.replay.Sink`."""
        del timings
        assert sample.truth is not None
        tip = _tip(sample.truth.objects)
        true = next(item for item in sample.truth.objects if item.id == self.task.name)
        self._note(true, state, tip)
        velocity = (tip - self._tip) * self.task.scene.rate
        self._tip = tip
        if state.stamp * _NANOSECONDS < _LOOK_FIRST:
            return
        situation = Situation(state.stamp, state.objects, (), state.predictions, tip, velocity)
        self._pilot.observe(situation, state.stamp)
        if self._pilot.goal is None:
            self._begin(true, state)
        if self._pilot.goal is not None:
            self._act(state.stamp)

    def error(self) -> float:
        """How far the object truly is from its target, m."""
        return float(np.linalg.norm(self.account.true_path[-1] - self.task.target))

    def _act(self, now: int) -> None:
        request = self._pilot.request(now)
        if request is not None:
            plan = self._solver.plan(request.situation, request.goal, self._seconds)
            self.account.rounds.append(plan.iterations)
            self.account.shares.append(plan.deadline_used)
            self._pilot.adopt(request, plan, now)
        step = self._pilot.step(now, closed="")
        if step.status is not PlanStatus.RUNNING:
            self.account.holds[step.reason] = self.account.holds.get(step.reason, 0) + 1
        if self._pilot.outcome is not None:
            self.account.over, self.account.reason = True, step.reason
        self.simulator.command(step.velocity)

    def _begin(self, true: ObjectState, state: SceneState) -> None:
        """The one use of the truth: which of the objects that it believes in is meant."""
        seen = [item for item in state.objects if item.visibility is Visibility.VISIBLE]
        near = sorted(seen, key=lambda item: float(np.linalg.norm(item.position - true.position)))
        if not near or np.linalg.norm(near[0].position[:2] - true.position[:2]) > _MISTAKE:
            return
        self.account.object_id = near[0].id
        target = np.array([*self.task.target, near[0].position[2]])
        goal = Goal(near[0].id, Pose(near[0].pose.rotation, target), 0.01, deadline=35.0)
        refused = self._pilot.pursue(goal, state.stamp)
        if refused:
            self.account.over, self.account.reason = True, refused

    def _note(self, true: ObjectState, state: SceneState, tip: Floats) -> None:
        account = self.account
        believed = [item for item in state.objects if item.id == account.object_id]
        account.true_path.append(true.position[:2].copy())
        account.tips.append(tip)
        place = believed[0].position[:2].copy() if believed else np.full(2, np.nan)
        account.believed_path.append(place)
        account.hidden.append(bool(believed) and believed[0].visibility is not Visibility.VISIBLE)
        account.stamp = state.stamp


def limits(task: PushTask) -> Limits:
    """What the robot may do on a task's table."""
    x, y = (side / 2.0 for side in task.scene.area)
    height = task.scene.support_height
    return Limits(
        low=(-x, -y, height),
        high=(x, y, height + _HEADROOM),
        tool_radius=STICK.radius,
        tool_length=STICK.length,
    )


def _tip(objects: tuple[ObjectState, ...]) -> Floats:
    """(3,) where the robot knows its tip to be, from its own joints."""
    stick = next(item for item in objects if item.label == PUSHER)
    return np.asarray(stick.position - np.array([0.0, 0.0, stick.size[2] / 2.0]))
