"""The node `planner` moves things only when it is allowed to, and says why it does not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from planner_graph import NAMES, Planner, World, achieve
from plans import TABLE, person, thing
from rclpy.action import ActionClient
from rclpy.parameter import Parameter
from std_msgs.msg import Float64
from std_srvs.srv import SetBool

from perception_nodes.errors import ModelError
from perception_nodes.planner.node import PlannerNode
from perception_nodes.ros.interfaces import COMPUTE_PRESSURE
from perception_nodes.ros.qos import Intent, profile
from perception_nodes.ros.rclpy_factory import interface
from perception_nodes.ros.run import start
from perception_nodes.scene import PlanStatus, Visibility

SUCCEEDED, ABORTED, CANCELED = (
    GoalStatus.STATUS_SUCCEEDED,
    GoalStatus.STATUS_ABORTED,
    GoalStatus.STATUS_CANCELED,
)


class Bench:
    """A planner, a world and somebody who wants something."""

    def __init__(self, graph: Any, until: Callable[..., bool]) -> None:
        overrides = [Parameter("protected", value="cup"), Parameter("planning_time", value=0.1)]
        self.node = graph.add(Planner(context=graph.context, parameter_overrides=overrides))
        self.graph, self.until = graph, until
        self.client = graph.client("operator")
        self.action = ActionClient(self.client, interface("permanence/action/Achieve"), "achieve")
        self.feedback: list[Any] = []
        assert start(self.node)
        graph.spin()
        self.world = World(self.client)
        assert self.action.wait_for_server(20.0)
        assert until(lambda: self.node._pilot._situation)

    def enable(self, wanted: bool = True) -> Any:
        client = self.client.create_client(SetBool, "enable")
        return self.graph.call(client, SetBool.Request(data=wanted))

    def send(self, goal: Any) -> Any:
        """Give a goal; its handle."""
        sent = self.action.send_goal_async(goal, feedback_callback=self.feedback.append)
        assert self.until(sent.done)
        assert sent.result().accepted
        return sent.result()

    def result(self, handle: Any) -> tuple[int, Any]:
        """Status and result of a goal, when it ended."""
        ended = handle.get_result_async()
        assert self.until(ended.done)
        return ended.result().status, ended.result().result

    def moves(self) -> bool:
        """Whether the pusher is commanded to move."""
        return abs(self.world.velocity()) > 0.01

    def holds(self, reason: str) -> bool:
        """Whether it stands and says so."""
        said = self.world.statuses[-1] if self.world.statuses else None
        return (
            said is not None
            and reason in said.reason
            and NAMES[said.status] == "HOLDING"
            and not self.moves()
        )


@pytest.fixture
def bench(graph: Any, until: Callable[..., bool]) -> Iterator[Bench]:
    made = Bench(graph, until)
    yield made
    made.world.close()


def test_an_object_is_pushed_to_its_goal_once_commands_are_enabled(bench: Bench) -> None:
    handle = bench.send(achieve(-0.1))
    assert bench.until(lambda: bench.holds("not enabled: call the service enable"))
    assert bench.until(lambda: bench.world.paths), "the plan is shown before anything moves"
    assert not bench.world.commands
    assert bench.enable().success
    status, result = bench.result(handle)
    assert (status, result.success, result.reason) == (SUCCEEDED, True, "")
    assert result.position_error <= 0.01
    assert bench.world.x == pytest.approx(-0.1, abs=0.02)
    assert bench.until(lambda: bench.world.velocity() == 0.0), "the last command is to stand"
    assert bench.until(lambda: NAMES[bench.world.statuses[-1].status] == "IDLE")
    told = {NAMES[s.status] for s in bench.world.statuses}
    assert told >= {"HOLDING", "RUNNING", "SUCCEEDED"}
    assert {s.object_id for s in bench.world.statuses} == {"o1", ""}
    assert any(f.feedback.position_error > 0.05 for f in bench.feedback)
    path = bench.world.paths[0]
    assert len(path.poses) == 11
    assert path.poses[0].pose.position.z == pytest.approx(TABLE + 0.03)
    assert all(c.header.frame_id == "map" for c in bench.world.commands)


@pytest.mark.parametrize(
    ("goal", "reason"),
    [
        (achieve(0.0, "o7"), "there is no object 'o7'; known: cup, o1, o2"),
        (achieve(0.9), "out of reach of the pusher"),
        (achieve(0.2), "o2 stands where o1 shall come"),
        (achieve(float("nan")), "not finite"),
        (achieve(0.0, "cup"), "cup is protected"),
        (achieve(0.4, deadline=1), "can't be there in time"),
    ],
)
def test_a_goal_that_makes_no_sense_is_aborted_at_once_with_the_reason(
    bench: Bench, goal: Any, reason: str
) -> None:
    bench.world.others = [thing("o2", 0.2, 0.0), thing("cup", 0.0, 0.3)]
    assert bench.until(lambda: len(bench.node._objects) == 3)
    bench.enable()
    status, result = bench.result(bench.send(goal))
    assert (status, result.success) == (ABORTED, False)
    assert reason in result.reason
    assert not bench.world.commands
    assert bench.until(lambda: any(reason in s.reason for s in bench.world.statuses))


def test_a_goal_in_another_frame_is_refused(bench: Bench) -> None:
    goal = achieve(0.0)
    goal.target.header.frame_id = "base_link"
    status, result = bench.result(bench.send(goal))
    assert status == ABORTED
    assert "'base_link'" in result.reason


def test_an_emergency_stop_latches_until_it_is_released_and_commands_enabled_anew(
    bench: Bench,
) -> None:
    bench.enable()
    handle = bench.send(achieve(0.2))
    assert bench.until(bench.moves)
    bench.world.stop(True)
    status, result = bench.result(handle)
    assert (status, result.reason) == (ABORTED, "emergency stop")
    assert bench.until(lambda: not bench.moves())
    refused = bench.enable()
    assert not refused.success
    assert "release it first" in refused.message
    handle = bench.send(achieve(0.2))
    assert bench.until(lambda: bench.holds("emergency stop"))
    bench.world.stop(False)
    assert bench.until(lambda: bench.holds("it holds until the service enable is called"))
    assert bench.enable().success
    assert bench.until(bench.moves)
    assert handle.cancel_goal_async() is not None


def test_a_canceled_goal_stops_the_pusher(bench: Bench) -> None:
    bench.enable()
    handle = bench.send(achieve(0.2))
    assert bench.until(bench.moves)
    handle.cancel_goal_async()
    status, result = bench.result(handle)
    assert (status, result.success, result.reason) == (CANCELED, False, "canceled")
    assert bench.until(lambda: not bench.moves())


def test_a_new_goal_takes_the_place_of_the_one_before(bench: Bench) -> None:
    bench.enable()
    first = bench.send(achieve(0.2))
    assert bench.until(bench.moves)
    second = bench.send(achieve(-0.12))
    status, result = bench.result(first)
    assert (status, result.reason) == (ABORTED, "another goal came")
    assert bench.result(second)[0] == SUCCEEDED


def test_what_is_disabled_while_it_moves_stands_and_goes_on_when_enabled(bench: Bench) -> None:
    bench.enable()
    handle = bench.send(achieve(-0.05))
    assert bench.until(bench.moves)
    bench.enable(False)
    assert bench.until(lambda: bench.holds("not enabled"))
    bench.enable()
    assert bench.result(handle)[0] == SUCCEEDED


@pytest.mark.parametrize(
    ("topic", "reason"),
    [("objects", "objects silent"), ("/tf", "the pusher's transform silent")],
)
def test_it_holds_when_the_state_of_the_world_is_stale(
    bench: Bench, topic: str, reason: str
) -> None:
    bench.enable()
    handle = bench.send(achieve(0.0))
    assert bench.until(bench.moves)
    bench.world.silent = {topic}
    assert bench.until(lambda: bench.holds(reason))
    bench.world.silent = set()
    assert bench.result(handle)[0] == SUCCEEDED


def test_a_person_who_steps_in_stops_the_pusher_until_they_left(bench: Bench) -> None:
    bench.world.people = [person("anna", 4.0, 0.0)]
    bench.enable()
    handle = bench.send(achieve(0.1))
    assert bench.until(bench.moves)
    bench.world.people = [person("anna", 0.6, 0.0)]
    assert bench.until(lambda: bench.holds("too near to where anna may be"))
    bench.world.people = [person("ben", 4.0, 0.0)]
    assert bench.result(handle)[0] == SUCCEEDED


def test_people_who_are_not_tracked_any_more_stop_the_pusher(bench: Bench) -> None:
    bench.world.people = [person("anna", 4.0, 0.0)]
    bench.enable()
    bench.send(achieve(0.2))
    assert bench.until(bench.moves)
    bench.world.silent = {"people"}
    assert bench.until(lambda: bench.holds("people silent"))


def test_an_object_that_gets_lost_while_it_is_pushed_ends_the_goal(bench: Bench) -> None:
    bench.enable()
    handle = bench.send(achieve(0.2))
    assert bench.until(bench.moves)
    bench.world.changes = {"visibility": Visibility.LOST}
    status, result = bench.result(handle)
    assert status == ABORTED
    assert "o1 is lost" in result.reason
    assert bench.until(lambda: not bench.moves())


def test_an_object_that_vanishes_while_it_is_pushed_ends_the_goal(bench: Bench) -> None:
    bench.enable()
    handle = bench.send(achieve(0.2))
    assert bench.until(bench.moves)
    bench.world.state = lambda stamp: replace(thing("o5", 0.3, 0.3), stamp=stamp)  # type: ignore[method-assign]
    status, result = bench.result(handle)
    assert status == ABORTED
    assert "o1" in result.reason


def test_a_plan_whose_cost_is_not_finite_is_not_carried_out(bench: Bench) -> None:
    bench.node._solver.spoil = lambda made: replace(made, cost=float("nan"))
    bench.enable()
    bench.send(achieve(0.2))
    assert bench.until(lambda: bench.holds("is not finite"))
    assert not bench.world.commands


def test_while_a_plan_is_past_its_deadline_the_pusher_stands_and_the_node_says_so(
    bench: Bench,
) -> None:
    gate = threading.Event()

    def late(made: Any) -> Any:
        gate.wait(60.0)
        return made

    bench.node._solver.spoil = late
    bench.enable()
    bench.send(achieve(0.4))
    assert bench.until(lambda: bench.holds("planning"))
    assert not bench.world.commands
    gate.set()
    assert bench.until(bench.moves)
    gate.clear()
    assert bench.until(lambda: bench.holds("planning")), "what was planned before has ended"
    gate.set()
    assert bench.until(bench.moves)


def test_a_solver_that_raises_or_finds_nothing_leaves_the_pusher_where_it_is(bench: Bench) -> None:
    def raising(_: Any) -> Any:
        raise FloatingPointError("too bad")

    bench.node._solver.spoil = raising
    bench.enable()
    bench.send(achieve(0.2))
    assert bench.until(lambda: bench.holds("planning failed: FloatingPointError: too bad"))
    bench.node._solver.spoil = lambda made: replace(
        made, status=PlanStatus.HOLDING, reason="no candidate"
    )
    assert bench.until(lambda: bench.holds("no candidate"))
    assert not bench.world.commands


def test_a_protected_object_is_not_pushed_and_protection_can_change_at_run_time(
    bench: Bench,
) -> None:
    bench.world.others = [thing("o2", 0.02, 0.0)]
    bench.node.set_parameters([Parameter("protected", value="o2, cup")])
    bench.enable()
    handle = bench.send(achieve(-0.1))
    assert bench.until(lambda: bench.holds("o1 would come too near to the protected o2"))
    bench.world.others = [thing("o2", 0.3, 0.3)]
    assert bench.result(handle)[0] == SUCCEEDED


def test_without_its_model_the_node_refuses_to_start_and_says_why(graph: Any) -> None:
    class Without(PlannerNode):
        def make_solver(self) -> Any:
            raise ModelError("there is no network prior.onnx", "give the parameter model_dir")

    made = graph.add(Without(context=graph.context))
    assert not start(made)
    assert "no network prior.onnx" in made._refusal


def test_a_jump_of_the_clock_and_a_deactivation_end_the_goal(bench: Bench) -> None:
    bench.enable()
    handle = bench.send(achieve(0.2))
    assert bench.until(bench.moves)
    bench.node.forget()
    assert bench.result(handle)[1].reason == "the clock jumped back"
    assert bench.until(lambda: bench.node._pilot._situation)
    handle = bench.send(achieve(0.2))
    assert bench.until(bench.moves)
    bench.node.trigger_deactivate()
    assert bench.result(handle)[1].reason == "the node was deactivated"
    assert bench.world.velocity() == 0.0
    assert np.isfinite(bench.world.tip).all()


def test_under_pressure_plans_get_half_of_the_time(bench: Bench) -> None:
    asked: list[float] = []
    solve = bench.node._solver.plan

    def plan(situation: Any, goal: Any, seconds: float) -> Any:
        asked.append(seconds)
        return solve(situation, goal, seconds)

    bench.node._solver.plan = plan
    pressure = bench.client.create_publisher(
        Float64, COMPUTE_PRESSURE.name, profile(Intent[COMPUTE_PRESSURE.intent])
    )
    assert bench.until(pressure.get_subscription_count)
    bench.send(achieve(-0.1))
    assert bench.until(lambda: asked)
    assert asked[0] == pytest.approx(0.1)
    pressure.publish(Float64(data=3.0))  # memory, prediction, planning
    assert bench.until(lambda: asked[-1] == pytest.approx(0.05))
