"""What an object weighs and how it slides, told from its size and its motion."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from perception_nodes.cjepa.actors import Actor
from perception_nodes.cjepa.beliefs import DENSITY, GRAVITY, PhysicsBeliefs, slid
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import UNKNOWN_FRICTION, Gaussian, ObjectState, Visibility

FRAME = 1_000_000_000 // 30


def thing(
    x: float,
    speed: float,
    frame: int,
    name: str = "o1",
    side: float = 0.08,
    mass: float | None = None,
) -> ObjectState:
    stamp = 10**9 + frame * FRAME
    told = {} if mass is None else {"log_mass": Gaussian(math.log(mass), 0.1)}
    return ObjectState(
        id=name,
        stamp=stamp,
        pose=Pose(np.eye(3), np.array([x, 0.0, side / 2.0])),
        pose_covariance=np.eye(6) * 1e-5,
        velocity=np.array([speed, 0.0, 0.0]),
        angular_velocity=np.zeros(3),
        twist_covariance=np.eye(6) * 1e-4,
        size=np.full(3, side),
        visibility=Visibility.VISIBLE,
        first_seen=0,
        last_seen=stamp,
        existence=1.0,
        **told,
    )


def way(mu: float, speed: float, count: int) -> list[tuple[float, float]]:
    """Place and speed of what slides to rest, frame by frame."""
    slowing = mu * GRAVITY
    times = np.minimum(np.arange(count) / 30.0, speed / slowing)
    return [(speed * t - 0.5 * slowing * t * t, speed - slowing * t) for t in times]


def course(mu: float, speed: float, count: int = 12) -> list[tuple[float, np.ndarray]]:
    return [(k / 30.0, np.array([x, 0.0, 0.04])) for k, (x, _) in enumerate(way(mu, speed, count))]


@pytest.mark.parametrize("mu", [0.2, 0.4, 0.8])
def test_friction_is_read_from_the_way_on_which_a_thing_comes_to_rest(mu: float) -> None:
    found = slid(UNKNOWN_FRICTION, course(mu, 1.0), doubt=0.0)
    assert found.mean == pytest.approx(math.log(mu), abs=0.1)
    assert found.variance < 0.2 * UNKNOWN_FRICTION.variance


def test_a_short_way_tells_less_than_a_long_one() -> None:
    short, long = (slid(UNKNOWN_FRICTION, course(0.4, v), doubt=0.0) for v in (0.3, 1.0))
    assert long.variance < short.variance < UNKNOWN_FRICTION.variance


def test_what_rolls_tells_nothing_of_friction() -> None:
    assert slid(UNKNOWN_FRICTION, course(0.03, 0.8)) == UNKNOWN_FRICTION


def test_what_hardly_moved_tells_nothing() -> None:
    assert slid(UNKNOWN_FRICTION, course(0.5, 0.05)) == UNKNOWN_FRICTION


def learned(
    beliefs: PhysicsBeliefs, speeds: Sequence[tuple[float, float]], pushed: int = 0
) -> Gaussian:
    """Friction after a way; for the first frames a robot's tool touches the thing."""
    for k, (x, speed) in enumerate(speeds):
        velocity = np.array([speed if k < pushed else 0.0, 0.0, 0.0])
        tip = np.array([x if k < pushed else speeds[pushed][0] - 0.05, 0.0, 0.02])
        tip[0] -= 0.045 if k < pushed else 0.0
        found = beliefs.update([thing(x, speed, k)], Actor("robot", tip, velocity))
    return found["o1"][1]


def test_a_slide_after_a_push_is_believed_more_than_one_of_unknown_origin() -> None:
    slide = way(0.3, 0.8, 16)
    thrown = learned(PhysicsBeliefs(), slide)
    push = [(-0.8 / 30.0 * k, 0.8) for k in range(6, 0, -1)]
    pushed = learned(PhysicsBeliefs(), push + slide, pushed=6)
    assert pushed.mean == pytest.approx(math.log(0.3), abs=0.15)
    assert abs(pushed.mean - math.log(0.3)) < abs(thrown.mean - math.log(0.3))
    assert pushed.variance < thrown.variance < UNKNOWN_FRICTION.variance


def test_while_the_robot_pushes_nothing_is_learned_of_friction() -> None:
    speeds = [(0.02 * k - 0.0004 * k * k, 0.6 - 0.024 * k) for k in range(16)]
    assert learned(PhysicsBeliefs(), [*speeds, (0.3, 0.0)], pushed=16) == UNKNOWN_FRICTION


def test_what_was_learned_outlives_a_reset_but_a_slide_in_progress_does_not() -> None:
    beliefs = PhysicsBeliefs()
    friction = learned(beliefs, way(0.3, 0.8, 16))
    beliefs.reset()
    assert beliefs.update([thing(0.0, 0.0, 100)])["o1"][1] == friction
    half = PhysicsBeliefs()
    learned(half, way(0.3, 0.8, 6))
    half.reset()
    assert half.update([thing(0.0, 0.0, 7)])["o1"][1] == UNKNOWN_FRICTION


def test_a_thing_is_believed_to_weigh_what_things_of_its_size_weigh() -> None:
    beliefs = PhysicsBeliefs()
    found = beliefs.update([thing(0.0, 0.0, 0), thing(1.0, 0.0, 0, "o2", side=0.16)])
    small, large = found["o1"][0], found["o2"][0]
    assert large.mean - small.mean == pytest.approx(math.log(8.0))
    assert math.exp(small.mean) == pytest.approx(0.08**3 * math.exp(DENSITY.mean))


def test_what_was_told_of_a_mass_is_kept() -> None:
    found = PhysicsBeliefs().update([thing(0.0, 0.0, 0, mass=2.0)])
    assert found["o1"][0] == Gaussian(math.log(2.0), 0.1)


def test_objects_that_are_gone_are_forgotten_and_no_object_is_no_problem() -> None:
    beliefs = PhysicsBeliefs()
    learned(beliefs, way(0.3, 0.8, 16))
    assert dict(beliefs.update([])) == {}
    assert beliefs.update([thing(0.0, 0.0, 100)])["o1"][1] == UNKNOWN_FRICTION


@pytest.mark.parametrize("jump", [300, -300])
def test_a_slide_across_a_gap_or_back_in_time_is_forgotten(jump: int) -> None:
    beliefs, slide = PhysicsBeliefs(), way(0.3, 0.8, 16)
    for k, (x, speed) in enumerate(slide):
        found = beliefs.update([thing(x, speed, k if k < 8 else k + jump)])
    assert found["o1"][1].variance > learned(PhysicsBeliefs(), slide).variance
