"""The table of interfaces, the interface files and the documentation agree."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.parameter import Parameter

from perception_nodes.ros.interfaces import NODES, NodeSpec
from perception_nodes.ros.qos import Intent, profile
from perception_nodes.ros.rclpy_factory import RclpyFactory, interface

ROOT = Path(__file__).resolve().parents[2]
NOT_IN_THE_WHEELS = {"vision_msgs"}
AVAILABLE = sorted(importlib.metadata.entry_points(group="permanence.nodes").names)


def script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("spec", NODES, ids=lambda n: n.name)
def test_every_type_in_the_table_was_built_and_every_intent_has_a_profile(spec: NodeSpec) -> None:
    for topic in (*spec.subscribes, *spec.publishes):
        assert profile(Intent[topic.intent]).depth > 0
        if topic.type_name.split("/")[0] not in NOT_IN_THE_WHEELS:
            assert interface(topic.type_name)
    for service in (*spec.services, *spec.actions):
        assert interface(service.type_name)


def test_the_pages_of_the_nodes_are_those_of_the_code() -> None:
    made = script("interfaces_page")
    wanted = made.pages()
    there = {f"nodes/{path.name}" for path in (made.DOCS / "nodes").iterdir()}
    assert there == {name for name in wanted if name.startswith("nodes/")}
    for name, text in wanted.items():
        assert text == (made.DOCS / name).read_text(), "run scripts/interfaces_page.py"


@pytest.mark.parametrize("name", AVAILABLE)
def test_a_node_connects_only_what_its_row_of_the_table_lists(
    graph: Any, tmp_path: Path, name: str
) -> None:
    point = next(iter(importlib.metadata.entry_points(group="permanence.nodes", name=name)))
    needs = {
        "memory": [Parameter("file", value=str(tmp_path / "memory.db"))],
        "gazebo": [Parameter("scene", value=str(ROOT / "worlds" / "gazebo" / "scene.yaml"))],
    }
    overrides = needs.get(name, [])
    node = graph.add(point.load()(context=graph.context, parameter_overrides=overrides))
    fixed = {p.topic_name for p in node.publishers} | {s.topic_name for s in node.subscriptions}
    services = {s.srv_name for s in node.services}
    assert node.trigger_configure().name == "SUCCESS"
    spec = node.spec
    published = {p.topic_name for p in node.publishers} - fixed
    taken = {s.topic_name for s in node.subscriptions} - fixed
    assert published <= {_absolute(t.name) for t in spec.publishes}
    assert published >= {_absolute(t.name) for t in spec.publishes if not t.optional}
    assert taken <= {_absolute(t.name) for t in spec.subscribes}
    offered = {s.srv_name for s in node.services} - services
    assert offered == {s.name for s in spec.services}


@pytest.mark.parametrize("path", sorted((ROOT / "msg").glob("*.msg")), ids=lambda p: p.stem)
def test_rclpy_has_the_message_as_its_file_defines_it(path: Path) -> None:
    kind = interface(f"permanence/msg/{path.stem}")
    lines = [line.split("#")[0].split() for line in path.read_text().splitlines()]
    fields = [words[1] for words in lines if len(words) == 2 and "=" not in words[1]]
    assert list(kind.get_fields_and_field_types()) == fields


def test_the_factory_turns_any_numbers_into_what_a_field_takes() -> None:
    make = RclpyFactory().make
    image = make("sensor_msgs/msg/Image", data=np.arange(6, dtype=np.uint8).reshape(2, 3), height=2)
    assert bytes(image.data) == bytes(range(6))
    assert bytes(make("sensor_msgs/msg/Image", data=b"abc").data) == b"abc"
    slot = make("permanence/msg/Slot", color=[1, 2, 3], points=np.zeros((2, 3)), cut=np.bool_(True))
    assert slot.color.tolist() == [1.0, 2.0, 3.0]
    assert len(slot.points) == 6
    assert slot.cut is True
    with pytest.raises(KeyError):
        make("permanence/msg/Slot", no_such_field=1)


def test_nodes_need_only_what_rosdep_installs(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a robot there may be no rosbags, rich or mcap: nodes must import without them."""
    for name in ("rosbags", "mcap", "rich", "lz4", "zstandard", "apsw", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in [m for m in sys.modules if m.startswith("perception_nodes")]:
        monkeypatch.delitem(sys.modules, name)
    for part in ("viewrope", "cjepa", "memory"):
        importlib.import_module(f"perception_nodes.{part}.node")
    importlib.import_module("perception_nodes.commands.up")


def _absolute(name: str) -> str:
    return name if name.startswith("/") else f"/{name}"
