"""`permanence doctor BAG`: what is wrong with a camera, and what to do."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bags_for_replay import (
    COLOR,
    DEPTH,
    INFO,
    OPTICAL,
    PERIOD,
    START,
    Recorded,
    meters_to_msg,
    save,
    stamps,
    tabletop_messages,
    transforms,
)
from tabletop import DEFAULT_VIEW

from perception_nodes.commands import doctor
from perception_nodes.doctor.finding import Finding
from perception_nodes.doctor.memory_check import examine_memory
from perception_nodes.doctor.recording import examine_recording
from perception_nodes.errors import BagError
from perception_nodes.memory.writer import Memory

COUNT = 12


def examined(tmp_path: Path, recorded: list[Recorded]) -> list[Finding]:
    return list(examine_recording(save(tmp_path / "bag.mcap", recorded)))


def bad(findings: list[Finding]) -> str:
    """All that is wrong, with its remedies."""
    return "\n".join(f"{f.subject}: {f.text} -> {f.remedy}" for f in findings if f.level == "BAD")


def messages(**options: Any) -> list[Recorded]:
    return tabletop_messages(stamps(COUNT), **options)


def spoiled(topic: str, change: Callable[[Any, int], None]) -> list[Recorded]:
    """The messages of a topic changed by a function of message and number."""
    recorded = messages()
    for number, item in enumerate(m for m in recorded if m.topic == topic):
        change(item.message, number)
    return recorded


def test_a_good_recording_is_found_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path / "bag.mcap", messages())
    parser = argparse.ArgumentParser()
    doctor.register(parser.add_subparsers())
    args = parser.parse_args(["doctor", str(path)])
    assert args.run(args) == 0
    shown = capsys.readouterr().out
    for text in ("10.0 Hz", "12 pairs of 12", "f = (140, 140) px of 160x120", "16UC1: median"):
        assert text in shown
    assert f"map -> {OPTICAL} at 12 of 12 images" in shown
    assert "BAD" not in shown


def test_lost_images_are_counted(tmp_path: Path) -> None:
    recorded = tabletop_messages([*stamps(6), *stamps(6, START + 12 * PERIOD)])
    assert "about 33% lost" in bad(examined(tmp_path, recorded))


def test_stamps_of_zero_and_in_the_future_are_named(tmp_path: Path) -> None:
    def zero(message: Any, number: int) -> None:
        message.header.stamp.sec = message.header.stamp.nanosec = 0

    assert f"{COUNT} of {COUNT} stamps are 0" in bad(examined(tmp_path, spoiled(COLOR, zero)))
    late = [m._replace(log_time=m.log_time - 9 * 10**9) for m in messages()]
    found = list(examine_recording(save(tmp_path / "late.mcap", late)))
    assert "9.0 s in the future" in bad(found)
    assert "synchronize the clocks" in bad(found)


def test_images_that_never_pair_are_explained(tmp_path: Path) -> None:
    def shift(message: Any, number: int) -> None:
        message.header = copy.deepcopy(message.header)  # color has the same one
        message.header.stamp.sec += 1000

    assert "0 pairs" in bad(examined(tmp_path, spoiled(DEPTH, shift)))


def test_an_uncalibrated_camera_is_named_with_the_remedy(tmp_path: Path) -> None:
    def zero(message: Any, number: int) -> None:
        message.k = np.zeros(9)

    assert "uncalibrated" in bad(examined(tmp_path, spoiled(INFO, zero)))


def test_a_camera_model_of_another_size_is_named(tmp_path: Path) -> None:
    def double(message: Any, number: int) -> None:
        message.width, message.height = 320, 240

    assert "but the images have 160x120" in bad(examined(tmp_path, spoiled(INFO, double)))


def test_millimeters_in_floats_and_images_without_readings_are_noticed(tmp_path: Path) -> None:
    wrong = messages(depth=lambda image, header: meters_to_msg(image * 1000.0, header))
    assert "REP-118" in bad(examined(tmp_path, wrong))
    blind = messages(depth=lambda image, header: meters_to_msg(image * np.nan, header))
    found = list(examine_recording(save(tmp_path / "blind.mcap", blind)))
    assert "no pixel has a reading" in bad(found)


def test_missing_and_sparse_transforms_are_told(tmp_path: Path) -> None:
    without = [m for m in messages() if m.topic != "/tf"]
    notes = [f.text for f in examined(tmp_path, without)]
    assert "there are no transforms" in notes
    first = next(m for m in messages() if m.topic == "/tf")
    found = list(examine_recording(save(tmp_path / "sparse.mcap", [first, *without])))
    assert f"map -> {OPTICAL} at 1 of 12 images" in bad(found)


def test_a_camera_below_no_world_is_told_what_is_above_it(tmp_path: Path) -> None:
    recorded = [m for m in messages() if m.topic != "/tf"]
    mount = transforms((DEFAULT_VIEW, START, "base_link", OPTICAL))
    found = examined(tmp_path, [Recorded("/tf", mount, START), *recorded])
    assert "no world above the camera" in bad(found)
    assert "base_link" in bad(found)


def test_without_a_camera_the_topics_are_listed(tmp_path: Path) -> None:
    only = [m for m in messages() if m.topic == "/tf"]
    assert "no depth topic" in bad(examined(tmp_path, only))
    with pytest.raises(BagError):
        list(examine_recording(tmp_path / "nothing.mcap"))


def test_a_memory_is_opened_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    assert list(examine_memory(path)) == []
    Memory(path).close()
    (found,) = examine_memory(path)
    assert (found.level, found.text[:9]) == ("ok", "0 objects")
    path.write_bytes(b"not a database" * 100)
    (found,) = examine_memory(path)
    assert found.level == "BAD"
