from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import finder
import numpy as np
import pytest
from raytraced import CAMERA, VIEW, WALL, Ball, Cuboid, Solid, Tube, look_at, picture

from perception_nodes.arrays import Bytes
from perception_nodes.geometry.camera import Camera
from perception_nodes.scene import MAX_SLOTS, Frame, Slots
from perception_nodes.viewrope.depth_finder import DepthFinder
from perception_nodes.viewrope.source import SlotSource

NOISE = 0.0015
BOX = Cuboid((0.05, 0.15, 0.05), (0.12, 0.08, 0.10), 0.5)
CAN = Tube((0.0, -0.12, 0.06), 0.035, 0.12)
BALL = Ball((-0.15, 0.05, 0.04), 0.04)


def find(frame: Frame) -> Slots:
    return DepthFinder().find(frame)


def matched(slots: Slots, truth: Bytes) -> list[int]:
    """For each object the index of the slot that covers it with IoU >= 0.5; fails without one."""
    height, width = slots.labels.shape
    small = cv2.resize(truth, (width, height), interpolation=cv2.INTER_NEAREST)
    result = []
    for number in range(1, int(truth.max()) + 1):
        mask = small == number
        ious = [
            (mask & (slots.labels == i + 1)).sum() / (mask | (slots.labels == i + 1)).sum()
            for i in range(len(slots.items))
        ]
        assert ious, "no slots"
        assert max(ious) >= 0.5, f"object {number} is covered only with IoU {max(ious):.2f}"
        result.append(int(np.argmax(ious)))
    return result


def check(objects: list[Solid], frame: Frame, truth: Bytes) -> None:
    slots = find(frame)
    assert len(slots.items) == len(objects)
    assert sorted(matched(slots, truth)) == list(range(len(objects)))


def test_it_is_a_slot_source() -> None:
    source: SlotSource = DepthFinder()
    assert source.model_id == "depth-finder-1"


def test_every_object_on_a_table_becomes_one_slot() -> None:
    objects: list[Solid] = [BOX, CAN, BALL]
    check(objects, *picture(objects, noise=NOISE))


def test_noise_three_times_that_of_a_good_sensor_changes_nothing() -> None:
    objects: list[Solid] = [BOX, CAN, BALL]
    check(objects, *picture(objects, noise=3 * NOISE))


def test_two_boxes_that_touch_in_a_crease_are_two_objects() -> None:
    objects: list[Solid] = [
        Cuboid((0.0, 0.0, 0.03), (0.20, 0.20, 0.06)),
        Cuboid((0.03, 0.0, 0.11), (0.07, 0.07, 0.10)),
    ]
    check(objects, *picture(objects, noise=NOISE))


def test_boxes_side_by_side_at_an_angle_are_two_objects() -> None:
    objects: list[Solid] = [
        Cuboid((0.0, 0.06, 0.06), (0.12, 0.12, 0.12)),
        Cuboid((-0.035, -0.06, 0.04), (0.12, 0.12, 0.08), 0.6),
    ]
    check(objects, *picture(objects, noise=NOISE))


def test_a_box_is_one_object_although_three_of_its_sides_are_seen() -> None:
    frame, truth = picture([Cuboid((0.0, 0.0, 0.08), (0.16, 0.16, 0.16), 0.78)], noise=NOISE)
    check([BOX], frame, truth)


def test_a_cup_is_one_object_although_one_sees_into_it() -> None:
    objects: list[Solid] = [Tube((0.0, 0.0, 0.05), 0.045, 0.10, hollow=True)]
    check(objects, *picture(objects, noise=NOISE))


def test_an_object_behind_another_is_its_own() -> None:
    objects: list[Solid] = [
        Tube((-0.05, 0.0, 0.05), 0.03, 0.10),
        Cuboid((0.12, 0.0, 0.10), (0.06, 0.2, 0.20)),
    ]
    check(objects, *picture(objects, noise=NOISE))


def test_walls_and_floor_are_no_objects() -> None:
    floor = Cuboid((0.0, 0.0, -1.2), (9.0, 9.0, 1.0))
    table = Cuboid((0.0, 0.0, -0.02), (1.0, 0.9, 0.04))
    frame, truth = picture([BOX, CAN], (table, floor, WALL), noise=NOISE)
    check([BOX, CAN], frame, truth)


