"""The base of all nodes, on a tiny node of its own."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParametersAtomically
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from std_msgs.msg import Header

from perception_nodes.errors import ConfigurationError, InputError
from perception_nodes.ros.interfaces import NodeSpec, TopicSpec
from perception_nodes.ros.managed import ManagedNode
from perception_nodes.ros.parameters import NodeParameters, count, number, text

SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE
SPEC = NodeSpec(
    "echo",
    "repeats stamps",
    (TopicSpec("in", "std_msgs/msg/Header", "RESULTS", "stamps"),),
    (TopicSpec("out", "std_msgs/msg/Header", "RESULTS", "the same"),),
)


@dataclass(frozen=True)
class EchoParameters(NodeParameters):
    gain: float = number(1.0, "factor", 0.0, 10.0)
    low: int = count(1, "lower limit", 0, 100)
    high: int = count(2, "upper limit", 0, 100)
    file: str = text("", "where to write", r"[a-z]*", read_only=True)
    title: str = text("a", "free text", r".*", read_only=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low > self.high:
            raise ConfigurationError("low must not exceed high")


class Echo(ManagedNode[EchoParameters]):
    """Repeats stamps; refuses frame "bad", fails on frame "bug"."""

    def __init__(self, **options: Any) -> None:
        self.refuse: Exception | None = None
        self.forgotten = 0
        self.hold = 0.0
        super().__init__(SPEC, EchoParameters, **options)

    def load(self) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.listen("in", self.receive, required=True)
        self.output = self.endpoints.advertise(self.spec.gives("out"))
        self.worker = self.employ(self.work)

    def receive(self, message: Header) -> None:
        if message.frame_id == "bad":
            raise InputError("this frame is bad")
        if message.frame_id == "bug":
            raise KeyError("a bug")
        self.health.dropped("superseded", self.worker.offer(message))

    def work(self, message: Header) -> None:
        began = time.perf_counter()
        time.sleep(self.hold)
        if message.frame_id == "late bug":
            raise KeyError("a bug in the worker")
        self.output.publish(message)
        self.finished(message.stamp.sec * 10**9, began)

    def forget(self) -> None:
        self.forgotten += 1


@pytest.fixture
def echo(graph: Any) -> Any:
    return graph.add(Echo(context=graph.context))


def start(node: Any) -> None:
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS


def figures(node: Any) -> dict[str, str]:
    return dict(node.health.values())


def latest(received: list[DiagnosticArray]) -> tuple[int, str]:
    if not received:
        return -1, ""
    status = received[-1].status[0]
    return int.from_bytes(status.level, "little"), status.message


def test_only_an_active_node_publishes(graph: Any, echo: Any, until: Callable[..., bool]) -> None:
    client = graph.client()
    out = graph.collect(client, Header, "out")
    sender = client.create_publisher(Header, "in", 10)
    assert echo.trigger_configure() == SUCCESS
    graph.spin()
    assert until(lambda: sender.get_subscription_count() and client.count_publishers("out"))
    sender.publish(Header(frame_id="too early"))
    assert until(lambda: figures(echo).get("dropped, inactive") == "1")
    assert echo.trigger_activate() == SUCCESS
    sender.publish(Header(frame_id="in time"))
    assert until(lambda: out)
    assert [m.frame_id for m in out] == ["in time"]


def test_a_callback_that_raises_is_counted_and_the_node_lives(
    graph: Any, echo: Any, until: Callable[..., bool]
) -> None:
    client = graph.client()
    out = graph.collect(client, Header, "out")
    sender = client.create_publisher(Header, "in", 10)
    start(echo)
    graph.spin()
    assert until(lambda: sender.get_subscription_count() and client.count_publishers("out"))
    for frame in ("bug", "bad"):
        sender.publish(Header(frame_id=frame))
    assert until(lambda: figures(echo)["errors"] == "1")
    assert until(lambda: figures(echo).get("dropped, invalid input") == "1")
    sender.publish(Header(frame_id="late bug"))
    assert until(lambda: figures(echo)["errors"] == "2")
    sender.publish(Header(frame_id="good"))
    assert until(lambda: out)
    assert out[-1].frame_id == "good"


def test_a_slow_worker_gets_the_newest_message_and_the_others_are_counted(
    graph: Any, echo: Any, until: Callable[..., bool]
) -> None:
    client = graph.client()
    out = graph.collect(client, Header, "out")
    sender = client.create_publisher(Header, "in", 10)
    start(echo)
    echo.hold = 0.3
    graph.spin()
    assert until(lambda: sender.get_subscription_count() and client.count_publishers("out"))
    for i in range(8):
        sender.publish(Header(frame_id=str(i)))
    assert until(lambda: out and out[-1].frame_id == "7")
    assert len(out) + int(figures(echo)["dropped, superseded"]) == 8
    assert len(out) < 8


@pytest.mark.parametrize("error", [ConfigurationError("no model", "get one"), RuntimeError("bug")])
def test_a_part_that_cannot_be_loaded_fails_configure_with_the_reason(
    graph: Any, echo: Any, until: Callable[..., bool], error: Exception
) -> None:
    reports = graph.collect(graph.client(), DiagnosticArray, "/diagnostics")
    echo.refuse = error
    assert echo.trigger_configure() == FAILURE
    graph.spin()
    assert until(lambda: latest(reports)[0] == 2)
    assert str(error) in latest(reports)[1]
    echo.refuse = None
    start(echo)


def test_a_hundred_lifecycles_leave_nothing_behind(graph: Any, echo: Any) -> None:
    def cycle() -> None:
        start(echo)
        assert echo.trigger_deactivate() == SUCCESS
        assert echo.trigger_cleanup() == SUCCESS

    def entities() -> tuple[int, ...]:
        return (
            len(list(echo.publishers)),
            len(list(echo.subscriptions)),
            len(list(echo.services)),
            len(list(echo.timers)),
            len(echo._managed_entities),
            len(echo._parameters),
        )

    for _ in range(5):
        cycle()
    gc.collect()
    before = entities()
    tracemalloc.start()
    for _ in range(20):
        cycle()
    gc.collect()
    first, _ = tracemalloc.get_traced_memory()
    for _ in range(80):
        cycle()
    gc.collect()
    last, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert entities() == before
    assert last - first < 40_000, "Python objects grow with each cycle"


def value(of: object) -> ParameterValue:
    kinds = {
        bool: (ParameterType.PARAMETER_BOOL, "bool_value"),
        int: (ParameterType.PARAMETER_INTEGER, "integer_value"),
        float: (ParameterType.PARAMETER_DOUBLE, "double_value"),
        str: (ParameterType.PARAMETER_STRING, "string_value"),
    }
    kind, field = kinds[type(of)]
    return ParameterValue(type=kind, **{field: of})


def set_all(graph: Any, client: Any, **values: object) -> Any:
    request = SetParametersAtomically.Request(
        parameters=[ParameterMessage(name=k, value=value(v)) for k, v in values.items()]
    )
    service = client.create_client(SetParametersAtomically, "echo/set_parameters_atomically")
    return graph.call(service, request).result


@pytest.mark.parametrize(
    "attack",
    [
        {"gain": "much"},
        {"gain": 3},
        {"gain": float("nan")},
        {"gain": float("inf")},
        {"gain": 1e308},
        {"gain": -0.1},
        {"low": 2.0},
        {"low": 2**62},
        {"low": 50},
        {"title": "x" * 10_000_000},
        {"file": "../../etc/passwd"},
        {"world_frame": "a b\n"},
        {"no_such_parameter": 1},
        {"stale_after": 0.2},
    ],
    ids=lambda a: next(iter(a)) + "=" + str(next(iter(a.values())))[:12],
)
def test_an_invalid_parameter_rejects_the_whole_set(
    graph: Any, echo: Any, attack: dict[str, object]
) -> None:
    start(echo)
    client = graph.client()
    graph.spin()
    before = echo.parameters
    result = set_all(graph, client, input_timeout=0.7, **attack)
    assert not result.successful
    assert result.reason
    assert echo.parameters is before
    assert echo.get_parameter("input_timeout").value == before.input_timeout


def test_parameters_that_are_valid_together_change_together(graph: Any, echo: Any) -> None:
    client = graph.client()
    graph.spin()
    assert not set_all(graph, client, low=30).successful
    assert set_all(graph, client, low=30, high=40, gain=2.5).successful
    assert (echo.parameters.low, echo.parameters.high, echo.parameters.gain) == (30, 40, 2.5)


def test_every_parameter_is_described_with_its_range(graph: Any, echo: Any) -> None:
    client = graph.client()
    graph.spin()
    names = ["gain", "low", "file", "autostart", "input_timeout"]
    service = client.create_client(DescribeParameters, "echo/describe_parameters")
    gain, low, file, *others = graph.call(
        service, DescribeParameters.Request(names=names)
    ).descriptors
    assert gain.floating_point_range[0].to_value == 10.0
    assert low.integer_range[0].to_value == 100
    assert file.read_only
    assert all(d.description for d in (gain, low, file, *others))


def test_a_node_started_with_an_invalid_parameter_says_so(graph: Any) -> None:
    overrides = [Parameter("gain", value=99.0)]
    with pytest.raises(ConfigurationError, match="gain"):
        Echo(context=graph.context, parameter_overrides=overrides)


def test_a_clock_that_jumps_back_drops_what_is_short_term(
    graph: Any, until: Callable[..., bool]
) -> None:
    echo = graph.add(
        Echo(context=graph.context, parameter_overrides=[Parameter("use_sim_time", value=True)])
    )
    start(echo)
    clock = graph.client().create_publisher(Clock, "/clock", 10)
    graph.spin()
    assert until(clock.get_subscription_count)

    def tick(seconds: int) -> None:
        message = Clock()
        message.clock.sec = seconds
        clock.publish(message)
        assert until(lambda: echo.get_clock().now().nanoseconds == seconds * 10**9)

    tick(10)
    tick(11)
    assert echo.forgotten == 0
    tick(2)
    assert until(lambda: echo.forgotten == 1)
    assert echo.active
    assert figures(echo)["clock jumps"] == "1"


def test_a_qos_mismatch_names_both_ends(graph: Any, echo: Any, until: Callable[..., bool]) -> None:
    start(echo)
    client = graph.client("careless_camera")
    reports = graph.collect(client, DiagnosticArray, "/diagnostics")
    sender = client.create_publisher(
        Header, "in", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    )
    graph.spin()
    assert until(lambda: "/careless_camera" in latest(reports)[1])
    message = latest(reports)[1]
    assert "/in" in message
    assert "/echo" in message
    assert "eliab" in message
    assert sender.topic_name == "/in"


def test_the_qos_of_a_topic_can_be_overridden(graph: Any, until: Callable[..., bool]) -> None:
    override = Parameter("qos_overrides./in.subscription.reliability", value="best_effort")
    echo = graph.add(Echo(context=graph.context, parameter_overrides=[override]))
    start(echo)
    client = graph.client()
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    sender = client.create_publisher(Header, "in", best_effort)
    out = graph.collect(client, Header, "out")
    graph.spin()
    assert until(lambda: sender.get_subscription_count() and client.count_publishers("out"))
    assert until(lambda: sender.publish(Header(frame_id="x")) or out)


def test_silence_becomes_a_warning_then_stale_and_recovers_with_a_new_publisher(
    graph: Any, echo: Any, until: Callable[..., bool]
) -> None:
    client = graph.client()
    reports = graph.collect(client, DiagnosticArray, "/diagnostics")
    graph.spin()
    assert set_all(graph, client, input_timeout=0.3, stale_after=0.9).successful
    start(echo)

    def stream(seconds: float, level: int) -> bool:
        sender = client.create_publisher(Header, "in", 10)
        until(sender.get_subscription_count)

        def healthy() -> bool:
            sender.publish(Header(frame_id="x"))
            time.sleep(0.03)
            return latest(reports)[0] == level

        reached = until(healthy, seconds)
        client.destroy_publisher(sender)
        return reached

    assert stream(5.0, 0)
    seen = len(reports)
    assert until(lambda: latest(reports)[0] == 3, 5.0)
    levels = [int.from_bytes(r.status[0].level, "little") for r in reports[seen:]]
    assert 1 in levels
    assert "in silent" in latest(reports)[1]
    assert "nobody publishes /in" in latest(reports)[1]
    assert stream(5.0, 0)


def test_the_lifecycle_is_driven_by_its_services(graph: Any, echo: Any) -> None:
    client = graph.client()
    graph.spin()
    service = client.create_client(ChangeState, "echo/change_state")
    for step in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        assert graph.call(service, ChangeState.Request(transition=Transition(id=step))).success
    assert echo.active
