"""Who pushes things, told from commands, transforms and people."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from perception_nodes.errors import InputError
from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.actor_input import COMMAND_LIFE, PUSHER, ActorInput
from perception_nodes.ros.conversion import people_to_msg
from perception_nodes.ros.factory import RosbagsFactory
from perception_nodes.ros.geometry_messages import (
    header_to_msg,
    transform_to_msg,
    transforms_to_msg,
    vector_to_msg,
)
from perception_nodes.scene import Person

FACTORY = RosbagsFactory()
SECOND = 1_000_000_000
TENTH = SECOND // 10
MUG = np.array([[0.0, 0.0, 0.05]])


def tip_at(stamp: int, x: float) -> Any:
    pose = Pose(np.eye(3), np.array([x, 0.0, 0.02]))
    return transforms_to_msg([transform_to_msg(pose, stamp, "map", PUSHER, FACTORY)], FACTORY)


def command(stamp: int, x: float, frame: str = "map") -> Any:
    twist = FACTORY.make(
        "geometry_msgs/msg/Twist",
        linear=vector_to_msg(np.array([x, 0.0, 0.0]), FACTORY),
        angular=vector_to_msg(np.zeros(3), FACTORY),
    )
    return FACTORY.make(
        "geometry_msgs/msg/TwistStamped", header=header_to_msg(stamp, frame, FACTORY), twist=twist
    )


def person(stamp: int, wrist_x: float, frame: str = "map", name: str = "p1") -> Any:
    """Someone whose right hand points along x; the other arm is not seen."""
    joints = np.full((17, 3), np.nan)
    joints[8], joints[10] = (wrist_x - 0.25, 0.0, 0.05), (wrist_x, 0.0, 0.05)
    made = Person(
        name, stamp, tuple(f"j{k}" for k in range(17)), joints, np.zeros((17, 3, 3)),
        np.zeros(17), np.zeros(16),
    )  # fmt: skip
    return people_to_msg([made], stamp, frame, FACTORY)


@pytest.fixture
def actors() -> ActorInput:
    made = ActorInput("map")
    for k in range(11):
        made.take_transforms(tip_at(k * TENTH, 0.02 * k), static=False)
    return made


def test_without_any_message_nobody_pushes_and_the_reason_is_known() -> None:
    actors = ActorInput("map")
    assert actors.at(SECOND, MUG) is None
    assert PUSHER in actors.problem


def test_the_pusher_moves_as_its_frame_does(actors: ActorInput) -> None:
    found = actors.at(SECOND - TENTH // 2, MUG)
    assert found is not None
    assert found.name == "robot"
    np.testing.assert_allclose(found.tip, (0.19, 0.0, 0.02))
    np.testing.assert_allclose(found.velocity, (0.2, 0.0, 0.0), atol=1e-9)


def test_a_command_says_how_the_pusher_goes_on_until_it_is_stale(actors: ActorInput) -> None:
    actors.take_command(command(SECOND, 0.5))
    found = actors.at(SECOND, MUG)
    assert found is not None
    np.testing.assert_allclose(found.velocity, (0.5, 0.0, 0.0))
    actors.take_transforms(tip_at(SECOND + COMMAND_LIFE, 0.2), static=False)
    stale = actors.at(SECOND + COMMAND_LIFE, MUG)
    assert stale is not None
    np.testing.assert_allclose(stale.velocity, 0.0, atol=1e-9)


def test_a_frame_that_is_a_little_late_is_moved_on_and_a_very_late_one_is_no_pusher(
    actors: ActorInput,
) -> None:
    soon = actors.at(SECOND + TENTH // 2, MUG)
    assert soon is not None
    np.testing.assert_allclose(soon.tip, (0.21, 0.0, 0.02))
    assert actors.at(2 * SECOND, MUG) is None


def test_a_hand_near_an_object_pushes_as_its_palm_moves() -> None:
    actors = ActorInput("map")
    actors.take_people(person(SECOND - TENTH, -0.22))
    actors.take_people(person(SECOND, -0.2))
    found = actors.at(SECOND, MUG)
    assert found is not None
    assert found.name == "p1"
    np.testing.assert_allclose(found.tip, (-0.1, 0.0, 0.05))
    np.testing.assert_allclose(found.velocity, (0.2, 0.0, 0.0), atol=1e-9)
    assert actors.at(SECOND, MUG + 1.0) is None
    assert actors.at(2 * SECOND, MUG) is None


def test_the_robot_goes_before_a_hand(actors: ActorInput) -> None:
    actors.take_people(person(SECOND - TENTH, -0.22))
    actors.take_people(person(SECOND, -0.2))
    found = actors.at(SECOND, MUG)
    assert found is not None
    assert found.name == "robot"


@pytest.mark.parametrize("velocity", [np.nan, np.inf])
def test_a_command_that_is_no_velocity_is_refused(velocity: float) -> None:
    with pytest.raises(InputError, match="no velocity"):
        ActorInput("map").take_command(command(SECOND, velocity))


def test_what_is_expressed_in_another_frame_is_refused() -> None:
    actors = ActorInput("map")
    with pytest.raises(InputError, match="base_link"):
        actors.take_command(command(SECOND, 0.1, "base_link"))
    with pytest.raises(InputError, match="base_link"):
        actors.take_people(person(SECOND, 0.0, "base_link"))


def test_nothing_is_left_after_the_clock_jumped_back(actors: ActorInput) -> None:
    actors.take_command(command(SECOND, 0.5))
    actors.reset()
    assert actors.at(SECOND, MUG) is None
