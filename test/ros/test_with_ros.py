"""The set-up of the rclpy wheels and the files that a ROS workspace reads."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def setup() -> ModuleType:
    spec = importlib.util.spec_from_file_location("with_ros", ROOT / "scripts" / "with_ros.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "environment",
    [
        {"ROS_DISTRO": "jazzy"},
        {"AMENT_PREFIX_PATH": "/opt/ros/jazzy"},
        {"AMENT_PREFIX_PATH": "/home/me/ws/install/a:/opt/ros/jazzy"},
    ],
)
def test_a_sourced_ros_is_refused_with_what_to_do(
    setup: ModuleType, environment: dict[str, str]
) -> None:
    with pytest.raises(setup.SetupError, match="colcon build && colcon test"):
        setup.refuse_sourced_ros(environment)


def test_its_own_environment_is_no_sourced_ros(setup: ModuleType) -> None:
    setup.refuse_sourced_ros({"AMENT_PREFIX_PATH": str(setup.TARGET)})


def test_the_script_says_so_and_exits_with_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "with_ros.py"), "true"],
        env={"ROS_DISTRO": "jazzy", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "must not be mixed" in done.stderr
    assert "Traceback" not in done.stderr


def test_include_paths_of_another_machine_are_corrected_once(
    setup: ModuleType, tmp_path: Path
) -> None:
    exported = tmp_path / "std_msgs" / "cmake" / "export.cmake"
    exported.parent.mkdir(parents=True)
    foreign = "/opt/python/cp312-cp312"
    exported.write_text(
        f'INTERFACE_INCLUDE_DIRECTORIES "{foreign}/include/python3.12;'
        f'{foreign}/lib/python3.12/site-packages/numpy/_core/include"'
    )
    assert setup.correct_include_paths(tmp_path) == 1
    assert "/opt/python" not in exported.read_text()
    assert setup.correct_include_paths(tmp_path) == 0


def test_a_step_is_done_once_until_its_inputs_change(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "STAMPS", tmp_path)
    done: list[str] = []
    for digest in ("a", "a", "b"):
        setup.once("step", digest, lambda: done.append("x"))
    assert len(done) == 2


def test_two_runs_set_up_one_after_the_other(setup: ModuleType) -> None:
    order: list[str] = []

    def second() -> None:
        with setup.alone():
            order.append("second")

    with setup.alone():
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_step_that_fails_is_tried_again(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "STAMPS", tmp_path)

    def fail() -> None:
        raise setup.SetupError("no network")

    for _ in range(2):
        with pytest.raises(setup.SetupError, match="no network"):
            setup.once("step", "a", fail)


def test_the_package_is_built_by_ament_cmake_and_its_maintainer_has_a_real_domain() -> None:
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    assert package.get("format") == "3"
    assert package.findtext("export/build_type") == "ament_cmake"
    maintainer = package.find("maintainer")
    assert maintainer is not None
    # colcon silently takes a package whose address has a one-letter domain for plain Python.
    assert len(str(maintainer.get("email")).rsplit(".", 1)[-1]) > 1


def test_both_descriptions_of_the_package_agree() -> None:
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert package.findtext("name") == project["name"]
    assert package.findtext("version") == project["version"]
    assert (
        f"permanence_commands-{project['version']}.dist-info"
        in (ROOT / "CMakeLists.txt").read_text()
    )


def test_a_colcon_installation_finds_the_commands_of_pyproject(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "entry_points.py"
    folder = tmp_path / "permanence_commands-1.dist-info"
    subprocess.run(
        [sys.executable, str(script), "pyproject.toml", str(folder)], cwd=ROOT, check=True
    )
    code = (
        "import importlib.metadata as m\n"
        f"(d,) = m.distributions(path=[{str(tmp_path)!r}])\n"
        "print(*sorted(e.name for e in d.entry_points if e.group == 'permanence.commands'))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert found.stdout.split() == sorted(project["entry-points"]["permanence.commands"])
