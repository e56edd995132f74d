"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Lowest first: a package imports only itself and what stands before it.
LAYERS = {
    "perception_kernels": ROOT / "kernels" / "perception_kernels",
    "perception_nodes": ROOT / "perception_nodes",
    "perception_simulation": ROOT / "perception_simulation",
    "perception_models": ROOT / "models" / "perception_models",
}
ROS = ("rclpy", "permanence", "launch", "ament_index_python")


def sources(package: str) -> list[Path]:
    return sorted(LAYERS[package].rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Top-level names of the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


@pytest.mark.parametrize("package", LAYERS)
def test_nothing_imports_upward(package: str) -> None:
    names = list(LAYERS)
    above = set(names[names.index(package) + 1 :])
    for path in sources(package):
        upward = {name.split(".")[0] for name in imports(path)} & above
        assert not upward, f"{path.relative_to(ROOT)} imports {upward}"


@pytest.mark.parametrize("package", ["perception_kernels", "perception_nodes"])
def test_run_time_never_imports_torch(package: str) -> None:
    for path in sources(package):
        assert "torch" not in {name.split(".")[0] for name in imports(path)}, path


def test_ros_appears_only_in_node_files_and_the_ros_folder() -> None:
    for package in LAYERS:
        for path in sources(package):
            if path.name == "node.py" or path.parent == LAYERS["perception_nodes"] / "ros":
                continue
            found = {name.split(".")[0] for name in imports(path)} & set(ROS)
            assert not found, f"{path.relative_to(ROOT)} imports {found}"


def test_no_module_of_a_package_is_part_of_an_import_circle() -> None:
    graph: dict[str, set[str]] = {}
    for package, folder in LAYERS.items():
        for path in sources(package):
            module = ".".join((package, *path.relative_to(folder).with_suffix("").parts))
            graph[module.removesuffix(".__init__")] = set(imports(path))
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail[trail.index(module) :], module))
        if module in done:
            return
        for target in sorted(graph[module] & graph.keys()):
            visit(target, (*trail, module))
        done.add(module)

    for module in graph:
        visit(module, ())


def test_no_file_is_longer_than_four_hundred_lines() -> None:
    folders = [*LAYERS.values(), ROOT / "test", ROOT / "bench", ROOT / "launch", ROOT / "scripts"]
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            assert len(path.read_text().splitlines()) <= 400, path.relative_to(ROOT)


def test_replay_works_where_ros_and_torch_are_not_installed() -> None:
    """Importing the pipeline and the command line must not need rclpy, torch or mujoco."""
    code = (
        "import sys\n"
        "for name in ('rclpy', 'torch', 'mujoco', 'rerun'): sys.modules[name] = None\n"
        "import perception_nodes.pipeline, perception_nodes.replay, perception_nodes.cli\n"
        "import perception_nodes.ros.conversion, perception_nodes.ros.images\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_package_is_installed_by_setup_and_by_cmake() -> None:
    for name in ("setup.py", "CMakeLists.txt"):
        text = (ROOT / name).read_text()
        for package, folder in LAYERS.items():
            if folder.is_dir() and sources(package):
                assert package in text, f"{name} does not install {package}"
