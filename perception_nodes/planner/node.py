"""Node `planner`: object states and goals in, commands of the pusher out.

Subscribes, publishes, offers: see `perception_nodes.ros.interfaces`. Planning happens in a thread;
the plan is verified on each new state, and commands go out only while it is safe, everything is
fresh, and the service `enable` let them.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from perception_nodes.errors import InputError
from perception_nodes.gate.governor import Part
from perception_nodes.planner.budget import Table
from perception_nodes.planner.case import Limits
from perception_nodes.planner.interface import Situation, Solver
from perception_nodes.planner.network_round import on_gpu
from perception_nodes.planner.pilot import Outcome, Pilot, Request, Step
from perception_nodes.planner.sampling import SamplingSolver
from perception_nodes.planner.verify import Verifier
from perception_nodes.planner.watchdog import Gate, Watchdog
from perception_nodes.ros.allowance import Allowance
from perception_nodes.ros.conversion import (
    object_states_from_msg,
    people_from_msg,
    predictions_from_msg,
)
from perception_nodes.ros.geometry_messages import time_from_msg
from perception_nodes.ros.interfaces import node
from perception_nodes.ros.managed import ManagedNode
from perception_nodes.ros.parameters import FRAME, ModelParameters, number, text
from perception_nodes.ros.plan_messages import (
    command_to_msg,
    goal_from_msg,
    plan_status_to_msg,
    plan_to_msg,
)
from perception_nodes.ros.rclpy_factory import RclpyFactory, interface
from perception_nodes.ros.run import main as run_node
from perception_nodes.ros.tool_input import Tool, ToolInput, without_tool
from perception_nodes.scene import ObjectState, Person, Plan, PlanStatus, Prediction

IDS = r"[A-Za-z0-9_.\-, ]*"
"""Names, separated by commas."""
_PERIOD_S = 0.05
_STATUS_S = 0.5


@dataclass(frozen=True)
class PlannerParameters(ModelParameters):
    """Parameters of the node."""

    pusher_frame: str = text("pusher", "frame of the pusher's tip, which is commanded", FRAME)
    protected: str = text(
        "", "ids of objects that must not be touched, with commas", IDS, read_only=False
    )
    planning_time: float = number(0.5, "how long planning may take, s", 0.02, 10.0, True)
    max_age: float = number(
        0.5, "age of states and people after which it holds, s", 0.05, 5.0, True
    )
    low_x: float = number(-0.6, "workspace of the pusher's tip, m", -100.0, 100.0, True)
    low_y: float = number(-0.45, "workspace of the pusher's tip, m", -100.0, 100.0, True)
    low_z: float = number(0.7, "height of the table, m", -100.0, 100.0, True)
    high_x: float = number(0.6, "workspace of the pusher's tip, m", -100.0, 100.0, True)
    high_y: float = number(0.45, "workspace of the pusher's tip, m", -100.0, 100.0, True)
    high_z: float = number(1.3, "workspace of the pusher's tip, m", -100.0, 100.0, True)
    max_speed: float = number(0.3, "of the pusher, m/s", 0.01, 2.0, True)
    max_acceleration: float = number(5.0, "of the pusher, m/s^2", 0.1, 50.0, True)
    tool_radius: float = number(0.012, "of the pusher, an upright stick, m", 0.001, 0.2, True)
    tool_length: float = number(0.184, "of the pusher, an upright stick, m", 0.01, 2.0, True)
    clearance: float = number(0.005, "to what the pusher shall not touch, m", 0.0, 1.0, True)
    protected_clearance: float = number(
        0.02, "between protected objects and whatever moves, m", 0.0, 1.0, True
    )
    person_distance: float = number(
        0.1, "between people and whatever moves, beyond where they may be, m", 0.0, 5.0, True
    )
    person_acceleration: float = number(
        3.0, "what a person is taken to be able to, m/s^2", 0.0, 20.0, True
    )

    def limits(self) -> Limits:
        """What the robot may do."""
        return Limits(
            low=(self.low_x, self.low_y, self.low_z),
            high=(self.high_x, self.high_y, self.high_z),
            speed=self.max_speed,
            acceleration=self.max_acceleration,
            tool_radius=self.tool_radius,
            tool_length=self.tool_length,
            clearance=self.clearance,
            protected_clearance=self.protected_clearance,
            person_distance=self.person_distance,
            person_acceleration=self.person_acceleration,
            max_age=self.max_age,
        )

    def protected_ids(self) -> frozenset[str]:
        """Ids of objects that must not be touched."""
        return frozenset(filter(None, (part.strip() for part in self.protected.split(","))))


class PlannerNode(ManagedNode[PlannerParameters]):
    """Brings objects to goals, if that is safe."""

    def __init__(self, **options: Any) -> None:
        super().__init__(node("planner"), PlannerParameters, **options)

    def load(self) -> None:
        """Make the parts and connect them; commands stay in until `enable` is called."""
        self._factory = RclpyFactory()
        self._lock = threading.RLock()
        self._solver = self.make_solver()
        self._verifier = Verifier(self.parameters.limits(), self.parameters.protected_ids())
        self._pilot = Pilot(self._verifier, self.parameters.planning_time)
        self._gate = Gate()
        self._watchdog = Watchdog(("objects", "the pusher's transform"), self.parameters.max_age)
        self._tool_input = ToolInput(self.parameters.world_frame, self.parameters.pusher_frame)
        self._forget_inputs()
        self._handle: Any = None
        self._shown: Plan | None = None
        self._told: tuple[PlanStatus, str] = (PlanStatus.IDLE, "")
        self._told_at = 0.0
        self._commanded = np.zeros(3)
        self._plan = self.endpoints.advertise(self.spec.gives("plan"))
        self._command = self.endpoints.advertise(self.spec.gives("command"))
        self._status = self.endpoints.advertise(self.spec.gives("plan_status"))
        self.endpoints.offer(self.spec.offers("enable"), self._enable)
        self._action = self.endpoints.act(self.spec.actions[0], self._accepted)
        self._worker = self.employ(self._solve)
        self.listen("objects", self._take_objects, required=True)
        self.listen("predictions", self._take_predictions)
        self.listen("people", self._take_people)
        self.listen("emergency_stop", self._take_stop)
        self._allowance = Allowance(Part.PLANNING)
        self.listen("compute_pressure", self._allowance.take)
        self.listen("/tf", lambda m: self._take_tool(m, static=False), required=True)
        self.listen("/tf_static", lambda m: self._take_tool(m, static=True))
        self.endpoints.every(_PERIOD_S, lambda: self.guard(self._tick, None))

    def make_solver(self) -> Solver:
        """What makes plans."""
        p = self.parameters
        table = Table(p.low_z, np.array([p.low_x, p.low_y, p.high_x, p.high_y]))
        network, self.facts["planning"] = on_gpu(p.models(), p.device)
        return SamplingSolver(table, network=network)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop at once; a goal that is pursued is given up."""
        with self._lock:
            self._halt("the node was deactivated")
        self._gate.enable(False)
        return super().on_deactivate(state)

    def reconfigured(self, parameters: PlannerParameters) -> None:
        """Other objects are protected now."""
        verifier = getattr(self, "_verifier", None)
        if verifier is not None:
            verifier.protected = parameters.protected_ids()

    def forget(self) -> None:
        """The clock jumped back: what was seen holds no more, so the goal is given up."""
        with self._lock:
            self._halt("the clock jumped back")
            self._pilot.reset()
            self._watchdog.reset()
            self._tool_input.reset()
            self._forget_inputs()

    def explain(self) -> str:
        """Why nothing is planned."""
        return "no goal" if self._handle is None else self._told[1]

    # What comes in.

    def _forget_inputs(self) -> None:
        """Know nothing of the world."""
        self._objects: tuple[ObjectState, ...] = ()
        self._predictions: tuple[Prediction, ...] = ()
        self._people: tuple[Person, ...] = ()
        self._tool: Tool | None = None
        self._stamp = 0

    def _take_objects(self, message: Any) -> None:
        frame = message.header.frame_id
        if frame not in ("", self.parameters.world_frame):
            raise InputError(
                f"the object states are given in {frame!r}, but the pusher is commanded in "
                f"{self.parameters.world_frame!r}",
                "give cjepa and planner the same parameter world_frame",
            )
        self._objects = object_states_from_msg(message)
        self._stamp = time_from_msg(message.header.stamp)
        self._watchdog.heard("objects", self._stamp)
        self._observe()

    def _take_predictions(self, message: Any) -> None:
        self._predictions = predictions_from_msg(message)

    def _take_people(self, message: Any) -> None:
        self._watchdog.heard("people", time_from_msg(message.header.stamp))
        self._people = people_from_msg(message)
        self._observe()

    def _take_tool(self, message: Any, static: bool) -> None:
        found = self._tool_input.take(message, static)
        if found is not None:
            self._tool = found
            self._watchdog.heard("the pusher's transform", found.stamp)

    def _take_stop(self, message: Any) -> None:
        self._gate.stop(bool(message.data))
        if message.data:
            with self._lock:
                self._halt("emergency stop")

    def _enable(self, request: Any, response: Any) -> Any:
        """Service `enable`."""
        response.success, response.message = self._gate.enable(bool(request.data))
        if self._gate.closed:
            self._stand()
        return response

    def _observe(self) -> None:
        """Tell the pilot what holds now, if everything needed is known."""
        if self._tool is None or not self._stamp:
            return
        now = self._now()
        goal = self._pilot.goal
        keep = self._verifier.protected | ({goal.object_id} if goal else set())
        tip, radius = self._tool.tip, self.parameters.tool_radius
        objects = without_tool(self._objects, tip, radius, keep)
        with self._lock:
            self._pilot.observe(
                Situation(
                    self._stamp, objects, self._people, self._predictions, tip, self._commanded
                ),
                now,
                self._tool.stamp,
            )

    # Goals.

    def _accepted(self, handle: Any) -> None:
        """A new goal comes in place of the one before."""
        with self._lock:
            if self._handle is not None:
                self._end(Outcome(False, "another goal came", *self._pilot.errors()))
            self._handle = handle
            try:
                goal = goal_from_msg(handle.request, self.parameters.world_frame)
                reason = self._watchdog.stale(self._now()) or self._pilot.pursue(goal, self._now())
            except InputError as error:
                reason = str(error)
            if not self.active:
                reason = "the node is not active"
            if reason:
                self._end(Outcome(False, reason, *self._pilot.errors()))
                self._tell(Step(PlanStatus.REFUSED, np.zeros(3), reason))

    def _end(self, outcome: Outcome) -> None:
        """Finish the goal's action and stand still."""
        handle, self._handle = self._handle, None
        self._pilot.release()
        self._stand()
        if handle is not None:
            result = interface("permanence/action/Achieve").Result(
                success=outcome.success,
                reason=outcome.reason,
                position_error=outcome.position_error,
                angle_error=outcome.angle_error,
            )
            self._action.finish(handle, result, outcome.success)

    def _halt(self, reason: str) -> None:
        """Give up the goal, if there is one, and stand still."""
        if self._handle is not None:
            self._tell(Step(PlanStatus.HOLDING, np.zeros(3), reason))
            self._end(Outcome(False, reason, *self._pilot.errors()))
        self._stand()

    # Planning and steering.

    def _solve(self, request: Request) -> None:
        """In the worker: plan."""
        began = time.perf_counter()
        seconds = self.parameters.planning_time / (2.0 if self._allowance.slowed else 1.0)
        try:
            plan = self._solver.plan(request.situation, request.goal, seconds)
        except Exception as error:
            with self._lock:
                self._pilot.fail(f"planning failed: {type(error).__name__}: {error}")
            raise
        with self._lock:
            now = self._now()
            self._pilot.adopt(request, plan, now)
            self._shown = plan
        self._plan.publish(
            plan_to_msg(plan, request.begins or now, self.parameters.world_frame, self._factory)
        )
        self.finished(request.situation.stamp, began)

    def _tick(self, _: None) -> None:
        """Twenty times a second: command, say how it goes, and ask for the next plan."""
        if not self.active:
            return
        with self._lock:
            if self._handle is not None and self._handle.is_cancel_requested:
                self._halt("canceled")
            now = self._now()
            step = self._pilot.step(now, self._closed(now))
            self._move(step, now)
            self._tell(step)
            if self._pilot.outcome is not None:
                self._end(self._pilot.outcome)
            wanted = self._pilot.request(now)
        if wanted is not None:
            self._worker.offer(wanted)

    def _closed(self, now: int) -> str:
        """Why nothing may move; empty if it may."""
        return self._gate.closed or self._watchdog.stale(now)

    def _move(self, step: Step, now: int) -> None:
        """Send a velocity while a goal is pursued, and a last zero when it is not any more."""
        if step.status is PlanStatus.RUNNING:
            self._send(step.velocity, now)
        elif self._commanded.any():
            self._stand()

    def _stand(self) -> None:
        """The last command: a velocity of zero."""
        if self._commanded.any():
            self._send(np.zeros(3), self._now())

    def _send(self, velocity: Any, now: int) -> None:
        self._commanded = velocity
        frame = self.parameters.world_frame
        self._command.publish(command_to_msg(velocity, now, frame, self._factory))

    def _tell(self, step: Step) -> None:
        """Publish the status when it changes and now and then; feedback goes with it."""
        due = time.monotonic() - self._told_at > _STATUS_S
        if (step.status, step.reason) == self._told and not (due and self._handle is not None):
            return
        self._told, self._told_at = (step.status, step.reason), time.monotonic()
        goal = self._pilot.goal
        name = goal.object_id if goal else ""
        where = (self._now(), self.parameters.world_frame, self._factory)
        message = plan_status_to_msg(step.status, step.reason, name, self._shown, *where)
        self._status.publish(message)
        if self._handle is not None and goal is not None:
            position, angle = self._pilot.errors()
            feedback = interface("permanence/action/Achieve").Feedback(
                position_error=position, angle_error=angle, status=message
            )
            self._handle.publish_feedback(feedback)

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> None:
    """Run the node."""
    run_node(PlannerNode)
