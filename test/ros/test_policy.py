"""A node on the genuine graph uses nothing that the policy would forbid."""

from __future__ import annotations

import importlib.metadata
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from rclpy.parameter import Parameter

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted({e.name for e in importlib.metadata.entry_points(group="permanence.nodes")})


def allowed(name: str, path: str) -> set[str]:
    """Full names of what a node may do, such as `topics[@publish]/topic`."""
    root = ElementTree.parse(ROOT / "config" / "permanence.policy.xml").getroot()
    profile = root.find(f".//enclave[@path='/permanence/{name}']//profile")
    assert profile is not None
    found = [element.text or "" for element in profile.findall(path)]
    private = f"/{name}/"
    return {f.replace("~/", private) if "~/" in f else "/" + f.lstrip("/") for f in found}


@pytest.mark.parametrize("name", NAMES)
def test_a_node_uses_only_what_the_policy_allows(graph: Any, tmp_path: Path, name: str) -> None:
    point = next(iter(importlib.metadata.entry_points(group="permanence.nodes", name=name)))
    needs = {
        "memory": [Parameter("file", value=str(tmp_path / "memory.db"))],
        "gazebo": [Parameter("scene", value=str(ROOT / "worlds" / "gazebo" / "scene.yaml"))],
    }
    options = {"context": graph.context, "parameter_overrides": needs.get(name, [])}
    made = graph.add(point.load()(**options))
    assert made.trigger_configure().name == "SUCCESS"
    published = {p.topic_name for p in made.publishers}
    taken = {s.topic_name for s in made.subscriptions}
    offered = {made.resolve_service_name(s.srv_name) for s in made.services}
    asked = {made.resolve_service_name(c.srv_name) for c in made.clients}
    assert published <= allowed(name, "topics[@publish]/topic")
    assert taken <= allowed(name, "topics[@subscribe]/topic")
    assert offered <= allowed(name, "services[@reply]/service")
    assert asked <= allowed(name, "services[@request]/service")
