"""The same recording gives the same bytes: recording, memory, and report but for its timings."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from perception_nodes.bags.reader import open_bag
from perception_nodes.bags.writer import BagWriter
from perception_nodes.cli import main
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.resources import resource
from perception_nodes.viewrope.depth_finder import DepthFinder

FRAMES = 8


@pytest.fixture(autouse=True)
def _real_finder(_cheap_finder: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perception_nodes.viewrope.depth_finder.DepthFinder", DepthFinder)


@pytest.fixture(params=["transforms", "odometry"])
def recording(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The start of the example recording, with its camera poses or without them."""
    path = tmp_path / "bag.mcap"
    with open_bag(resource("examples/data") / "box.mcap") as bag, BagWriter(path) as writer:
        topics = [t for t in bag.topics if request.param == "transforms" or t != "/tf"]
        count = FRAMES * len(topics)
        for message in itertools.islice(bag.messages(topics), count):
            writer.write(message.topic, message.data, message.log_time)
    return path


class CountingClock(threading.local):
    """Each thread counts its own calls, since threads take turns as the machine likes."""

    def __init__(self) -> None:
        self._ticks = itertools.count()

    def __call__(self) -> float:
        return next(self._ticks) * 1e-3


def counting_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", CountingClock())


def dump(folder: Path) -> str:
    with MemoryReader(folder / "memory.db") as memory:
        return "\n".join(memory.dump())


def test_the_same_recording_twice_gives_the_same_results(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["replay", str(recording), "-o"]
    out = tmp_path / "out"
    counting_clock(monkeypatch)
    assert main([*command, str(out / "objects.mcap")]) == 0
    first = [(out / name).read_bytes() for name in ("objects.mcap", "report.html")]
    memory = dump(out)
    assert b"o1" in first[0]
    assert memory.count("\n") > 5
    counting_clock(monkeypatch)
    assert main([*command, str(out / "objects.mcap")]) == 0
    second = [(out / name).read_bytes() for name in ("objects.mcap", "report.html")]
    assert first == second
    assert memory == dump(out)


@pytest.mark.parametrize("recording", ["odometry"], indirect=True)
def test_another_process_gives_the_same_results_too(recording: Path, tmp_path: Path) -> None:
    """Neither the order of hashes nor what ran before matters."""
    for name, seed in (("a", "1"), ("b", "2")):
        output = str(tmp_path / name / "objects.mcap")
        subprocess.run(
            [sys.executable, "-m", "perception_nodes.cli", "replay", str(recording), "-o", output],
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": seed},
            check=True,
            capture_output=True,
        )
    a, b = tmp_path / "a", tmp_path / "b"
    assert (a / "objects.mcap").read_bytes() == (b / "objects.mcap").read_bytes()
    assert dump(a) == dump(b)