def test_what_is_larger_than_the_limit_is_not_reported() -> None:
    frame, truth = picture([BOX, Cuboid((0.7, 0.0, 0.2), (0.3, 0.9, 0.4))], noise=NOISE)
    slots = find(frame)
    assert len(slots.items) == 1
    assert matched(slots, np.where(truth == 1, truth, 0).astype(np.uint8)) == [0]


ROOM = look_at((-2.0, 0.0, 1.2), (0.0, 0.0, 0.3))
FLOOR = Cuboid((0.0, 0.0, -0.5), (14.0, 14.0, 1.0))
CRATE = Cuboid((0.3, 0.0, 0.1), (0.2, 0.2, 0.2), 0.4)


def test_what_the_image_cuts_off_and_is_large_already_is_furniture() -> None:
    frame, _ = picture([CRATE, Tube((0.3, 1.0, 0.4), 0.42, 0.8)], (FLOOR,), ROOM, noise=0.001)
    assert not [s for s in find(frame).items if s.cut and s.size.max() > 0.6]


def test_what_is_nowhere_wider_than_a_frayed_edge_is_not_reported() -> None:
    rod = Cuboid((0.2, -0.1, 0.6), (0.02, 0.6, 0.02))
    frame, truth = picture([CRATE, rod], (FLOOR,), ROOM, noise=0.0005)
    slots = find(frame)
    assert len(slots.items) == 1
    assert matched(slots, np.where(truth == 1, truth, 0).astype(np.uint8)) == [0]


def test_what_is_too_far_to_be_told_from_furniture_is_not_reported() -> None:
    hall = look_at((-4.8, 0.0, 1.5), (-1.0, 0.0, 0.1))
    near = Cuboid((-2.0, 0.4, 0.15), (0.3, 0.3, 0.3), 0.4)
    far = Cuboid((0.2, 0.0, 0.15), (0.3, 0.3, 0.3), 0.4)
    slots = find(picture([near, far], (FLOOR,), hall, noise=0.0005)[0])
    assert [round(float(s.pose.translation[2])) for s in slots.items] == [3]


def test_an_empty_table_has_no_slots() -> None:
    slots = find(picture([], noise=NOISE)[0])
    assert slots.items == ()
    assert not slots.labels.any()


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0, 1e-30, 1e30])
def test_depth_without_any_reading_has_no_slots(value: float) -> None:
    frame, _ = picture([BOX])
    slots = find(replace(frame, depth=np.full_like(frame.depth, value)))
    assert slots.items == ()
    assert slots.labels.shape == (240, 320)


def test_random_depth_is_survived() -> None:
    frame, _ = picture([BOX])
    random = np.random.default_rng(0).uniform(0.0, 6.0, frame.depth.shape).astype(np.float32)
    assert len(find(replace(frame, depth=random)).items) <= MAX_SLOTS


def test_half_of_the_readings_missing_at_random_changes_nothing() -> None:
    objects: list[Solid] = [BOX, CAN, BALL]
    frame, truth = picture(objects, noise=NOISE)
    missing = np.random.default_rng(1).random(frame.depth.shape) < 0.5
    depth = np.where(missing, np.float32(np.nan), frame.depth)
    check(objects, replace(frame, depth=depth), truth)


def test_half_of_the_image_missing_leaves_the_objects_of_the_other_half() -> None:
    frame, truth = picture([BOX, CAN, BALL], noise=NOISE)
    depth = frame.depth.copy()
    depth[:, 320:] = np.nan
    slots = find(replace(frame, depth=depth))
    assert len(slots.items) == 2  # the box and the ball lie on the left
    assert matched(slots, np.where(truth == 1, truth, 0).astype(np.uint8))


@pytest.mark.parametrize("solid", [BOX, CAN, BALL], ids=["box", "can", "ball"])
def test_the_center_and_size_of_a_fully_seen_object_are_right(solid: Solid) -> None:
    frame, _ = picture([solid], noise=NOISE)
    (slot,) = find(frame).items
    error = VIEW.apply(slot.pose.translation) - solid.center
    assert np.linalg.norm(error) < 0.015
    assert np.sort(slot.size) == pytest.approx(np.sort(solid.size), abs=0.02)
    assert not slot.cut


