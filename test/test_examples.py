"""The examples that need no ROS run as they stand; test/ros/test_graph.py runs the others."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from perception_nodes.cli import main

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
NEED_ROS = {"watch_objects.py", "name_an_object.py", "ask_the_memory.py"}
ELSEWHERE = {"own_detector.py": "test/viewrope/test_slot_sources.py"}
TESTED_HERE = {
    "track_a_recording.py",
    "simulate_and_score.py",
    "what_would_have_happened.py",
    "foresee.py",
    "ask_a_memory_file.py",
    "mask_the_robot.py",
}


def run(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / name), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of a simulated table, tracked."""
    pytest.importorskip("mujoco")
    folder = tmp_path_factory.mktemp("short")
    bag = folder / "bag.mcap"
    small = ["--duration", "1.5", "--objects", "2", "--seed", "5"]
    assert main(["simulate", "-o", str(bag), *small]) == 0
    assert main(["replay", str(bag), "-o", str(folder / "out" / "objects.mcap")]) in (0, 3)
    return folder


def test_all_examples_are_run_by_a_test() -> None:
    there = {file.name for file in EXAMPLES.glob("*.py")}
    assert there == NEED_ROS | set(ELSEWHERE) | TESTED_HERE
    assert len(there) >= 10
    graph = (ROOT / "test" / "ros" / "test_graph.py").read_text()
    assert all(name in graph for name in NEED_ROS)
    assert all(name in (ROOT / file).read_text() for name, file in ELSEWHERE.items())


@pytest.mark.parametrize("name", sorted(TESTED_HERE | NEED_ROS | set(ELSEWHERE)))
def test_an_example_begins_with_what_it_does_and_is_short(name: str) -> None:
    text = (EXAMPLES / name).read_text()
    assert text.startswith('"""')
    assert name in text.split('"""')[1] or "Needs" in text.split('"""')[1]
    assert len(text.splitlines()) <= 60


def test_a_recording_is_tracked(short: Path) -> None:
    done = run("track_a_recording.py", str(short / "bag.mcap"))
    assert done.returncode == 0, done.stderr
    assert re.search(r"^o1 visible at -?\d", done.stdout, re.MULTILINE)


def test_a_memory_file_is_asked(short: Path) -> None:
    done = run("ask_a_memory_file.py", str(short / "out" / "memory.db"), "where", "is", "o1")
    assert done.returncode == 0, done.stderr
    assert "o1" in done.stdout
    assert "appeared o1" in done.stdout
    unknown = run("ask_a_memory_file.py", str(short / "out" / "memory.db"), "unicorn")
    assert unknown.returncode == 1


def test_a_simulation_is_scored() -> None:
    pytest.importorskip("mujoco")
    done = run("simulate_and_score.py", "1")
    assert done.returncode == 0, done.stderr
    found = re.search(r"recall (\d\.\d\d), precision (\d\.\d\d)", done.stdout)
    assert found is not None
    assert float(found[1]) > 0.5
    assert float(found[2]) > 0.5


def test_what_a_push_moved_is_what_it_touched() -> None:
    pytest.importorskip("mujoco")
    done = run("what_would_have_happened.py")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^box was moved 0\.0[5-9] m", done.stdout, re.MULTILINE)
    assert "other was moved 0.00 m" in done.stdout


def test_a_moving_object_comes_to_rest_and_grows_uncertain() -> None:
    done = run("foresee.py")
    places = [float(x) for x in re.findall(r"x = (\d\.\d\d)", done.stdout)]
    spread = [float(x) for x in re.findall(r"take (\d\.\d\d)", done.stdout)]
    assert places == sorted(places)
    assert 0.05 < places[-1] < 0.2
    assert spread == sorted(spread)


def test_the_robot_is_masked_also_with_a_description_of_ones_own() -> None:
    done = run("mask_the_robot.py")
    assert done.stdout == "2.8% of the image is robot\n"
    urdf = str(ROOT / "worlds" / "gazebo" / "robot.urdf")
    assert "of the image is robot" in run("mask_the_robot.py", urdf, "pusher").stdout
