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
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from perception_nodes.cjepa.node import CjepaNode, CjepaParameters
from perception_nodes.embodmocap.node import EmbodmocapParameters
from perception_nodes.errors import ConfigurationError, ModelError
from perception_nodes.memory.node import MemoryParameters
from perception_nodes.planner.node import PlannerParameters
from perception_nodes.ros.interfaces import NODES
from perception_nodes.ros.parameters import changed, rules
from perception_nodes.viewrope.node import ViewropeParameters
from perception_simulation.gazebo.node import GazeboParameters
from perception_simulation.node import SimulatorParameters

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "launch").glob("*.launch.py"))
PROFILES = sorted((ROOT / "config").glob("*.yaml"))
STANDARD = {
    *("namespace", "use_sim_time", "params_file", "autostart", "use_respawn", "log_level"),
    *("profile", "device", "model_dir", "headless", "rviz", "composed"),
    *("people", "keypoints", "cameras", "private"),
}


KINDS = {
    "viewrope": ViewropeParameters,
    "cjepa": CjepaParameters,
    "embodmocap": EmbodmocapParameters,
    "memory": MemoryParameters,
    "planner": PlannerParameters,
    "simulator": SimulatorParameters,
    "gazebo": GazeboParameters,
}


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
            "launch.substitutions": (
                "AndSubstitution Command IfElseSubstitution LaunchConfiguration NotSubstitution"
            ),
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


def ours(described: list[Any]) -> list[Any]:
    """The nodes of this package."""
    return [n for n in of("Node", described) if n.options["package"] == "permanence"]


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


