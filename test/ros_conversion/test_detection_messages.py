"""Detections of a user's detector as messages, and finding the image that they are about."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from perception_nodes.errors import InputError
from perception_nodes.ros.detection_messages import (
    DETECTIONS_TYPE,
    DetectionInput,
    detections_from_msg,
)
from perception_nodes.ros.factory import RosbagsFactory
from perception_nodes.ros.geometry_messages import header_to_msg

FACTORY = RosbagsFactory()
PERIOD = 100_000_000


def message(stamp: int = 0, *boxes: dict[str, float]) -> Any:
    return FACTORY.make(
        DETECTIONS_TYPE,
        header=header_to_msg(stamp, "optical", FACTORY),
        detections=[detection(**box) for box in boxes],
    )


def detection(
    x: float = 30.0,
    y: float = 40.0,
    width: float = 10.0,
    height: float = 20.0,
    turn: float = 0.0,
    **scores: float,
) -> Any:
    make = FACTORY.make
    position = make("vision_msgs/msg/Point2D", x=x, y=y)
    center = make("vision_msgs/msg/Pose2D", position=position, theta=turn)
    results = [
        make(
            "vision_msgs/msg/ObjectHypothesisWithPose",
            hypothesis=make("vision_msgs/msg/ObjectHypothesis", class_id=name, score=score),
        )
        for name, score in scores.items()
    ]
    box = make("vision_msgs/msg/BoundingBox2D", center=center, size_x=width, size_y=height)
    return make("vision_msgs/msg/Detection2D", results=results, bbox=box)


def shot(stamp: int) -> Any:
    return SimpleNamespace(stamp=stamp)


def test_a_box_is_read_with_the_score_of_its_best_hypothesis() -> None:
    (found,) = detections_from_msg(message(0, {"mug": 0.3, "cup": 0.6}))
    assert found.box == (25.0, 30.0, 35.0, 50.0)
    assert found.score == 0.6
    assert found.mask is None


def test_of_a_turned_box_the_upright_one_around_it_is_taken() -> None:
    (found,) = detections_from_msg(message(0, {"turn": math.pi / 2}))
    assert found.box == pytest.approx((20.0, 35.0, 40.0, 45.0))
    assert found.score == 1.0


@pytest.mark.parametrize("wrong", [{"x": math.nan}, {"width": -1.0}, {"mug": math.inf}])
def test_impossible_detections_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="impossible box or score"):
        detections_from_msg(message(0, {}, wrong))


def test_an_answer_finds_its_image_although_newer_ones_have_come() -> None:
    paired = DetectionInput()
    assert all(paired.take_shot(shot(i * PERIOD)) is None for i in range(4))
    work = paired.take_detections(message(1 * PERIOD, {}))
    assert work is not None
    assert work[0].stamp == 1 * PERIOD
    assert len(work[1]) == 1


def test_an_answer_may_come_before_its_image() -> None:
    paired = DetectionInput()
    assert paired.take_detections(message(5, {})) is None
    work = paired.take_shot(shot(5))
    assert work is not None
    assert work[0].stamp == 5


def test_answers_for_some_images_only_go_with_these() -> None:
    paired = DetectionInput()
    stamps = []
    for i in range(30):
        paired.take_shot(shot(i * PERIOD))
        if i % 3 == 2:
            work = paired.take_detections(message((i - 1) * PERIOD, {}))
            assert work is not None
            stamps.append(work[0].stamp // PERIOD)
    assert stamps == [i - 1 for i in range(30) if i % 3 == 2]


def test_an_image_without_anything_detected_is_still_an_image() -> None:
    paired = DetectionInput()
    paired.take_shot(shot(7))
    work = paired.take_detections(message(7))
    assert work is not None
    assert work[1] == ()


def test_it_says_when_no_detections_come_or_their_stamps_never_fit() -> None:
    paired = DetectionInput()
    paired.take_shot(shot(0))
    assert "no detection messages" in paired.explain()
    paired.take_detections(message(10**12, {}))
    assert "never overlap" in paired.explain()


def test_forgetting_drops_what_waits() -> None:
    paired = DetectionInput()
    paired.take_shot(shot(3))
    paired.reset()
    assert paired.take_detections(message(3, {})) is None
