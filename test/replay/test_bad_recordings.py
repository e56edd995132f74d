"""`permanence replay` on recordings that are damaged, incomplete or contradict themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bags_for_replay import (
    COLOR,
    DEPTH,
    DEPTH_INFO,
    DEPTH_OPTICAL,
    FACTORY,
    INFO,
    OPTICAL,
    START,
    Recorded,
    info,
    meters_to_msg,
    save,
    stamps,
    tabletop_messages,
    transforms,
)
from replaying import Replay
from tabletop import CAMERA, DEFAULT_VIEW

from perception_nodes.geometry.pose import Pose
from perception_nodes.memory.reader import MemoryReader
from perception_nodes.ros.geometry_messages import header_to_msg
from perception_nodes.ros.image_messages import depth_to_msg

SECOND = 1_000_000_000


def assert_nothing_left(folder: Path) -> None:
    """A run that failed leaves no recording and no page that would look like a result."""
    assert not (folder / "objects.mcap").exists()
    assert not (folder / "report.html").exists()


def without(messages: Sequence[Recorded], *topics: str) -> list[Recorded]:
    return [m for m in messages if m.topic not in topics]


def test_a_clean_recording_is_replayed_in_full_with_status_0(replay: Replay) -> None:
    ran = replay(tabletop_messages(stamps(8)))
    assert ran.status == 0
    assert ran.lost == []
    assert ran.stamps == stamps(8)
    assert ran.objects() == 2
    assert "transforms in the recording (frame map)" in ran.out
    assert "<dt>Input hash</dt>" in ran.report()


def test_of_a_truncated_recording_what_is_left_is_kept(replay: Replay) -> None:
    whole = save(replay.folder / "whole.mcap", tabletop_messages(stamps(60)))
    cut = replay.folder / "cut.mcap"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    ran = replay(cut)
    assert ran.status == 3
    assert any("cut.mcap" in line for line in ran.lost)
    assert 5 < len(ran.stamps) < 60
    assert ran.stamps == stamps(len(ran.stamps))
    assert ran.objects() == 2
    assert "cut.mcap" in ran.report()


def test_a_recording_cut_before_its_first_message_fails(replay: Replay) -> None:
    whole = save(replay.folder / "whole.mcap", tabletop_messages(stamps(3)))
    cut = replay.folder / "cut.mcap"
    cut.write_bytes(whole.read_bytes()[:200])
    ran = replay(cut)
    assert ran.status == 1
    assert ran.err.startswith("permanence replay: ")
    assert_nothing_left(ran.folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty (0 bytes)"), (b"It was a dark and stormy night.\n" * 20, "is no recording")],
)
def test_a_file_that_is_no_recording_is_named_with_what_can_be_read(
    replay: Replay, content: bytes, message: str
) -> None:
    path = replay.folder / "notes.mcap"
    path.write_bytes(content)
    ran = replay(path)
    assert ran.status == 1
    assert f"notes.mcap {message}" in ran.err
    assert_nothing_left(ran.folder)


def test_a_missing_recording_is_an_error(replay: Replay) -> None:
    ran = replay(replay.folder / "nothing.mcap")
    assert ran.status == 1
    assert "there is no recording at" in ran.err


def test_a_recording_without_messages_is_called_empty(replay: Replay) -> None:
    ran = replay([])
    assert ran.status == 1
    assert "no depth topic" in ran.err
    assert "it is empty" in ran.err


def test_without_a_depth_topic_the_topics_that_are_there_are_listed(replay: Replay) -> None:
    ran = replay(without(tabletop_messages(stamps(3)), DEPTH))
    assert ran.status == 1
    assert "the recording has no depth topic" in ran.err
    assert f"{COLOR} [sensor_msgs/msg/Image]" in ran.err
    assert "--depth" in ran.err
    assert_nothing_left(ran.folder)


def test_without_a_camera_model_the_topics_that_are_there_are_listed(replay: Replay) -> None:
    ran = replay(without(tabletop_messages(stamps(3)), INFO))
    assert ran.status == 1
    assert "the recording has no CameraInfo topic" in ran.err


def test_a_topic_that_the_user_names_must_exist(replay: Replay) -> None:
    ran = replay(tabletop_messages(stamps(2)), "--depth", "/camera/dept")
    assert ran.status == 1
    assert "no topic '/camera/dept'" in ran.err
    assert DEPTH in ran.err


def test_depth_of_another_size_without_a_camera_model_of_its_own_is_refused(
    replay: Replay,
) -> None:
    def flat(image: Any, header: Any) -> Any:
        return depth_to_msg(image[::2], header, FACTORY)

    ran = replay(tabletop_messages(stamps(4), depth=flat))
    assert ran.status == 1
    assert "4 x frame of camera that can't be used" in ran.err
    assert "depth is 160x60, color 160x120" in ran.err
    assert_nothing_left(ran.folder)


def test_depth_of_another_size_with_a_camera_model_is_registered(replay: Replay) -> None:
    def half(image: Any, header: Any) -> Any:
        moved = header_to_msg(START, DEPTH_OPTICAL, FACTORY)
        moved.stamp = header.stamp
        return depth_to_msg(image[::2, ::2], moved, FACTORY)

    messages = tabletop_messages(stamps(8), depth=half)
    same_place = transforms((Pose.identity(), START, OPTICAL, DEPTH_OPTICAL))
    messages.insert(0, Recorded("/tf_static", same_place, START))
    messages.insert(0, Recorded(DEPTH_INFO, info(CAMERA.scaled(80, 60), START), START))
    ran = replay(messages)
    assert ran.status == 0
    assert ran.stamps == stamps(8)
    assert ran.objects() == 2


def spoiled(messages: Sequence[Recorded], frames: Sequence[int]) -> list[Recorded]:
    """With a camera model of zeros in these frames."""
    bad = {stamps(100)[i] for i in frames}
    for message in messages:
        if message.topic == INFO and message.log_time in bad:
            message.message.k[:] = 0.0
    return list(messages)


def test_an_uncalibrated_camera_is_refused_with_what_to_do(replay: Replay) -> None:
    ran = replay(spoiled(tabletop_messages(stamps(3)), range(3)))
    assert ran.status == 1
    assert "3 x frame of camera that can't be used" in ran.err
    assert "uncalibrated" in ran.err
    assert "calibrate it" in ran.err
    assert_nothing_left(ran.folder)


def test_frames_before_the_first_valid_camera_model_are_stated_as_lost(replay: Replay) -> None:
    ran = replay(spoiled(tabletop_messages(stamps(9)), range(3)))
    assert ran.status == 3
    assert ran.stamps == stamps(9)[3:]
    (line,) = ran.lost
    assert "3 x frame of camera that can't be used" in line
    assert "uncalibrated" in line


def test_later_camera_models_of_zeros_cost_nothing(replay: Replay) -> None:
    ran = replay(spoiled(tabletop_messages(stamps(6)), [3, 4]))
    assert ran.status == 0
    assert ran.stamps == stamps(6)
    assert f"note          {INFO} has impossible messages, which are ignored" in ran.out


def test_images_without_any_depth_reading_are_processed_and_noted(replay: Replay) -> None:
    ran = replay(
        tabletop_messages(
            stamps(6),
            depth=lambda image, header: meters_to_msg(np.full_like(image, np.nan), header),
        )
    )
    assert ran.status == 0
    assert len(ran.stamps) == 6
    assert ran.objects() == 0
    assert "depth images without any reading" in ran.out


def test_infinite_negative_and_huge_depths_are_no_readings(replay: Replay) -> None:
    def hostile(image: Any, header: Any) -> Any:
        image = image.copy()
        image[:20] = [np.inf, -np.inf, -1.0, 0.0, np.nan] * 32
        return meters_to_msg(image, header)

    ran = replay(tabletop_messages(stamps(6), depth=hostile))
    assert ran.status == 0
    assert ran.objects() == 2


def test_depth_in_millimeters_and_in_meters_give_the_same_objects(replay: Replay) -> None:
    positions = []
    for convert in (lambda image, header: depth_to_msg(image, header, FACTORY), meters_to_msg):
        path = replay.folder / f"{len(positions)}.mcap"
        ran = replay(save(path, tabletop_messages(stamps(8), depth=convert)))
        assert ran.status == 0
        with MemoryReader(ran.folder / "memory.db") as memory:
            positions.append([r.state.position for r in memory.records()])
    assert len(positions[0]) == 2
    np.testing.assert_allclose(positions[0], positions[1], atol=0.002)


def test_color_and_depth_that_never_overlap_are_told_apart_with_the_gap(replay: Replay) -> None:
    color = without(tabletop_messages(stamps(20)), DEPTH)
    depth = without(tabletop_messages(stamps(10, START + 62 * SECOND)), COLOR)
    ran = replay(color + depth)
    assert ran.status == 1
    assert f"color {COLOR} and depth {DEPTH} never overlap" in ran.err
    assert f"20 color {COLOR} messages at 10.0 Hz" in ran.err
    assert f"10 depth {DEPTH} messages at 10.0 Hz" in ran.err
    assert "gap 60.1 s" in ran.err
    assert_nothing_left(ran.folder)


def test_images_without_a_partner_amid_the_recording_are_stated_as_lost(replay: Replay) -> None:
    times = stamps(12)
    gone = {times[4], times[5], times[8]}
    messages = [
        m for m in tabletop_messages(times) if not (m.topic == DEPTH and m.log_time in gone)
    ]
    ran = replay(messages)
    assert ran.status == 3
    assert ran.lost == ["LOST          3 x color image of camera without a partner"]
    assert ran.stamps == [t for t in times if t not in gone]


def test_images_before_the_other_topic_starts_are_no_loss_but_noted(replay: Replay) -> None:
    times = stamps(12)
    messages = [
        m for m in tabletop_messages(times) if not (m.topic == DEPTH and m.log_time < times[3])
    ]
    ran = replay(messages)
    assert ran.status == 0
    assert ran.stamps == times[3:]
    assert "9 pairs from 12 color" in ran.out


def test_color_without_depth_for_most_of_the_time_is_a_loss(replay: Replay) -> None:
    times = stamps(60)
    messages = [
        m for m in tabletop_messages(times) if not (m.topic == DEPTH and m.log_time > times[9])
    ]
    ran = replay(messages)
    assert ran.status == 3
    assert "color image of camera without a partner" in ran.lost[0]


def test_impossible_transforms_are_ignored_and_noted_once(replay: Replay) -> None:
    messages = tabletop_messages(stamps(8))
    for i, time in enumerate(stamps(8)):
        bad = transforms((DEFAULT_VIEW, time, "arm", "hand"))
        bad.transforms[0].transform.translation.x = float("nan")
        looped = transforms((DEFAULT_VIEW, time, OPTICAL, "map"))
        messages[i * 6 : i * 6] = [Recorded("/tf", bad, time), Recorded("/tf", looped, time)]
    ran = replay(messages)
    assert ran.status == 0
    assert ran.stamps == stamps(8)
    assert ran.out.count("a transform arm -> hand is ignored (8 times)") == 1
    assert "closes a loop of frames" in ran.out


def test_images_that_contradict_themselves_cost_only_their_frame(replay: Replay) -> None:
    messages = tabletop_messages(stamps(8))
    depth = [m for m in messages if m.topic == DEPTH]
    depth[2].message.data = depth[2].message.data[:100]
    depth[5].message.encoding = "rgb8"
    ran = replay(messages)
    assert ran.status == 3
    assert "2 x frame of camera that can't be used" in ran.lost[0]
    assert len(ran.stamps) == 6


def test_results_are_never_written_over_the_recording(replay: Replay) -> None:
    bag = save(replay.folder / "bag.mcap", tabletop_messages(stamps(2)))
    before = bag.read_bytes()
    for option in ("-o", "--memory"):
        ran = replay(bag, option, str(bag))
        assert ran.status == 1
        assert "over the recording that is replayed" in ran.err
    assert bag.read_bytes() == before


@pytest.mark.parametrize("name", ["states.bag", "states"])
def test_the_output_must_be_an_mcap_file(replay: Replay, name: str) -> None:
    ran = replay(tabletop_messages(stamps(2)), "-o", str(replay.folder / name))
    assert ran.status == 1
    assert "is not the name of an .mcap file" in ran.err


def test_an_output_that_is_a_folder_is_refused(replay: Replay) -> None:
    (replay.folder / "folder.mcap").mkdir()
    ran = replay(tabletop_messages(stamps(2)), "-o", str(replay.folder / "folder.mcap"))
    assert ran.status == 1
    assert "can't be replaced" in ran.err
