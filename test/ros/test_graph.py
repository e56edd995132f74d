"""The graph as processes: `permanence up`, the examples, a process that dies, two robots."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rclpy.parameter import Parameter
from ros_camera import Camera, subscribe, topic
from tabletop import PERIOD, Box, observe

from perception_nodes.cjepa.node import CjepaNode
from perception_nodes.memory.node import MemoryNode
from perception_nodes.planner.node import PlannerNode
from perception_nodes.ros.interfaces import node
from perception_nodes.ros.managed import ManagedNode
from perception_nodes.ros.run import start
from perception_nodes.viewrope.node import ViewropeNode

ROOT = Path(__file__).resolve().parents[2]
MUG = Box((0.0, 0.0, 0.05), (0.08, 0.08, 0.1))
CAN = Box((0.0, 0.25, 0.06), (0.07, 0.07, 0.12), (60.0, 60.0, 200.0))

Launcher = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Launcher]:
    """Starts `up` with some nodes; what it starts is ended after the test."""
    started: list[subprocess.Popen[str]] = []

    def launch(nodes: str, *arguments: str) -> subprocess.Popen[str]:
        memory = ["-p", f"memory:file:={tmp_path / 'memory.db'}"]
        program = [sys.executable, str(ROOT / "scripts" / "up"), "--nodes", nodes]
        command = [*program, "--ros-args", *memory, *arguments]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield launch
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(10)


class Robot:
    """A camera driver and a listener in a namespace."""

    def __init__(self, graph: Any, until: Callable[..., bool], namespace: str = "") -> None:
        self.until = until
        self.client = graph.client("driver", namespace=namespace)
        self.camera = Camera(self.client, node("cjepa"))
        self.objects: list[Any] = []
        subscribe(self.client, topic("cjepa", "objects"), self.objects)
        self.stamp = 10**9

    def connect(self) -> None:
        """Wait until an empty table is answered: discovery alone doesn't say who hears whom."""
        assert self.until(self.camera.connected), "the nodes did not come up"
        assert self.until(self._answered), "no object states came"

    def _answered(self) -> bool:
        self.stamp += PERIOD
        self.camera.show_slots(*observe((), self.stamp))
        return self.until(lambda: self.objects, 0.3)

    def see(self, *boxes: Box, frames: int) -> None:
        """Show frames, each after the answer to the one before."""
        for _ in range(frames):
            self.stamp += PERIOD
            frame, slots = observe(boxes, self.stamp)
            before = len(self.objects)
            self.camera.show_slots(frame, slots)
            assert self.until(lambda n=before: len(self.objects) > n), "no object states came"


def example(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "examples" / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def knows(name: str) -> bool:
    """Whether the memory knows an object."""
    return example("ask_the_memory.py", name).returncode == 0


def test_the_examples_talk_to_a_graph_in_one_process(
    graph: Any, up: Launcher, until: Callable[..., bool], tmp_path: Path
) -> None:
    up("cjepa,memory", "-p", "cjepa:memory_patience:=0.0")
    robot = Robot(graph, until)
    graph.spin()
    robot.connect()
    assert until(lambda: robot.client.count_subscribers("objects") == 2)
    robot.see(MUG, CAN, frames=6)
    named = example("name_an_object.py", "o1", "mug")
    assert named.returncode == 0, named.stderr
    assert 'o1 is called "mug"' in named.stdout
    refused = example("name_an_object.py", "o7", "x")
    assert refused.returncode == 1
    assert "no object 'o7'" in refused.stdout
    robot.see(MUG, CAN, frames=2)
    assert until(lambda: robot.see(MUG, CAN, frames=1) or knows("mug"))
    asked = example("ask_the_memory.py", "where", "is", "the", "mug?")
    assert asked.returncode == 0, asked.stderr
    assert "mug (o1)" in asked.stdout
    assert example("ask_the_memory.py", "unicorn").returncode == 1
    printed = tmp_path / "printed"
    program = [sys.executable, str(ROOT / "examples" / "watch_objects.py")]
    with printed.open("w") as output:
        watching = subprocess.Popen(program, stdout=output)
    try:
        assert until(lambda: robot.see(MUG, CAN, frames=1) or "mug" in printed.read_text())
    finally:
        watching.kill()
        watching.wait(10)


def test_when_the_memory_is_killed_the_rest_lives_and_nothing_is_forgotten(
    graph: Any, up: Launcher, until: Callable[..., bool]
) -> None:
    up("cjepa", "-p", "cjepa:memory_patience:=0.0")
    memory = up("memory")
    robot = Robot(graph, until)
    graph.spin()
    robot.connect()
    assert until(lambda: robot.client.count_subscribers("objects") == 2)
    robot.see(MUG, CAN, frames=8)
    assert until(lambda: robot.see(MUG, CAN, frames=1) or knows("o2"))
    os.kill(memory.pid, signal.SIGKILL)
    memory.wait(10)
    robot.see(MUG, CAN, frames=3)
    up("memory")
    assert until(lambda: robot.client.count_subscribers("objects") == 2)
    answer = example("ask_the_memory.py", "o2")
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_two_robots_in_two_namespaces_do_not_mix(graph: Any, until: Callable[..., bool]) -> None:
    robots = []
    for name in ("robot1", "robot2"):
        override = [Parameter("map_id", value="")]
        options = {"namespace": name, "parameter_overrides": override}
        assert start(graph.add(CjepaNode(context=graph.context, **options)))
        robots.append(Robot(graph, until, name))
    graph.spin()
    for robot in robots:
        robot.connect()
    first, second = robots
    first.see(MUG, CAN, frames=6)
    second.see(CAN, frames=6)
    assert len(first.objects[-1].objects) == 2
    assert len(second.objects[-1].objects) == 1


def test_all_nodes_are_configured_before_the_first_one_is_activated_both_in_order(
    graph: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    steps: list[tuple[str, str]] = []
    for name in ("configure", "activate"):
        go = getattr(ManagedNode, f"trigger_{name}")

        def noted(node: Any, name: str = name, go: Any = go) -> Any:
            steps.append((name, node.get_name()))
            return go(node)

        monkeypatch.setattr(ManagedNode, f"trigger_{name}", noted)
    nowhere = [Parameter("model_dir", value=str(tmp_path / "nowhere"))]
    file = [Parameter("file", value=str(tmp_path / "memory.db"))]
    waits = [Parameter("autostart", value=False)]
    nodes = [
        graph.add(ViewropeNode(context=graph.context)),
        graph.add(CjepaNode(context=graph.context, parameter_overrides=nowhere)),
        graph.add(MemoryNode(context=graph.context, parameter_overrides=file)),
        graph.add(PlannerNode(context=graph.context, parameter_overrides=waits)),
    ]
    assert not start(*nodes), "one refuses and one is not to start"
    configured = [("configure", name) for name in ("viewrope", "cjepa", "memory")]
    activated = [("activate", name) for name in ("viewrope", "memory")]
    assert steps == [*configured, *activated]
    assert [node.active for node in nodes] == [True, False, True, False]


@pytest.mark.parametrize(
    ("nodes", "arguments", "reason"),
    [
        ("cjepa,planet", (), "there is no node planet"),
        ("cjepa", ("-p", "input_timeout:=-1.0"), "input_timeout"),
        ("cjepa", ("-p", "input_timeout:=soon"), "input_timeout"),
        ("cjepa", ("--params-file", "/nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_what_cannot_be_started_is_refused_with_the_reason(
    up: Launcher, nodes: str, arguments: tuple[str, ...], reason: str
) -> None:
    process = up(nodes, *arguments)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert reason in said
    assert "Traceback" not in said
