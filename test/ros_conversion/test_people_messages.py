"""People as markers, transforms and forecasts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.embodmocap.forecast import Forecast
from perception_nodes.ros.factory import RosbagsFactory
from perception_nodes.ros.geometry_messages import time_from_msg, transform_from_msg
from perception_nodes.ros.people_messages import (
    forecasts_to_msg,
    people_ids,
    people_markers,
    people_transforms,
)
from perception_nodes.scene import Person
from perception_simulation.people.walking import WalkingMotion

FACTORY = RosbagsFactory()
STAMP = 5_300_000_000
NAMES = tuple(f"j{k}" for k in range(17))
WALK = WalkingMotion()


def walker(name: str = "p1") -> Person:
    return Person(
        name, STAMP, NAMES, WALK.at(0.5), np.zeros((17, 3, 3)), np.zeros(17), np.zeros(16)
    )


def test_a_body_has_its_transform_at_the_pelvis_and_looks_where_it_walks() -> None:
    (made,) = people_transforms([walker()], STAMP, "map", FACTORY).transforms
    stamp, parent, child, pose = transform_from_msg(made)
    assert (stamp, parent, child) == (STAMP, "map", "body_p1")
    hips = WALK.at(0.5)[[11, 12]].mean(axis=0)
    np.testing.assert_allclose(pose.translation, hips, atol=1e-9)
    ahead = (WALK.at(0.7) - WALK.at(0.5)).mean(axis=0)
    assert pose.rotation[:, 0] @ ahead / np.linalg.norm(ahead) > 0.9
    assert pose.rotation[2, 2] > 0.95


def test_who_has_no_hips_has_no_transform_and_the_others_keep_theirs() -> None:
    joints = WALK.at(0.5)
    joints[11] = np.nan
    message = people_transforms([replace(walker(), joints=joints), walker("p2")], STAMP, "map",
                                FACTORY)  # fmt: skip
    assert [t.child_frame_id for t in message.transforms] == ["body_p2"]


def test_markers_replace_those_before_and_leave_out_unknown_joints() -> None:
    joints = WALK.at(0.5)
    joints[9] = np.nan  # a wrist: one bone and one ball less
    whole, maimed = (
        people_markers([person], STAMP, "map", FACTORY).markers
        for person in (walker(), replace(walker(), joints=joints))
    )
    assert whole[0].action == 3
    assert all(marker.header.frame_id == "map" for marker in whole)
    assert len(whole[2].points) == 17
    assert len(maimed[2].points) == 16
    assert len(whole[1].points) - len(maimed[1].points) == 2
    for marker in maimed[1:]:
        assert all(np.isfinite([p.x, p.y, p.z]).all() for p in marker.points)


def test_two_people_have_markers_of_their_own() -> None:
    markers = people_markers([walker(), walker("p2")], STAMP, "map", FACTORY).markers[1:]
    assert len({(marker.ns, marker.id) for marker in markers}) == 4


def test_ids_name_the_bodies_whose_transforms_there_are() -> None:
    assert list(people_ids([walker(), walker("p2")], STAMP, "map", FACTORY).ids) == ["p1", "p2"]


def test_a_forecast_says_when_and_where_each_joint_will_be() -> None:
    joints = np.stack([WALK.at(0.9), WALK.at(1.5)])
    covariances = np.arange(2 * 17 * 9, dtype=float).reshape(2, 17, 3, 3)
    told = Forecast("p1", (STAMP + 400_000_000, STAMP + 1_000_000_000), joints, covariances)
    message = forecasts_to_msg([told], STAMP, "map", FACTORY)
    assert (time_from_msg(message.header.stamp), message.header.frame_id) == (STAMP, "map")
    (made,) = message.forecasts
    assert made.id == "p1"
    assert tuple(time_from_msg(t) for t in made.stamps) == told.stamps
    assert len(made.joints) == 34
    last = made.joints[17 + 10]
    assert (last.x, last.y, last.z) == pytest.approx(tuple(joints[1, 10]))
    np.testing.assert_array_equal(np.reshape(made.covariances, (2, 17, 3, 3)), covariances)