@pytest.mark.parametrize("solid", [BOX, CAN, BALL], ids=["box", "can", "ball"])
def test_the_covariance_explains_the_error_of_the_center(solid: Solid) -> None:
    frame, _ = picture([solid], noise=NOISE)
    (slot,) = find(frame).items
    error = slot.pose.translation - VIEW.inverse().apply(np.array(solid.center))
    assert error @ np.linalg.solve(slot.covariance, error) < 11.3  # 99 % of chi-squared, 3 degrees


def test_boxes_stand_upright_and_follow_the_yaw_of_flat_sides() -> None:
    (slot,) = find(picture([BOX], noise=NOISE)[0]).items
    rotation = VIEW.rotation @ slot.pose.rotation
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    assert rotation[2, 2] > 0.999
    yaw = np.arctan2(rotation[1, 0], rotation[0, 0])
    assert abs((yaw - BOX.yaw + np.pi / 4) % (np.pi / 2) - np.pi / 4) < np.deg2rad(4)


def test_a_box_reaches_down_to_the_table() -> None:
    (slot,) = find(picture([BOX], noise=NOISE)[0]).items
    bottom = VIEW.apply(slot.pose.translation)[2] - slot.size[2] / 2
    assert bottom == pytest.approx(0.0, abs=0.004)


def test_a_box_in_the_air_does_not_reach_down_to_the_table() -> None:
    frame, _ = picture([Cuboid((0.0, 0.0, 0.25), (0.1, 0.1, 0.1))], noise=NOISE)
    (slot,) = find(frame).items
    assert VIEW.apply(slot.pose.translation)[2] - slot.size[2] / 2 > 0.17


def test_objects_that_something_hides_or_the_image_ends_are_cut() -> None:
    screen = Cuboid((-0.08, 0.17, 0.08), (0.02, 0.10, 0.16))
    frame, truth = picture([BOX, screen], noise=NOISE)
    slots = find(frame)
    box, front = matched(slots, truth)
    assert slots.items[box].cut
    assert not slots.items[front].cut
    edge = picture([Cuboid((0.0, 0.58, 0.05), (0.1, 0.2, 0.1))], noise=NOISE)[0]
    assert [s.cut for s in find(edge).items] == [True]


def test_masks_items_and_points_agree() -> None:
    frame, _ = picture([BOX, CAN, BALL], noise=NOISE)
    slots = find(frame)
    assert set(np.unique(slots.labels)) == {0, 1, 2, 3}
    small = frame.camera.scaled(320, 240)
    for index, slot in enumerate(slots.items):
        assert slot.index == index
        assert slot.pixels == 4 * (slots.labels == index + 1).sum()
        assert slot.points.dtype == np.float32
        assert 32 <= len(slot.points) <= 64
        u, v = np.rint(small.project(slot.points)[0]).astype(int).T
        assert (slots.labels[v, u] == index + 1).all()
    assert (slots.stamp, slots.camera_name, slots.frame_id) == (7, "camera", "optical")
    assert [s.score for s in slots.items] == sorted((s.score for s in slots.items), reverse=True)


def test_colors_are_those_of_the_objects() -> None:
    frame, truth = picture([BOX, CAN], noise=NOISE)
    slots = find(frame)
    box, can = matched(slots, truth)
    assert slots.items[box].color[0] == pytest.approx(50, abs=3)
    assert slots.items[can].color[0] == pytest.approx(80, abs=3)


def test_the_same_frame_gives_the_same_bytes() -> None:
    frame, _ = picture([BOX, CAN, BALL], noise=NOISE)
    a, b = find(frame), find(frame)
    assert a.labels.tobytes() == b.labels.tobytes()
    for x, y in zip(a.items, b.items, strict=True):
        assert x.pose.matrix().tobytes() == y.pose.matrix().tobytes()
        assert x.covariance.tobytes() == y.covariance.tobytes()
        assert x.points.tobytes() == y.points.tobytes()


def test_after_a_reset_earlier_frames_have_no_effect() -> None:
    frame, _ = picture([BOX, CAN], noise=NOISE)
    other, _ = picture([BALL], pose=look_at((-0.5, 0.5, 0.9), (0.0, 0.0, 0.0)), noise=NOISE)
    finder = DepthFinder()
    finder.find(other)
    finder.reset()
    slots = finder.find(frame)
    fresh = find(frame)
    assert slots.labels.tobytes() == fresh.labels.tobytes()
    assert slots.items[0].size.tobytes() == fresh.items[0].size.tobytes()


