from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from perception_nodes.geometry.pose import Pose
from perception_nodes.report.gallery import best
from perception_nodes.report.keyframes import LIMIT, KeyFrame, KeyFrames
from perception_nodes.report.overlay import Outline, outlines
from perception_nodes.report.record import RunRecord
from perception_nodes.scene import Visibility

VISIBLE, OCCLUDED, LOST = Visibility.VISIBLE, Visibility.OCCLUDED, Visibility.LOST


def choose(world: Any) -> list[KeyFrame]:
    record, chooser = RunRecord(), KeyFrames()
    for sample, state, timings in world.run():
        t = record.add(sample.frame, state, timings)
        chooser.offer(t, sample.frame, state, record)
    return chooser.chosen()


def test_key_frames_show_the_moments_that_matter(make_world: Callable[..., Any]) -> None:
    frames = choose(make_world())
    told = " ".join(reason for key in frames for reason in key.reasons)
    for word in ("appeared", "has been hidden for", "reappeared", "moved 21 cm while hidden"):
        assert word in told
    assert [key.t for key in frames] == sorted(key.t for key in frames)


def test_key_frames_cover_quiet_stretches_too(make_world: Callable[..., Any]) -> None:
    times = [0.0, *(key.t for key in choose(make_world(duration=40.0, rate=5.0)))]
    assert max(b - a for a, b in itertools.pairwise(times)) < 6.0
    assert len(times) - 1 <= LIMIT


def test_pictures_are_small_and_readable(make_world: Callable[..., Any]) -> None:
    for key in choose(make_world(duration=2.0)):
        image = cv2.imdecode(np.frombuffer(key.jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (key.height, key.width, 3) == (360, 480, 3)


def test_a_picture_of_noise_is_compressed_until_it_fits(make_world: Callable[..., Any]) -> None:
    sample, state, _ = make_world().step(0)
    noise = np.random.default_rng(0).integers(0, 256, (360, 480, 3)).astype(np.uint8)
    frame = replace(sample.frame, color=noise, camera=sample.frame.camera.scaled(480, 360))
    chooser, record = KeyFrames(), RunRecord()
    chooser.offer(record.add(frame, state, {}), frame, state, record)
    assert len(chooser.chosen()[0].jpeg) <= 90_000


@pytest.fixture
def shown(make_world: Callable[..., Any]) -> dict[str, Outline]:
    """Outlines of a frame in which some objects are hidden."""
    world = make_world()
    for sample, state, _ in world.run():
        hidden = sum(s.visibility is OCCLUDED for s in state.objects)
        if hidden >= 3:
            drawn = outlines(sample.frame, state.slots, state.objects, (480, 360))
            return {outline.id: outline for outline in drawn}
    raise AssertionError("nothing was hidden")


def test_hidden_objects_are_drawn_where_they_are_believed_to_be(shown: dict[str, Outline]) -> None:
    hidden = [o for o in shown.values() if o.visibility is OCCLUDED]
    assert len(hidden) >= 3
    for outline in hidden:
        assert outline.hull.startswith("M")
        assert outline.box.count("M") == 12
        assert not outline.mask


def test_masks_belong_to_the_objects_that_they_show(shown: dict[str, Outline]) -> None:
    for outline in (o for o in shown.values() if o.visibility is VISIBLE):
        points = np.array(
            [p.split() for p in outline.mask.strip("MZ").replace("ZM", "L").split("L")], float
        )
        box = np.array([p.split() for p in outline.hull.strip("MZ").split("L")], float)
        assert (points.min(axis=0) >= box.min(axis=0) - 6).all()
        assert (points.max(axis=0) <= box.max(axis=0) + 6).all()


def test_boxes_that_are_lost_behind_the_camera_or_broken_are_left_out(
    make_world: Callable[..., Any],
) -> None:
    sample, state, _ = make_world().step(0)
    first = state.objects[0]
    behind = Pose(np.eye(3), sample.frame.pose.apply(np.array([0.0, 0.0, -1.0])))
    for changed in (
        replace(first, visibility=LOST),
        replace(first, visibility=OCCLUDED, pose=behind),
        replace(first, pose=Pose(np.eye(3), np.full(3, np.nan))),
    ):
        drawn = outlines(sample.frame, state.slots, (changed,), (480, 360))
        assert first.id not in {outline.id for outline in drawn}


def test_a_box_that_reaches_behind_the_camera_is_cut(make_world: Callable[..., Any]) -> None:
    sample, state, _ = make_world().step(0)
    pose = sample.frame.pose
    near = Pose(pose.rotation, pose.apply(np.array([0.0, 0.3, 0.2])))
    large = replace(state.objects[0], pose=near, size=np.array([0.3, 0.1, 1.0]))
    drawn = outlines(sample.frame, state.slots, (large,), (480, 360))
    outline = next(o for o in drawn if o.id == large.id)
    assert 0 < outline.box.count("M") < 12
    assert not outline.hull
    assert "nan" not in outline.box


def test_without_a_camera_pose_only_masks_are_drawn(make_world: Callable[..., Any]) -> None:
    sample, state, _ = make_world().step(0)
    blind = replace(sample.frame, pose=None)
    drawn = outlines(blind, state.slots, state.objects, (480, 360))
    assert len(drawn) == len(state.slots.items)
    assert not any(o.id or o.box for o in drawn)


def test_the_first_picture_shows_hidden_objects_beside_visible_ones() -> None:
    def key(hidden: int, seen: int) -> KeyFrame:
        drawn = [Outline(f"h{i}", OCCLUDED, "", "M", "M") for i in range(hidden)]
        drawn += [Outline(f"v{i}", VISIBLE, "", "M", "M") for i in range(seen)]
        return KeyFrame(0.0, "camera", 1.0, (), b"", 4, 3, tuple(drawn), (), ())

    assert best([key(0, 9), key(9, 0), key(5, 4), key(1, 8)]) == 2
