"""`permanence doctor --live` on the genuine graph."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from rclpy.node import Node
from ros_camera import Camera
from ros_robot import table

from perception_nodes.ros import listening
from perception_nodes.ros.interfaces import node


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_DISCOVERY_S", 1.0)


def test_a_running_camera_is_examined_and_two_publishers_are_named(graph: Any, quick: None) -> None:
    camera = Camera(graph.client("driver"), node("viewrope"))
    second = Camera(graph.client("second_driver"), node("viewrope"))
    end = threading.Event()

    def stream() -> None:
        number = 0
        while not end.is_set():
            camera.show(table(number), static=False)
            number += 1
            time.sleep(0.05)

    thread = threading.Thread(target=stream)
    thread.start()
    try:
        found = list(listening.examine_graph(3.0, graph.context))
    finally:
        end.set()
        thread.join()
    texts = "\n".join(f"{f.level} {f.subject}: {f.text}" for f in found)
    assert "2 publishers: /driver, /second_driver" in texts
    assert "f = (140, 140) px of 160x120" in texts
    assert "pairs of" in texts
    assert "map -> optical" in texts
    assert "16UC1: median" in texts
    assert isinstance(second.client, Node)


def test_a_graph_without_a_camera_says_what_is_missing(graph: Any, quick: None) -> None:
    (found,) = listening.examine_graph(1.0, graph.context)
    assert (found.level, found.text) == ("BAD", "the graph has no depth topic")