def test_without_a_pose_the_table_tells_which_way_is_up() -> None:
    objects: list[Solid] = [BOX, CAN, BALL]
    frame, truth = picture(objects, noise=NOISE)
    check(objects, replace(frame, pose=None), truth)
    slot = find(replace(frame, pose=None)).items[0]
    assert (VIEW.rotation @ slot.pose.rotation)[2, 2] > 0.999


def test_a_map_that_does_not_know_gravity_does_not_mislead() -> None:
    objects: list[Solid] = [BOX, CAN, BALL]
    frame, truth = picture(objects, noise=NOISE)
    tilt = look_at((0.0, 0.0, 0.0), (1.0, 0.2, 0.9))
    assert frame.pose is not None
    check(objects, replace(frame, pose=tilt @ frame.pose), truth)


def test_of_more_than_sixteen_objects_the_most_certain_are_reported() -> None:
    objects: list[Solid] = [
        Cuboid((0.12 * i - 0.25, 0.11 * j - 0.22, 0.03), (0.05, 0.05, 0.06))
        for i in range(4)
        for j in range(5)
    ]
    slots = find(picture(objects, noise=NOISE)[0])
    assert len(slots.items) == MAX_SLOTS
    assert slots.labels.max() == MAX_SLOTS


@pytest.mark.parametrize("factor", [0.5, 1.5, 2.0])
def test_images_of_other_sizes_give_the_same_objects(factor: float) -> None:
    objects: list[Solid] = [BOX, CAN, BALL]
    frame, truth = picture(objects, noise=NOISE)
    size = round(CAMERA.width * factor), round(CAMERA.height * factor)
    camera: Camera = CAMERA.scaled(*size)
    depth = cv2.resize(frame.depth, size, interpolation=cv2.INTER_NEAREST)
    color = cv2.resize(frame.color, size, interpolation=cv2.INTER_NEAREST)
    check(objects, replace(frame, camera=camera, depth=depth, color=color), truth)


def test_an_image_whose_size_is_no_multiple_of_the_working_size_is_accepted() -> None:
    frame, truth = picture([BOX, CAN, BALL], noise=NOISE)
    camera = Camera(637, 475, CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy)
    odd = replace(
        frame, camera=camera, depth=frame.depth[:475, :637], color=frame.color[:475, :637]
    )
    check([BOX, CAN, BALL], odd, truth[:475, :637])


def test_real_tables_are_segmented(shared_data: Path) -> None:
    pooled = finder.Counts()
    for scene in sorted((shared_data / "objects").glob("mosd_*")):
        frame, truth = finder.load(scene)
        pooled.add(finder.count(finder.full(frame), truth))
    assert pooled.figures()["f1"] >= 0.75


def test_what_something_nearer_hides_in_part_is_no_furniture_for_being_tall() -> None:
    tall = Tube((0.3, 0.1, 0.4), 0.12, 0.8)
    before = Tube((-0.2, 0.05, 0.15), 0.1, 0.3)
    slots = find(picture([tall, before], (FLOOR,), ROOM, noise=0.001)[0])
    assert [s.cut for s in slots.items if s.size[2] > 0.6] == [True]


def test_sides_of_several_things_in_one_plane_are_no_wall() -> None:
    crates: list[Solid] = [Cuboid((0.3, y, 0.23), (0.46, 0.46, 0.46)) for y in (-0.6, 0.0, 0.6)]
    frame, truth = picture(crates, (FLOOR,), ROOM, noise=0.001)
    check(crates, frame, truth)


def test_what_stands_where_a_wall_would_go_on_is_an_object() -> None:
    screen = Cuboid((0.55, -0.9, 0.5), (0.1, 1.4, 1.0))
    crate = Cuboid((0.62, 0.5, 0.14), (0.24, 0.3, 0.28))
    frame, truth = picture([crate], (FLOOR, screen), ROOM, noise=0.001)
    check([crate], frame, truth)


def test_a_flat_upright_side_alone_is_that_of_a_board() -> None:
    level = look_at((-0.8, 0.0, 0.1), (0.0, 0.0, 0.1))
    board = Cuboid((0.0, 0.0, 0.1), (0.02, 0.16, 0.2))
    (slot,) = find(picture([board], pose=level, noise=NOISE)[0]).items
    assert np.sort(slot.size)[0] < 0.05
