"""Choosing what finds objects: by name, in a session, on the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_encoder import FakeEncoder
from onnx_file import network
from tabletop import PERIOD, Box, observe

from perception_nodes import cli
from perception_nodes.commands import slot_options
from perception_nodes.errors import ConfigurationError, ModelError
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.model_cards import Card, TensorCard, sha256, write_card
from perception_nodes.scene import Sample
from perception_nodes.session import About, Outputs, Result, run_session
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_nodes.viewrope.factory import DEFAULT, SOURCES, make_source
from perception_nodes.viewrope.learned import LearnedFinder
from perception_nodes.viewrope.source import SlotSource, Telling

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


def write_encoder(folder: Path) -> None:
    """A network with the encoder's signature that always gives the same outputs, and its card."""
    encoder = FakeEncoder()
    found = {name: np.zeros(shape, np.float32) for name, shape in encoder.outputs.items()}  # type: ignore[arg-type]
    found["masks"][0, 0], found["masks"][0, 1, 20:30, 36:48] = 0.5, 1.0
    found["objectness"][0, 0], found["latent"][0, 0, 0] = 0.9, 1.0
    content = network(
        [("Identity", (f"{name}_value",), (name,)) for name in found],
        encoder.inputs,
        encoder.outputs,
        {f"{name}_value": value for name, value in found.items()},
        images=("color",),
    )
    (folder / "viewrope.onnx").write_bytes(content)
    inputs, outputs = (
        tuple(
            TensorCard(name, f"tensor({'uint8' if name == 'color' else 'float'})", shape)
            for name, shape in shapes.items()
        )
        for shapes in (encoder.inputs, encoder.outputs)
    )
    digest = sha256(folder / "viewrope.onnx")
    card = Card(
        "viewrope", "Sees one thing.", "All.", "Apache-2.0", "viewrope.onnx", digest, 20,
        inputs, outputs,
    )  # fmt: skip
    write_card(card, folder / "viewrope.yaml")


def test_the_learned_source_runs_a_network_file_from_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    write_encoder(tmp_path)
    source = make_source("learned", "cpu", tmp_path)
    assert source.model_id.startswith("viewrope-")
    for sample in shown(posed=True):
        slots = source.find(sample.frame)
        assert len(slots.items) == 1
        assert slots.items[0].latent is not None
        assert slots.items[0].latent[0] == 1.0
    assert isinstance(source, Telling)
    assert source.facts()["device"] == "cpu"
    assert source.facts()["key frames"] == "1"
    assert "of 8 calls" in source.facts()["inference"]


@pytest.mark.parametrize("words", [["replay", "a.bag"], ["demo"]])
def test_commands_take_the_source_from_their_options(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(slot_options, "make_source", lambda *choice: asked.append(choice))
    chosen = cli.parser().parse_args([*words, "--slots", "learned", "--device", "cuda"])
    slot_options.chosen_source(chosen)
    slot_options.chosen_source(cli.parser().parse_args(words))
    assert asked == [("learned", "cuda"), (DEFAULT, "auto")]


def test_the_command_line_starts_without_loading_opencv_onnxruntime_or_numpy() -> None:
    code = (
        "import sys\n"
        "from perception_nodes import cli\n"
        "cli.parser()\n"
        "assert not {'cv2', 'onnxruntime', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_the_example_of_an_own_detector_tracks_a_recording(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2] / "examples"
    words = [sys.executable, str(root / "own_detector.py"), str(root / "data" / "box.mcap")]
    done = subprocess.run([*words, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "50 frames" in done.stdout
    with MemoryReader(tmp_path / "memory.db") as memory:
        assert len(list(memory.records())) >= 2
