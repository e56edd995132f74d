"""From the messages of a recording to frames: paired, with poses and truth."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from bags_for_replay import (
    COLOR,
    DEPTH,
    FACTORY,
    INFO,
    OPTICAL,
    PERIOD,
    START,
    Recorded,
    save,
    stamps,
    tabletop_messages,
    transforms,
)
from beliefs import state
from tabletop import DEFAULT_VIEW, look_at

from perception_nodes.bags.reader import open_bag
from perception_nodes.frames.source import FrameSource
from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.conversion import object_states_to_msg
from perception_nodes.ros.geometry_messages import (
    header_to_msg,
    pose_with_covariance_to_msg,
)
from perception_nodes.scene import Sample

MOUNT = look_at((0.1, 0.0, 0.3), (1.0, 0.0, 0.0))


class Read(list[Sample]):
    """The samples of a recording, and what their source says in the end."""

    def __init__(self, folder: Path, messages: Sequence[Recorded]) -> None:
        ordered = sorted(messages, key=lambda m: m.log_time)
        with open_bag(save(folder / "bag.mcap", ordered)) as bag:
            source = FrameSource(bag)
            self.cameras = [c.name for c in source.cameras]
            self.expected = source.expected
            super().__init__(source)
            self.notes, self.drops = source.notes, source.drops
            self.origin = source.pose_origin

    @property
    def poses(self) -> list[Pose | None]:
        return [sample.frame.pose for sample in self]


Reader = Callable[[Sequence[Recorded]], Read]


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    return functools.partial(Read, tmp_path)


def view(i: int) -> Pose:
    """A camera that moves past the table."""
    return look_at((-0.9, 0.01 * i, 0.8), (0.0, 0.0, 0.0))


def without(messages: Sequence[Recorded], *topics: str) -> list[Recorded]:
    return [m for m in messages if m.topic not in topics]


def odometry(pose: Pose, stamp: int, child: str) -> Recorded:
    message = FACTORY.make(
        "nav_msgs/msg/Odometry",
        header=header_to_msg(stamp, "odom", FACTORY),
        child_frame_id=child,
        pose=pose_with_covariance_to_msg(pose, np.eye(6), FACTORY),
    )
    return Recorded("/odom", message, stamp)


def assert_close(found: Pose | None, expected: Pose, distance: float = 1e-6) -> None:
    assert found is not None
    assert np.linalg.norm(found.translation - expected.translation) <= distance
    assert found.angle_to(expected) <= max(distance, 1e-6)


def test_every_frame_comes_with_its_images_camera_and_pose(read: Reader) -> None:
    found = read(tabletop_messages(stamps(5), view))
    assert [s.frame.stamp for s in found] == stamps(5)
    assert found.expected == 5
    for i, sample in enumerate(found):
        assert sample.frame.camera_name == "camera"
        assert sample.frame.frame_id == OPTICAL
        assert sample.frame.color.shape == (120, 160, 3)
        assert sample.frame.depth.dtype == np.float32
        assert sample.truth is None
        assert_close(sample.frame.pose, view(i))
    assert (found.notes, found.drops) == ((), {})
    assert found.origin == "transforms in the recording (frame map)"


def test_a_transform_recorded_after_its_image_is_waited_for(read: Reader) -> None:
    messages = [
        m._replace(log_time=m.log_time + 4 * PERIOD) if m.topic == "/tf" else m
        for m in tabletop_messages(stamps(12), view)
    ]
    found = read(messages)
    assert [s.frame.stamp for s in found] == stamps(12)
    for i, pose in enumerate(found.poses):
        assert_close(pose, view(i))


def test_transforms_that_begin_seconds_later_are_still_found(read: Reader) -> None:
    times = stamps(45)
    messages = [
        m for m in tabletop_messages(times, view) if m.topic != "/tf" or m.log_time >= times[30]
    ]
    found = read(messages)
    assert found.origin.startswith("transforms")
    assert [pose is None for pose in found.poses] == [True] * 30 + [False] * 15
    ((cause, count),) = found.drops.items()
    assert count == 30
    assert "without a camera pose" in cause


def test_poses_between_two_transforms_are_interpolated(read: Reader) -> None:
    messages = without(tabletop_messages(stamps(6), view), "/tf")
    for i in range(7):
        stamp = START + i * PERIOD - PERIOD // 2
        moved = Pose(view(0).rotation, np.array([0.1 * i - 0.05, 0.0, 0.5]))
        messages.append(Recorded("/tf", transforms((moved, stamp, "odom", OPTICAL)), stamp))
    found = read(messages)
    assert found.origin == "transforms in the recording (frame odom)"
    for i, pose in enumerate(found.poses):
        assert_close(pose, Pose(view(0).rotation, np.array([0.1 * i, 0.0, 0.5])))


def test_map_is_preferred_to_odom_above_it(read: Reader) -> None:
    messages = tabletop_messages(stamps(4), view)
    correction = Pose(np.eye(3), np.array([1.0, 2.0, 0.0]))
    for message in messages:
        if message.topic == "/tf":
            message.message.transforms[0].header.frame_id = "robot/odom"
    static = transforms((correction, START, "map", "robot/odom"))
    found = read([Recorded("/tf_static", static, START), *messages])
    assert found.origin == "transforms in the recording (frame map)"
    assert_close(found.poses[3], correction @ view(3))


def test_odometry_and_the_mount_of_the_camera_give_its_pose(read: Reader) -> None:
    messages = without(tabletop_messages(stamps(5), view), "/tf")
    mount = transforms((MOUNT, START, "base_link", OPTICAL))
    messages.append(Recorded("/tf_static", mount, START))
    messages += [odometry(view(i), s, "base_link") for i, s in enumerate(stamps(5))]
    found = read(messages)
    assert found.origin == "odometry in the recording (/odom)"
    assert found.drops == {}
    for i, pose in enumerate(found.poses):
        assert_close(pose, view(i) @ MOUNT)


def test_odometry_messages_that_are_no_poses_are_noted(read: Reader) -> None:
    messages = without(tabletop_messages(stamps(5), view), "/tf")
    bad = odometry(view(2), stamps(5)[2], OPTICAL)
    bad.message.pose.pose.position.x = float("nan")
    messages += [bad, *(odometry(view(i), stamps(5)[i], OPTICAL) for i in (0, 1, 3, 4))]
    found = read(messages)
    assert_close(found.poses[4], view(4))
    assert_close(found.poses[2], view(2), 1e-3)
    assert any("/odom has impossible messages" in n for n in found.notes)


def test_odometry_of_a_robot_without_a_mount_is_not_used_and_the_reason_is_told(
    read: Reader,
) -> None:
    messages = without(tabletop_messages(stamps(4)), "/tf")
    messages += [odometry(view(i), s, "base_link") for i, s in enumerate(stamps(4))]
    found = read(messages)
    assert found.origin.startswith("RGB-D odometry")
    assert any("no transform leads from 'base_link'" in n for n in found.notes)


def test_without_any_poses_the_camera_is_followed_in_a_leveled_world(read: Reader) -> None:
    found = read(without(tabletop_messages(stamps(8), lambda i: view(2 * i)), "/tf"))
    assert found.origin.startswith("RGB-D odometry, leveled by the main plane")
    first = found.poses[0]
    assert first is not None
    np.testing.assert_array_equal(first.translation, np.zeros(3))
    up = first.rotation.T @ [0.0, 0.0, 1.0]
    true_up = view(0).rotation.T @ [0.0, 0.0, 1.0]
    assert np.degrees(np.arccos(up @ true_up)) < 1.0
    last = found.poses[7]
    assert last is not None
    true = view(0).inverse() @ view(14)
    assert_close(first.inverse() @ last, true, 0.03)


def test_transforms_that_miss_the_camera_are_told(read: Reader) -> None:
    messages = tabletop_messages(stamps(3))
    for message in messages:
        if message.topic == "/tf":
            message.message.transforms[0].child_frame_id = "base_link"
    found = read(messages)
    assert found.origin.startswith("RGB-D odometry")
    assert any(f"do not lead from the frame '{OPTICAL}'" in n for n in found.notes)


def test_a_frame_whose_pose_never_comes_is_delivered_without_one(read: Reader) -> None:
    times = stamps(30)
    messages = [
        m for m in tabletop_messages(times, view) if m.topic != "/tf" or m.log_time <= times[9]
    ]
    found = read(messages)
    assert [s.frame.stamp for s in found] == times
    assert [pose is None for pose in found.poses] == [False] * 10 + [True] * 20
    ((cause, count),) = found.drops.items()
    assert count == 20
    assert "after the last of its" in cause


def renamed(messages: Sequence[Recorded], name: str) -> list[Recorded]:
    """The same recording of a camera with another name."""
    for message in messages:
        if message.topic == "/tf":
            message.message.transforms[0].child_frame_id = f"{name}_frame"
        else:
            message.message.header.frame_id = f"{name}_frame"
    return [m._replace(topic=m.topic.replace("/camera", f"/{name}/camera")) for m in messages]


def test_two_cameras_are_delivered_in_order_of_time_each_with_its_pose(read: Reader) -> None:
    left = renamed(tabletop_messages(stamps(5), view), "left")
    right = renamed(
        tabletop_messages(stamps(5, START + PERIOD // 2), lambda _: DEFAULT_VIEW), "right"
    )
    found = read(left + right)
    assert found.cameras == ["left", "right"]
    assert [s.frame.camera_name for s in found] == ["left", "right"] * 5
    assert [s.frame.stamp for s in found] == [START + i * PERIOD // 2 for i in range(10)]
    assert_close(found[6].frame.pose, view(3))
    assert_close(found[7].frame.pose, DEFAULT_VIEW)


def test_of_two_cameras_that_nothing_relates_only_one_is_used_and_that_is_told(
    read: Reader,
) -> None:
    left = renamed(tabletop_messages(stamps(3)), "left")
    right = renamed(tabletop_messages(stamps(3)), "right")
    found = read(without(left + right, "/tf"))
    assert {s.frame.camera_name for s in found} == {"left"}
    assert "nothing relates the 2 cameras: only left is used" in found.notes


def test_truth_is_delivered_with_its_frame_though_recorded_later(read: Reader) -> None:
    times = stamps(6)
    messages = tabletop_messages(times)
    for i, stamp in enumerate(times[:5]):
        truth = object_states_to_msg([state(f"cup{i}", stamp)], stamp, "map", FACTORY)
        messages.append(Recorded("/truth/objects", truth, stamp + PERIOD // 2))
    found = read(messages)
    assert [s.frame.stamp for s in found] == times
    for i, sample in enumerate(found[:5]):
        assert sample.truth is not None
        assert sample.truth.stamp == sample.frame.stamp
        assert [o.id for o in sample.truth.objects] == [f"cup{i}"]
    assert found[5].truth is None


@pytest.mark.parametrize("seconds", [0, -5])
def test_stamps_that_no_clock_gives_are_replaced_by_the_time_of_recording(
    read: Reader, seconds: int
) -> None:
    messages = tabletop_messages(stamps(4))
    for message in messages:
        if message.topic in (COLOR, DEPTH):
            message.message.header.stamp.sec = seconds
            message.message.header.stamp.nanosec = 0
    found = read(messages)
    assert [s.frame.stamp for s in found] == stamps(4)
    assert f"{COLOR} has stamps of zero or less; the time of recording is used" in found.notes


def test_a_recording_whose_recorder_had_no_clock_is_read_by_its_stamps(read: Reader) -> None:
    found = read([m._replace(log_time=0) for m in tabletop_messages(stamps(4), view)])
    assert [s.frame.stamp for s in found] == stamps(4)
    assert_close(found.poses[3], view(3))


def test_images_without_a_frame_are_followed_by_odometry_and_that_is_told(read: Reader) -> None:
    messages = tabletop_messages(stamps(3))
    for message in messages:
        if message.topic in (COLOR, DEPTH):
            message.message.header.frame_id = ""
    found = read(messages)
    assert found.origin.startswith("RGB-D odometry")
    assert any("do not name their frame" in n for n in found.notes)


def test_truth_with_impossible_values_is_ignored_and_noted(read: Reader) -> None:
    messages = tabletop_messages(stamps(3))
    for stamp in stamps(3):
        truth = object_states_to_msg([state("cup", stamp)], stamp, "map", FACTORY)
        truth.objects[0].visibility = 9
        messages.append(Recorded("/truth/objects", truth, stamp))
    found = read(messages)
    assert [s.truth for s in found] == [None] * 3
    assert "truth that can't be used is ignored (3 times): 9 is no Visibility" in found.notes[0]


def test_depth_without_color_is_delivered_black(read: Reader) -> None:
    found = read(without(tabletop_messages(stamps(3)), COLOR))
    assert len(found) == 3
    assert not found[0].frame.color.any()
    assert "camera has no color topic: colors are black" in found.notes


def test_a_camera_model_for_a_larger_image_is_scaled(read: Reader) -> None:
    messages = tabletop_messages(stamps(2))
    for message in messages:
        if message.topic == INFO:
            message.message.width, message.message.height = 320, 240
            message.message.k = message.message.k * 2
            message.message.k[8] = 1.0
    (first, _) = read(messages)
    assert (first.frame.camera.width, first.frame.camera.height) == (160, 120)
    assert first.frame.camera.fx == pytest.approx(140.0)
