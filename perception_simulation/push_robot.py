"""A simulated robot that pushes an object to a target by what the pipeline believes.

It is given images and where its own tip is, as a robot is, and nothing else of the truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.planner.executive import Check, Decision, Executive
from perception_nodes.planner.interface import Goal, Situation
from perception_nodes.planner.motion import PriorMotion
from perception_nodes.planner.sampling import SamplingSolver, Table
from perception_nodes.planner.self_filter import Stick, without_stick
from perception_nodes.scene import ObjectState, Sample, SceneState, Visibility
from perception_simulation.model import PUSHER, PUSHER_LENGTH, PUSHER_RADIUS
from perception_simulation.push_task import PushTask
from perception_simulation.simulator import Simulator

STICK = Stick(PUSHER_RADIUS, PUSHER_LENGTH + 2.0 * PUSHER_RADIUS)
_LOOK_FIRST = 1.0
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
    over: bool = False
    reason: str = "the time was over"
    stamp: int = 0


class PushRobot:
    """Iterate over `samples` in a session and give it this as a further sink.

    Args:
        task: What to do.
        seconds: Deadline of each plan. The simulated world waits for plans.
        check: See `Executive`.

    Attributes:
        motion: Foresees what it pushes unseen; for the tracker.
        account: What happened.
    """

    def __init__(self, task: PushTask, seconds: float = 0.5, check: Check | None = None) -> None:
        self.task = task
        self.simulator = Simulator(task.scene)
        self.motion = PriorMotion()
        self.account = Account()
        self._seconds = seconds
        self._check = check
        self._tip: Floats = np.zeros(3)
        self._executive: Executive | None = None

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
        if state.stamp * _NANOSECONDS < _LOOK_FIRST:
            return
        if self._executive is None:
            self._executive = self._begin(true, state)
        if self._executive is None:
            return
        velocity = (tip - self._tip) * self.task.scene.rate
        self._tip = tip
        situation = Situation(state.stamp, state.objects, (), state.predictions, tip, velocity)
        self._act(self._executive.decide(situation))

    def error(self) -> float:
        """How far the object truly is from its target, m."""
        return float(np.linalg.norm(self.account.true_path[-1] - self.task.target))

    def _act(self, decision: Decision) -> None:
        if decision.fresh:
            self.account.rounds.append(decision.plan.iterations)
            self.account.shares.append(decision.plan.deadline_used)
        if decision.over:
            self.account.over, self.account.reason = True, decision.reason
        self.simulator.command(decision.velocity)

    def _begin(self, true: ObjectState, state: SceneState) -> Executive | None:
        """The one use of the truth: which of the objects that it believes in is meant."""
        seen = [item for item in state.objects if item.visibility is Visibility.VISIBLE]
        near = sorted(seen, key=lambda item: float(np.linalg.norm(item.position - true.position)))
        if not near or np.linalg.norm(near[0].position[:2] - true.position[:2]) > _MISTAKE:
            return None
        self.account.object_id = near[0].id
        target = np.array([*self.task.target, near[0].position[2]])
        goal = Goal(near[0].id, Pose(near[0].pose.rotation, target), 0.02, deadline=35.0)
        scene = self.task.scene
        half = np.array(scene.area) / 2.0 - 0.05
        table = Table(scene.support_height, np.concatenate((-half, half)))
        return Executive(SamplingSolver(table), goal, self._seconds, self._check)

    def _note(self, true: ObjectState, state: SceneState, tip: Floats) -> None:
        account = self.account
        believed = [item for item in state.objects if item.id == account.object_id]
        account.true_path.append(true.position[:2].copy())
        account.tips.append(tip)
        place = believed[0].position[:2].copy() if believed else np.full(2, np.nan)
        account.believed_path.append(place)
        account.hidden.append(bool(believed) and believed[0].visibility is not Visibility.VISIBLE)
        account.stamp = state.stamp


def _tip(objects: tuple[ObjectState, ...]) -> Floats:
    """(3,) where the robot knows its tip to be, from its own joints."""
    stick = next(item for item in objects if item.label == PUSHER)
    return np.asarray(stick.position - np.array([0.0, 0.0, stick.size[2] / 2.0]))
