"""A simulated robot tells what foresees objects where its tool is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tabletop import observe

from perception_nodes.cjepa.actors import Actor
from perception_nodes.cjepa.foresight import Foresight
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import ObjectState, Sample, Truth, Visibility
from perception_simulation.tool import told_of_tool


def body(label: str) -> ObjectState:
    return ObjectState(
        id=label,
        stamp=0,
        pose=Pose(np.eye(3), np.array([0.1, 0.2, 0.15])),
        pose_covariance=np.eye(6),
        velocity=np.array([0.3, 0.0, 0.0]),
        angular_velocity=np.zeros(3),
        twist_covariance=np.eye(6),
        size=np.array([0.02, 0.02, 0.2]),
        visibility=Visibility.VISIBLE,
        first_seen=0,
        last_seen=0,
        existence=1.0,
        label=label,
    )


def test_the_tip_is_told_before_its_frame_and_no_tool_is_told_as_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[Any] = []
    foresight = Foresight()
    monkeypatch.setattr(foresight, "tell", said.append)
    frame = observe((), 0)[0]
    truths = (Truth(0, (body("mug"), body("pusher"))), Truth(1, (body("mug"),)), None)
    for count, _ in enumerate(told_of_tool((Sample(frame, t) for t in truths), foresight), 1):
        assert len(said) == count
    assert isinstance(said[0], Actor)
    assert said[0].tip == pytest.approx([0.1, 0.2, 0.05])
    assert said[0].velocity.tolist() == [0.3, 0.0, 0.0]
    assert said[1:] == [None, None]