def strings(value: object) -> Iterator[str]:
    """All texts in something."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Recorded):
        yield from strings([value.given, value.options])
    elif isinstance(value, dict):
        yield from strings(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)


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
    started = ours(actions(file))
    together = [n for n in started if n.options["executable"] == "up"]
    apart = [n.options["executable"] for n in started if n not in together]
    assert len(together) == 1
    flag, (names, more) = together[0].options["arguments"]
    assert flag == "--nodes"
    assert type(more).__name__ == "IfElseSubstitution"
    assert list(names_used(more)) == ["people"]
    assert names + more.given[1] == ",".join(apart)
    assert more.given[2] == ""
    known = {n.name for n in NODES}
    for name in apart:
        assert name in known
        assert (ROOT / "scripts" / name).is_file()


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_people_are_followed_only_if_asked_by_the_same_camera_and_all_nodes_may_respawn(
    file: Path,
) -> None:
    started = {n.options["executable"]: n.options for n in ours(actions(file))}
    (wanted,) = started["embodmocap"]["condition"].given
    assert type(wanted).__name__ == "AndSubstitution"
    assert list(names_used(wanted.given[0])) == ["people"]
    assert type(wanted.given[1]).__name__ == "NotSubstitution"
    assert list(names_used(wanted.given[1])) == ["composed"]
    takes = {t.name for t in next(n for n in NODES if n.name == "embodmocap").subscribes}
    for options in started.values():
        remapped = dict(options["remappings"])
        for topic in ("color/image_raw", "depth/image_raw", "color/camera_info"):
            assert f"camera_a/{topic}" in takes
            same = remapped.get(f"camera/{topic}", f"camera/{topic}")
            first = remapped[f"camera_a/{topic}"]
            assert first == same or list(names_used(first)) == list(names_used(same)) != []
        assert list(names_used(options["respawn"])) == ["use_respawn"]
    declared = {a.given[0]: a.options for a in of("DeclareLaunchArgument", actions(file))}
    assert declared["people"]["default_value"] == "false"
    assert declared["cameras"]["default_value"] == ("2" if "gazebo" in file.name else "1")


def test_each_launch_file_has_what_only_it_needs() -> None:
    declared = {
        file.name: {a.given[0] for a in of("DeclareLaunchArgument", actions(file))}
        for file in FILES
    }
    assert {"bag", "rate"} <= declared["replay.launch.py"]
    assert {"world", "seed"} <= declared["simulation.launch.py"]
    assert "world" in declared["gazebo.launch.py"]
    assert {"color_topic", "depth_topic", "info_topic"} <= declared["robot.launch.py"]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_the_arguments_reach_the_parameters_of_the_nodes(file: Path) -> None:
    for started in ours(actions(file)):
        preset, own, common = started.options["parameters"]
        assert list(names_used(preset)) == ["profile"]
        assert list(names_used(own)) == ["params_file"]
        wanted = {
            "use_sim_time",
            "autostart",
            "device",
            "model_dir",
            "cameras",
            "private",
            "keypoints",
        }
        if "simulation" in file.name:
            wanted |= {"scene", "seed"}
            assert list(names_used(common["scene"])) == ["world"]
        elif "gazebo" in file.name:
            wanted |= {"scene"}
            assert common["scene"].given[0][-1] == "/scene.yaml"
        assert set(common) == wanted
        declared = {name for kind in KINDS.values() for name in rules(kind)}
        assert wanted - {"use_sim_time"} <= declared


def test_a_profile_is_chosen_from_those_that_exist_and_your_file_goes_before_it() -> None:
    declared = of("DeclareLaunchArgument", actions(FILES[0]))
    options = {a.given[0]: a.options for a in declared}
    names = [a.given[0] for a in declared]
    assert sorted(options["profile"]["choices"]) == [file.stem for file in PROFILES]
    assert names.index("profile") < names.index("params_file")
    assert list(names_used(options["params_file"]["default_value"])) == ["profile"]
    assert set(options["device"]["choices"]) == {"auto", "cpu", "cuda", "tensorrt"}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_rviz_starts_only_if_asked_and_never_headless(file: Path) -> None:
    (rviz,) = (n for n in of("Node", actions(file)) if n.options["package"] == "rviz2")
    (both,) = rviz.options["condition"].given
    assert type(both).__name__ == "AndSubstitution"
    wanted, windows = both.given
    assert list(names_used(wanted)) == ["rviz"]
    assert type(windows).__name__ == "NotSubstitution"
    assert list(names_used(windows)) == ["headless"]
    flag, config = rviz.options["arguments"]
    assert flag == "-d"
    assert (ROOT / str(config[-1]).lstrip("/")).is_file()


def test_gazebo_starts_with_the_files_that_a_world_folder_has() -> None:
    described = actions(ROOT / "launch" / "gazebo.launch.py")
    named = [
        part
        for action in described
        for part in strings(action.options)
        if part.startswith("/") and part.endswith((".sdf", ".yaml", ".urdf"))
    ]
    files = {"/world.sdf", "/bridge.yaml", "/robot.urdf", "/scene.yaml"}
    assert files <= set(named)
    assert all((ROOT / "worlds" / "gazebo" / f.lstrip("/")).is_file() for f in files)
    window, server = of("ExecuteProcess", described)
    assert type(window.options["condition"]).__name__ == "UnlessCondition"
    assert type(server.options["condition"]).__name__ == "IfCondition"
    assert "-s" in server.options["cmd"]
    depends = (ROOT / "package.xml").read_text()
    for node in of("Node", described):
        assert node.options["package"] in {"permanence", "rviz2"} or (
            f"<exec_depend>{node.options['package']}</exec_depend>" in depends
        )


def test_rviz_shows_topics_that_exist_with_displays_of_their_type() -> None:
    content = yaml.safe_load((ROOT / "rviz" / "permanence.rviz").read_text())
    given = {t.name: t for spec in NODES for t in (*spec.publishes, *spec.subscribes)}
    shown = [d for d in content["Visualization Manager"]["Displays"] if "Topic" in d]
    assert {d["Topic"]["Value"] for d in shown} >= {"objects_markers", "slot_masks"}
    for display in shown:
        topic = given[display["Topic"]["Value"]]
        assert display["Class"].split("/")[1] == topic.type_name.split("/")[2]
        reliable = display["Topic"]["Reliability Policy"] == "Reliable"
        assert reliable == (topic.intent == "RESULTS"), "the QoS must fit that of the publisher"


@pytest.mark.parametrize("file", PROFILES, ids=lambda f: f.name)
def test_the_parameters_of_a_profile_are_valid(file: Path) -> None:
    for pattern, content in yaml.safe_load(file.read_text()).items():
        parameters = KINDS[pattern.removeprefix("/**/")]()
        result = changed(parameters, content["ros__parameters"])
        assert (result == parameters) == (file.stem == "robot"), "robot.yaml shows the defaults"


@pytest.mark.parametrize("namespace", ["", "robot1"])
def test_a_parameter_file_like_ours_reaches_nodes_in_any_namespace(
    tmp_path: Path, namespace: str
) -> None:
    text = (ROOT / "config" / "robot.yaml").read_text()
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


def test_networks_are_looked_for_where_the_parameter_says(tmp_path: Path) -> None:
    assert (CjepaParameters().models() / "discs.yaml").is_file()
    assert CjepaParameters(model_dir=str(tmp_path)).models() == tmp_path
    with pytest.raises(ModelError, match="no folder of models"):
        CjepaParameters(model_dir=str(tmp_path / "nowhere")).models()
    with pytest.raises(ConfigurationError, match="must be one of auto"):
        CjepaParameters(device="quantum")


def test_a_node_whose_models_are_nowhere_refuses_to_start_and_says_why(tmp_path: Path) -> None:
    context = rclpy.Context()
    rclpy.init(context=context, args=[])
    override = [Parameter("model_dir", value=str(tmp_path / "nowhere"))]
    node = CjepaNode(context=context, parameter_overrides=override)
    try:
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
        assert "no folder of models" in node._refusal
    finally:
        node.destroy_node()
        context.try_shutdown()
