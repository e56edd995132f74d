"""The truth agrees with what was drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_scene import CAMERA, PANEL, PUSH, small_scene, thing

from perception_nodes.scene import EventKind, ObjectState, Sample, Visibility
from perception_simulation import specification as spec
from perception_simulation.simulator import Simulator

pytestmark = pytest.mark.usefixtures("rendering")


def run(scene: spec.Scene) -> list[Sample]:
    return list(Simulator(scene))


def state(sample: Sample, name: str) -> ObjectState:
    assert sample.truth is not None
    return next(s for s in sample.truth.objects if s.id == name)


def events(samples: list[Sample]) -> list[tuple[EventKind, tuple[str, ...]]]:
    return [(e.kind, e.subjects) for s in samples if s.truth for e in s.truth.events]


def test_the_same_scene_gives_the_same_frames_and_truth() -> None:
    scene = small_scene(thing(velocity=(0.3, 0.0, 0.0)), sensor=spec.DepthSensor(), duration=0.5)
    for a, b in zip(run(scene), run(scene), strict=True):
        np.testing.assert_array_equal(a.frame.color, b.frame.color)
        np.testing.assert_array_equal(a.frame.depth, b.frame.depth)
        np.testing.assert_array_equal(state(a, "box").position, state(b, "box").position)
        assert a.frame.stamp == b.frame.stamp


def test_stamps_are_those_of_the_physics_and_never_zero() -> None:
    stamps = [s.frame.stamp for s in run(small_scene(rate=15.0))]
    assert len(stamps) == 15
    assert stamps[0] > 0
    assert all(stamp % 2_000_000 == 0 for stamp in stamps)
    np.testing.assert_allclose(np.diff(stamps), 1e9 / 15.0, atol=2e6)


def test_masks_number_the_objects_of_the_truth() -> None:
    sample = run(small_scene(thing("a"), thing("b", position=(0.0, 0.2)), duration=0.1))[0]
    assert sample.truth is not None
    assert sample.truth.labels is not None
    assert sample.frame.pose is not None
    points = (sample.frame.camera.rays() * sample.frame.depth[..., None]).astype(float)
    for index, item in enumerate(sample.truth.objects):
        seen = sample.frame.pose.apply(points[sample.truth.labels == index + 1])
        inside = np.abs(item.pose.inverse().apply(seen)) <= item.size / 2.0 + 0.002
        assert len(seen) > 50
        assert inside.all()


def test_truth_tells_what_the_object_is() -> None:
    item = thing("m", spec.Mug(0.04, 0.09), mass=0.4, friction=0.3, velocity=(0.2, 0.0, 0.0))
    truth = state(run(small_scene(item, duration=0.1))[0], "m")
    assert truth.label == "mug"
    assert np.exp(truth.log_mass.mean) == pytest.approx(0.4)
    assert np.exp(truth.log_friction.mean) == pytest.approx(0.3)
    assert truth.size[1] == pytest.approx(0.08)
    assert truth.size[2] == pytest.approx(0.09)
    assert 0.0 < truth.velocity[0] < 0.2


def test_a_panel_hides_and_uncovers_what_is_behind_it() -> None:
    samples = run(small_scene(occluders=(PANEL,), duration=4.5))
    seen = [state(s, "box").visibility for s in samples]
    assert seen[1] is Visibility.VISIBLE
    assert all(v is Visibility.OCCLUDED for v in seen[9:33])
    assert seen[-1] is Visibility.VISIBLE
    hidden = state(samples[20], "box")
    assert hidden.last_seen == samples[seen.index(Visibility.OCCLUDED) - 1].frame.stamp
    kinds = [kind for kind, who in events(samples) if who == ("box",)]
    assert kinds == [EventKind.APPEARED, EventKind.HIDDEN, EventKind.REAPPEARED]


def test_visibility_follows_the_share_of_the_silhouette_that_is_seen() -> None:
    """A box half behind another is visible; one of which a sliver shows is occluded."""
    eye = spec.MovingCamera((spec.CameraKey(0.0, (-0.6, 0.0, 0.75), (0.0, 0.0, 0.75)),))
    wall = spec.Fixture("wall", (0.01, 0.3, 0.3), (-0.3, 0.15, 0.851))
    for offset, expected in ((0.0, Visibility.VISIBLE), (0.045, Visibility.OCCLUDED)):
        item = thing("a", spec.Box((0.1, 0.1, 0.1)), position=(0.0, offset))
        scene = small_scene(
            item, cameras=(eye,), fixtures=(wall,), duration=0.1, width=320, height=240
        )
        sample = run(scene)[0]
        assert sample.truth is not None
        assert sample.truth.labels is not None
        assert (sample.truth.labels == 1).any()
        assert state(sample, "a").visibility is expected


def test_what_no_camera_faces_is_out_of_view() -> None:
    away = spec.MovingCamera((spec.CameraKey(0.0, (-0.6, 0.0, 1.1), (-2.0, 0.0, 1.0)),))
    sample = run(small_scene(cameras=(away,), duration=0.1))[0]
    assert state(sample, "box").visibility is Visibility.OUT_OF_VIEW
    assert state(sample, "box").last_seen == 0


def test_an_object_is_visible_if_one_of_two_cameras_sees_it() -> None:
    away = replace(
        CAMERA, name="b", path=(spec.CameraKey(0.0, (-0.6, 0.0, 1.1), (-2.0, 0.0, 1.0)),)
    )
    samples = run(small_scene(cameras=(CAMERA, away), duration=0.2))
    assert [s.frame.camera_name for s in samples] == ["camera", "b", "camera", "b"]
    assert all(state(s, "box").visibility is Visibility.VISIBLE for s in samples)
    assert samples[1].truth is not None
    assert samples[1].truth.labels is not None
    assert not samples[1].truth.labels.any()


def test_a_push_behind_a_panel_is_told_as_unseen_motion_and_contact() -> None:
    samples = run(small_scene(pushes=(PUSH,), occluders=(PANEL,), duration=4.5))
    told = events(samples)
    assert (EventKind.MOVED_UNSEEN, ("box",)) in told
    assert (EventKind.CONTACT_ON, ("box", "pusher")) in told
    assert (EventKind.CONTACT_OFF, ("box", "pusher")) in told
    assert (EventKind.STOPPED, ("box",)) in told
    moved = state(samples[-1], "box").position - state(samples[5], "box").position
    assert moved[0] > 0.05
    assert state(samples[30], "box").last_seen < samples[9].frame.stamp


def test_helpers_are_labeled_so_that_no_score_asks_for_them() -> None:
    shelf = spec.Fixture("shelf", (0.2, 0.2, 0.2), (0.4, 0.3, 0.8))
    scene = small_scene(pushes=(PUSH,), occluders=(PANEL,), fixtures=(shelf,), duration=0.1)
    sample = run(scene)[0]
    labels = {n: state(sample, n).label for n in ("box", "panel", "pusher", "shelf")}
    assert labels == {"box": "box", "panel": "occluder", "pusher": "pusher", "shelf": "fixture"}
