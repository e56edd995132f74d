"""Truth from another simulator's poses is the truth that our own simulator tells."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from small_scene import PERFECT, PUSH, small_scene, thing

from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import ObjectState, Sample, Visibility
from perception_nodes.score.score import Score
from perception_simulation import gl
from perception_simulation.gazebo.truth import PlacedTruth, walking
from perception_simulation.model import PUSHER_LENGTH, PUSHER_RADIUS
from perception_simulation.motion import camera_track
from perception_simulation.simulator import Simulator
from perception_simulation.specification import (
    Fixture,
    Mug,
    Scene,
    Sphere,
    Walker,
    WalkerKey,
)

SCENE = small_scene(
    thing("mug", Mug(0.04, 0.09), position=(-0.1, 0.15)),
    thing("pushed", position=(-0.06, 0.0)),
    thing("ball", Sphere(0.03), position=(0.2, -0.1)),
    fixtures=(Fixture("crate", (0.05, 0.2, 0.2), (0.1, -0.1, 0.8)),),
    pushes=(PUSH,),
    duration=3.0,
    sensor=PERFECT,
)


def poses(sample: Sample) -> dict[str, Pose]:
    """What Gazebo would publish."""
    assert sample.truth is not None
    below = Pose(np.eye(3), np.array([0.0, 0.0, -PUSHER_LENGTH / 2.0 - PUSHER_RADIUS]))
    return {
        o.id: o.pose @ below if o.label == "pusher" else o.pose
        for o in sample.truth.objects
        if o.label not in {"fixture", "occluder"}
    }


@pytest.fixture(scope="module")
def told() -> Iterator[list[tuple[Sample, tuple[ObjectState, ...]]]]:
    try:
        gl.backend()
    except gl.RenderingError as error:
        pytest.skip(str(error))
    placed = PlacedTruth(SCENE)
    eye = camera_track(SCENE.cameras[0]).at(0.0)
    samples = list(Simulator(SCENE))
    yield [(s, placed.tell(s.frame.stamp, poses(s), 0, eye).objects) for s in samples]
    placed.close()


def test_it_is_the_same_truth_for_every_frame(
    told: list[tuple[Sample, tuple[ObjectState, ...]]],
) -> None:
    seen = set()
    for sample, objects in told:
        assert sample.truth is not None
        assert [o.id for o in objects] == [o.id for o in sample.truth.objects]
        for own, other in zip(sample.truth.objects, objects, strict=True):
            assert other.stamp == sample.frame.stamp
            np.testing.assert_allclose(other.position, own.position, atol=1e-6)
            assert own.pose.angle_to(other.pose) < 1e-5
            np.testing.assert_array_equal(other.size, own.size)
            assert (other.visibility, other.last_seen) == (own.visibility, own.last_seen)
            seen.add(other.visibility)
    assert {Visibility.VISIBLE, Visibility.OCCLUDED} <= seen, "else nothing was tested"


def test_a_score_with_it_is_the_same_score(
    told: list[tuple[Sample, tuple[ObjectState, ...]]],
) -> None:
    own, other = Score(), Score()
    for sample, objects in told:
        assert sample.truth is not None
        found = [o for o in sample.truth.objects if o.id in {"mug", "pushed"}]
        own.add(sample.truth, found)
        other.add(type(sample.truth)(sample.truth.stamp, objects), found)
    assert _close(own.figures(), other.figures())
    assert own.frames == len(told)


def _close(a: object, b: object) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_close(a[k], b[k]) for k in a)
    if isinstance(a, float) and isinstance(b, float):
        return a == pytest.approx(b, rel=1e-4, abs=1e-6, nan_ok=True)
    return a == b


def test_what_moved_between_two_frames_has_that_velocity(
    told: list[tuple[Sample, tuple[ObjectState, ...]]],
) -> None:
    fastest = 0.0
    for (_, before), (_, after) in itertools.pairwise(told):
        a, b = (next(o for o in objects if o.id == "pushed") for objects in (before, after))
        np.testing.assert_allclose(b.velocity, (b.position - a.position) * 10.0, atol=1e-6)
        fastest = max(fastest, float(np.linalg.norm(b.velocity)))
    assert fastest > 0.05


def test_a_walker_goes_at_constant_speed_and_begins_anew() -> None:
    keys = (WalkerKey(0.0, (0.0, -1.0)), WalkerKey(4.0, (0.0, 1.0), 2.0))
    walker = Walker("person", keys, height=1.6)
    np.testing.assert_allclose(walking(walker, 1.0).translation, (0.0, -0.5, 0.8))
    np.testing.assert_allclose(walking(walker, 5.0).translation, (0.0, -0.5, 0.8))
    turn = walking(walker, 3.0).rotation
    assert np.arctan2(turn[1, 0], turn[0, 0]) == pytest.approx(1.5)


def test_a_person_before_the_camera_hides_what_is_behind(rendering: None) -> None:
    walker = Walker("person", (WalkerKey(0.0, (-0.35, 0.0)), WalkerKey(9.0, (-0.35, 0.0))))
    scene: Scene = small_scene(thing(), walkers=(walker,))
    (sample, *_) = Simulator(scene)
    assert sample.truth is not None
    states = {o.id: o for o in sample.truth.objects}
    assert states["box"].visibility is Visibility.OCCLUDED
    assert (states["person"].label, states["person"].visibility) == ("person", Visibility.VISIBLE)
    assert states["person"].size[2] == pytest.approx(1.75)
