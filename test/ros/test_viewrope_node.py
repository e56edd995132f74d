"""Node `viewrope` with each of its sources: what it publishes, says, and refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_encoder import FakeEncoder
from rclpy.parameter import Parameter
from ros_camera import Camera, subscribe, topic
from tabletop import PERIOD, Box, observe

from perception_nodes.ros.interfaces import node
from perception_nodes.ros.run import start
from perception_nodes.scene import LATENT_SIZE
from perception_nodes.viewrope import node as module
from perception_nodes.viewrope.learned import LearnedFinder
from perception_nodes.viewrope.node import ViewropeNode

MUG = Box((0.0, 0.0, 0.05), (0.08, 0.08, 0.1))
START = 10**9


def make(graph: Any, **parameters: object) -> ViewropeNode:
    values = [Parameter(name, value=value) for name, value in parameters.items()]
    made: ViewropeNode = graph.add(ViewropeNode(parameter_overrides=values, context=graph.context))
    return made


def test_the_learned_source_publishes_latents_and_tells_what_it_runs_on(
    graph: Any, until: Callable[..., bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def fake(*choice: object) -> LearnedFinder:
        asked.append(choice)
        return LearnedFinder(FakeEncoder())

    monkeypatch.setattr(module, "make_source", fake)
    viewrope = make(graph, slots="learned", device="cpu", precision="half")
    assert start(viewrope)
    assert asked[0][:2] == ("learned", "cpu")
    assert asked[0][3] == "half"
    client = graph.client("driver")
    camera = Camera(client, node("viewrope"))
    slots: list[Any] = []
    masks: list[Any] = []
    subscribe(client, topic("viewrope", "slots"), slots)
    graph.spin()
    assert until(camera.connected)
    assert until(lambda: client.count_publishers("slots"))
    frame, _ = observe((MUG,), START)
    camera.show(frame)
    assert until(lambda: slots)
    assert slots[0].model_id == "fake-1"
    assert len(slots[0].slots[0].latent) == LATENT_SIZE
    facts = dict(viewrope.facts)
    assert facts["slots from"] == "learned"
    assert facts["device"] == "fake"
    assert facts["key frames"] == "1"
    assert facts["without pose"] == "0"
    # Masks are made only for somebody: the first image had no subscriber.
    subscribe(client, topic("viewrope", "slot_masks"), masks)
    assert until(lambda: viewrope._masks.get_subscription_count())
    camera.show(observe((MUG,), START + PERIOD)[0])
    assert until(lambda: masks)
    assert len(masks) == 1


def test_a_model_folder_without_the_network_is_refused_with_its_name(
    graph: Any, tmp_path: Path
) -> None:
    viewrope = make(graph, slots="learned", model_dir=str(tmp_path))
    assert viewrope.trigger_configure().name == "FAILURE"
    assert "viewrope.yaml" in viewrope._refusal


def test_detections_without_their_message_package_are_refused_with_its_name(graph: Any) -> None:
    viewrope = make(graph, slots="detections")
    assert viewrope.trigger_configure().name == "FAILURE"
    assert "vision_msgs" in viewrope._refusal


def test_with_the_gate_still_images_are_not_searched_and_their_slots_say_so(
    graph: Any, until: Callable[..., bool]
) -> None:
    viewrope = make(graph, gate=True)
    assert start(viewrope)
    client = graph.client("driver")
    camera = Camera(client, node("viewrope"))
    slots: list[Any] = []
    subscribe(client, topic("viewrope", "slots"), slots)
    graph.spin()
    assert until(camera.connected)
    assert until(lambda: client.count_publishers("slots"))
    for number in range(10):
        camera.show(observe((MUG,), START + number * PERIOD)[0])
        assert until(lambda shown=number: len(slots) > shown)
    assert [message.rested for message in slots] == [False] * 8 + [True] * 2
    assert slots[7].staleness.nanosec == 0
    assert slots[9].staleness.nanosec == 2 * PERIOD
    assert not slots[9].slots
    assert viewrope.facts["frames rested"] == "2 of 10"
    camera.show(observe((MUG.at(0.0, 0.06),), START + 10 * PERIOD)[0])
    assert until(lambda: len(slots) > 10)
    assert not slots[10].rested
    assert slots[10].slots
