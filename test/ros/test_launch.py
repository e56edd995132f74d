"""The launch files run through; `launch` itself is not on PyPI, so its classes are recorded."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import rclpy
import yaml

from perception_nodes.cjepa.node import CjepaNode, CjepaParameters
from perception_nodes.memory.node import MemoryParameters
from perception_nodes.ros.interfaces import NODES
from perception_nodes.ros.parameters import changed
from perception_nodes.viewrope.node import ViewropeParameters

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "launch").glob("*.launch.py"))
STANDARD = {"namespace", "use_sim_time", "params_file", "autostart", "use_respawn", "log_level"}


class Recorded:
    """Stands for any class of launch; keeps what it was made with."""

    def __init__(self, *given: Any, **options: Any) -> None:
        self.given, self.options = given, options


@pytest.fixture(autouse=True)
def launch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if importlib.util.find_spec("launch_ros") is None:
        contents = {
            "launch": "LaunchDescription",
            "launch.actions": "DeclareLaunchArgument ExecuteProcess",
            "launch.conditions": "IfCondition UnlessCondition",
            "launch.substitutions": "LaunchConfiguration PathJoinSubstitution",
            "launch_ros": "",
            "launch_ros.actions": "Node",
            "launch_ros.parameter_descriptions": "ParameterValue",
            "launch_ros.substitutions": "FindPackageShare",
        }
        for name, classes in contents.items():
            module = ModuleType(name)
            for each in classes.split():
                setattr(module, each, type(each, (Recorded,), {}))
            monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "perception_nodes.ros.launching", raising=False)
    yield
    sys.modules.pop("perception_nodes.ros.launching", None)


def actions(file: Path) -> list[Any]:
    spec = importlib.util.spec_from_file_location(file.stem.replace(".", "_"), file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    described: list[Any] = module.generate_launch_description().given[0]
    return described


def of(kind: str, described: list[Any]) -> list[Any]:
    return [action for action in described if type(action).__name__ == kind]


def names_used(value: object) -> Iterator[str]:
    """Names of the launch arguments that something refers to."""
    if type(value).__name__ == "LaunchConfiguration":
        assert isinstance(value, Recorded)
        yield value.given[0]
    elif isinstance(value, Recorded):
        yield from names_used(value.given)
        yield from names_used(value.options)
    elif isinstance(value, dict):
        yield from names_used(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from names_used(item)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_a_launch_file_declares_the_standard_arguments_and_describes_each(file: Path) -> None:
    declared = of("DeclareLaunchArgument", actions(file))
    assert {a.given[0] for a in declared} >= STANDARD
    assert all(a.options["description"] for a in declared)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_every_argument_is_used_and_every_used_one_declared(file: Path) -> None:
    described = actions(file)
    declared = {a.given[0] for a in of("DeclareLaunchArgument", described)}
    assert declared == set(names_used(described))


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_nodes_start_together_or_apart_and_all_of_them_exist(file: Path) -> None:
    started = of("Node", actions(file))
    together = [n for n in started if n.options["executable"] == "up"]
    apart = [n.options["executable"] for n in started if n not in together]
    assert len(together) == 1
    assert together[0].options["arguments"] == ["--nodes", ",".join(apart)]
    known = {n.name for n in NODES}
    for name in apart:
        assert name in known
        assert (ROOT / "scripts" / name).is_file()


def test_the_shipped_parameters_are_valid_and_those_of_the_code() -> None:
    text = (ROOT / "config" / "permanence.yaml").read_text()
    kinds = {"viewrope": ViewropeParameters, "cjepa": CjepaParameters, "memory": MemoryParameters}
    for pattern, content in yaml.safe_load(text).items():
        parameters = kinds[pattern.removeprefix("/**/")]()
        assert changed(parameters, content["ros__parameters"]) == parameters


@pytest.mark.parametrize("namespace", ["", "robot1"])
def test_a_parameter_file_like_ours_reaches_nodes_in_any_namespace(
    tmp_path: Path, namespace: str
) -> None:
    text = (ROOT / "config" / "permanence.yaml").read_text()
    file = tmp_path / "my.yaml"
    file.write_text(text.replace("map_id: map ", "map_id: kitchen "))
    context = rclpy.Context()
    rclpy.init(context=context, args=["--ros-args", "--params-file", str(file)])
    node = CjepaNode(context=context, namespace=namespace)
    try:
        assert node.parameters.map_id == "kitchen"
    finally:
        node.destroy_node()
        context.try_shutdown()
