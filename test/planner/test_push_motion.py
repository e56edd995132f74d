"""What the pusher does to objects that are hidden, and what it looks like itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pushing import block

from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.planner.motion import PriorMotion
from perception_nodes.planner.self_filter import Stick, without_stick
from perception_nodes.scene import Frame

FRAME = 66_000_000


def pushed_for(motion: PriorMotion, frames: int) -> dict[str, float]:
    """How far objects got along x while the tip went on beside them, told frame by frame."""
    items = [block("a", 0.0, 0.0), block("b", 0.0, 0.3)]
    start = {item.id: float(item.position[0]) for item in items}
    stamp = items[0].stamp
    motion.tell_tip(stamp, np.array([-0.045, 0.0, 0.015]))
    for number in range(1, frames + 1):
        stamp += FRAME
        motion.tell_tip(stamp, np.array([-0.045 + 0.008 * number, 0.0, 0.015]))
        said = motion.advance(stamp, items)
        for k, item in enumerate(items):
            pose = item.pose
            if item.id in said:
                pose = Pose(said[item.id].rotation, said[item.id].position)
            items[k] = replace(item, stamp=stamp, pose=pose)
    return {item.id: float(item.position[0]) - start[item.id] for item in items}


def test_a_hidden_object_goes_with_the_tip_and_others_stay() -> None:
    moved = pushed_for(PriorMotion(), 10)
    assert moved["a"] == pytest.approx(0.08, abs=0.006)
    assert moved["b"] == 0.0


def test_where_it_was_pushed_to_is_less_certain() -> None:
    motion, item = PriorMotion(), block("a", 0.0, 0.0)
    motion.tell_tip(item.stamp, np.array([-0.045, 0.0, 0.015]))
    motion.tell_tip(item.stamp + FRAME, np.array([-0.02, 0.0, 0.015]))
    said = motion.advance(item.stamp + FRAME, [item])["a"]
    assert said.covariance[0, 0] > 1.5 * item.pose_covariance[0, 0]
    assert not said.velocity.any()


def test_without_knowing_the_tip_it_says_nothing() -> None:
    motion, item = PriorMotion(), block("a", 0.0, 0.0)
    assert not motion.advance(item.stamp + FRAME, [item])
    motion.tell_tip(item.stamp, np.zeros(3))
    motion.tell_tip(item.stamp + FRAME, np.zeros(3))
    motion.reset()
    assert not motion.advance(item.stamp + FRAME, [item])


def test_readings_on_the_stick_are_taken_out_and_no_others() -> None:
    camera = Camera(64, 48, 60.0, 60.0, 31.5, 23.5)
    depth = np.full((48, 64), 1.0, dtype=np.float32)
    depth[:, 30:34] = 0.8
    frame = Frame(
        1, "camera", "optical", camera, np.zeros((48, 64, 3), np.uint8), depth, Pose.identity()
    )
    # the optical axis is up in the world: the stick stands along it in front of the wall
    clean = without_stick(frame, np.array([0.0, 0.0, 0.7]), Stick(0.012, 0.15))
    gone = np.isnan(clean.depth)
    assert gone[23, 31]
    assert not gone[:, :28].any()
    assert not gone[:, 36:].any()
    assert not np.isnan(frame.depth).any()
    blind = replace(frame, pose=None)
    assert without_stick(blind, np.zeros(3), Stick(0.012, 0.15)) is blind
