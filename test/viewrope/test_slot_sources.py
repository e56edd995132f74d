"""Choosing what finds objects: by name, in a session, on the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fake_encoder import FakeEncoder
from tabletop import PERIOD, Box, observe

from perception_nodes.errors import ConfigurationError, ModelError
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.scene import Sample
from perception_nodes.session import About, Outputs, Result, run_session
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_nodes.viewrope.factory import DEFAULT, SOURCES, make_source
from perception_nodes.viewrope.learned import LearnedFinder
from perception_nodes.viewrope.source import SlotSource

RED = Box((0.0, 0.15, 0.06), (0.12, 0.12, 0.12), (200.0, 60.0, 60.0))
START = 3600 * 10**9


def shown(posed: bool) -> Iterator[Sample]:
    for i in range(8):
        frame, _ = observe([RED], START + i * PERIOD)
        yield Sample(frame if posed else replace(frame, pose=None), None)


def session(folder: Path, slots: SlotSource | None, posed: bool = True) -> Result:
    outputs = Outputs(folder / "objects.mcap", folder, folder / "memory.db")
    about = About("the test", ("a note of the recording",))
    return run_session(shown(posed), "test", outputs, lambda: about, slots=slots)


def test_the_default_is_one_of_the_sources_and_needs_no_network() -> None:
    assert DEFAULT in SOURCES
    assert isinstance(make_source("depth"), DepthFinder)


def test_an_unknown_source_is_refused_with_the_choices() -> None:
    with pytest.raises(ConfigurationError, match="no slot source 'magic'") as caught:
        make_source("magic")
    assert caught.value.remedy == "choose one of depth, learned"


def test_a_missing_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"viewrope\.yaml"):
        make_source("learned", models=tmp_path)


def test_a_session_finds_objects_with_the_source_that_it_is_given(tmp_path: Path) -> None:
    network = FakeEncoder()
    result = session(tmp_path, LearnedFinder(network))
    assert result.outcome.frames == len(network.given) == 8
    assert result.notes == ("a note of the recording",)


def test_what_a_source_has_to_say_is_a_note_of_the_session_and_its_report(tmp_path: Path) -> None:
    result = session(tmp_path, LearnedFinder(FakeEncoder()), posed=False)
    assert result.notes[1].startswith("8 of 8 frames had no camera pose")
    assert "frames had no camera pose" in result.report.read_text()


def test_naming_the_sources_loads_neither_opencv_nor_onnxruntime() -> None:
    code = (
        "import sys\n"
        "import perception_nodes.viewrope.factory, perception_nodes.inference.providers\n"
        "assert not {'cv2', 'onnxruntime', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_example_of_an_own_detector_tracks_a_recording(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2] / "examples"
    words = [sys.executable, str(root / "own_detector.py"), str(root / "data" / "box.mcap")]
    done = subprocess.run([*words, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "50 frames" in done.stdout
    with MemoryReader(tmp_path / "memory.db") as memory:
        assert len(list(memory.records())) >= 2
