"""Tests on the genuine rclpy: `python scripts/with_ros.py pytest test/ros`."""

from __future__ import annotations

import importlib.util
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PLAIN = {"test_with_ros.py", "test_health.py"}  # these need no rclpy
SIMULATED = {
    *("test_stream.py", "test_simulator.py", "test_launch.py", "test_interfaces.py"),
    *("test_gazebo_node.py", "test_planner_simulation.py"),
}
NO_ROS = "rclpy or the interfaces are missing: python scripts/with_ros.py pytest test/ros"
NO_SIMULATION = "the simulator's libraries are missing: docs/ros.md, Python dependencies"

os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)


def has_ros() -> bool:
    return all(importlib.util.find_spec(name) for name in ("rclpy", "permanence", "tf2_msgs"))


def missing(file: str) -> str:
    """What a test file can't be imported without; empty if it is all there."""
    if file in PLAIN:
        return ""
    if not has_ros():
        return NO_ROS
    if file in SIMULATED and importlib.util.find_spec("mujoco") is None:
        return NO_SIMULATION
    return ""


class SkippedModule(pytest.Module):
    """A test file that can't even be imported here."""

    def collect(self) -> Any:
        pytest.skip(missing(self.path.name), allow_module_level=True)


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    if module_path.is_relative_to(HERE) and missing(module_path.name):
        return SkippedModule.from_parent(parent, path=module_path)
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("ros")


class Graph:
    """Nodes that spin in a thread, in a context of their own."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.nodes: list[Any] = []
        self._thread: threading.Thread | None = None

    def add(self, node: Any) -> Any:
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def client(self, name: str = "client", **options: Any) -> Any:
        from rclpy.node import Node

        return self.add(Node(name, context=self.context, **options))

    def spin(self) -> None:
        self._thread = threading.Thread(target=self.executor.spin, daemon=True)
        self._thread.start()

    def collect(self, node: Any, kind: type[Any], topic: str, qos: Any = 10) -> list[Any]:
        """Subscribe; the list fills as messages come."""
        received: list[Any] = []
        node.create_subscription(kind, topic, received.append, qos)
        return received

    def call(self, client: Any, request: Any, timeout: float = 30.0) -> Any:
        """Call a service and wait for its answer."""
        assert client.wait_for_service(timeout)
        future = client.call_async(request)
        assert wait_until(future.done, timeout), f"no answer from {client.srv_name}"
        return future.result()

    def close(self) -> None:
        self.executor.shutdown(2.0)
        if self._thread is not None:
            self._thread.join(5.0)
        for node in self.nodes:
            node.destroy_node()
        self.context.try_shutdown()


def wait_until(condition: Callable[[], Any], timeout: float = 30.0) -> bool:
    """Wait for something that happens in another thread or process."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def graph() -> Iterator[Graph]:
    made = Graph()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def only_documented_figures(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nodes tell nothing on /diagnostics that their page does not explain."""
    if not has_ros():
        yield
        return
    from perception_nodes.ros.figures import documented
    from perception_nodes.ros.managed import ManagedNode

    unknown: set[tuple[str, str]] = set()
    told = ManagedNode._report

    def report(node: Any) -> Any:
        found = told(node)
        unknown.update(
            (node.spec.name, k) for k in found.values if not documented(node.spec.name, k)
        )
        return found

    monkeypatch.setattr(ManagedNode, "_report", report)
    yield
    assert not unknown, "perception_nodes/ros/figures.py does not explain these"


@pytest.fixture
def until() -> Callable[..., bool]:
    return wait_until
