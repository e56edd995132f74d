"""A user's own detector as a slot source: its boxes and masks get places from depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from raytraced import Ball, Cuboid, Solid, Tube, picture

from perception_nodes.arrays import Bytes
from perception_nodes.scene import Frame, Slots
from perception_nodes.viewrope.detections import Detection, DetectionFinder, GivenDetections
from perception_nodes.viewrope.source import SlotSource, Telling

BOX = Cuboid((0.05, 0.15, 0.05), (0.12, 0.08, 0.10), 0.5)
CAN = Tube((0.0, -0.12, 0.06), 0.035, 0.12)
BEHIND = Tube((0.12, -0.16, 0.07), 0.04, 0.14)


class Perfect:
    """A detector that knows the truth."""

    name = "perfect"

    def __init__(self, truth: Bytes, masks: bool = False, grow: float = 0.0) -> None:
        self.truth, self.masks, self.grow = truth, masks, grow

    def detect(self, frame: Frame) -> Sequence[Detection]:
        found = []
        for number in range(1, int(self.truth.max()) + 1):
            mask = self.truth == number
            y, x = np.nonzero(mask)
            g = self.grow
            box = (x.min() - g, y.min() - g, x.max() + g, y.max() + g)
            found.append(Detection(box, 1.0 - 0.1 * number, mask if self.masks else None))
        return found


def given(*detections: Detection) -> DetectionFinder:
    source = GivenDetections()
    source.current = detections
    return DetectionFinder(source)


def check(slots: Slots, truth: Bytes, least: float) -> None:
    shape = slots.labels.shape
    small = cv2.resize(truth, shape[::-1], interpolation=cv2.INTER_NEAREST)
    assert len(slots.items) == truth.max()
    for number in range(1, int(truth.max()) + 1):
        mask, found = small == number, slots.labels == number
        assert (mask & found).sum() / (mask | found).sum() > least


def center(frame: Frame, slots: Slots, index: int) -> np.ndarray:
    assert frame.pose is not None
    return np.asarray(frame.pose.apply(slots.items[index].pose.translation))


def test_it_is_a_slot_source_named_after_the_detector() -> None:
    source: SlotSource = DetectionFinder(Perfect(np.zeros((480, 640), np.uint8)))
    assert source.model_id == "detections-perfect"
    assert isinstance(source, Telling)


@pytest.mark.parametrize("masks", [False, True])
def test_detections_become_slots_with_boxes_in_space(masks: bool) -> None:
    objects: list[Solid] = [BOX, CAN]
    frame, truth = picture(objects, noise=0.0015)
    slots = DetectionFinder(Perfect(truth, masks)).find(frame)
    check(slots, truth, 0.85)
    for index, solid in enumerate((BOX, CAN)):
        assert np.linalg.norm(center(frame, slots, index) - solid.center) < 0.03
        assert slots.items[index].score == pytest.approx(0.9 - 0.1 * index)
        assert slots.items[index].latent is None


def test_loose_boxes_do_not_take_in_the_table() -> None:
    frame, truth = picture([BOX, CAN])
    check(DetectionFinder(Perfect(truth, grow=25.0)).find(frame), truth, 0.85)


def test_of_what_a_box_shows_the_thing_in_its_middle_is_meant() -> None:
    frame, truth = picture([CAN, BEHIND])
    slots = DetectionFinder(Perfect(truth)).find(frame)
    check(slots, truth, 0.8)
    assert np.linalg.norm(center(frame, slots, 0) - CAN.center) < 0.03


def test_the_better_detection_keeps_a_pixel_that_two_claim() -> None:
    frame, truth = picture([CAN])
    box = Perfect(truth).detect(frame)[0].box
    slots = given(Detection(box, 0.3), Detection(box, 0.8)).find(frame)
    assert [slot.score for slot in slots.items] == [0.8]


@pytest.mark.parametrize(
    "box", [(-500.0, -500.0, -10.0, -10.0), (700.0, 10.0, 900.0, 90.0), (10.0, 10.0, 10.0, 10.0)]
)
def test_a_box_outside_of_the_image_or_without_area_gives_nothing(
    box: tuple[float, float, float, float],
) -> None:
    frame, _ = picture([CAN])
    finder = given(Detection(box))
    assert finder.find(frame).items == ()
    assert finder.notes()[0].startswith("1 detections were not used")


def test_a_box_that_reaches_beyond_the_image_is_cut_off() -> None:
    frame, truth = picture([CAN])
    left, top, right, bottom = Perfect(truth).detect(frame)[0].box
    assert len(given(Detection((left, top - 900.0, right, bottom))).find(frame).items) == 1


def test_without_depth_a_detection_has_no_place() -> None:
    frame, truth = picture([CAN, BOX])
    depth = np.where(truth == 1, np.float32(np.nan), frame.depth)
    finder = DetectionFinder(Perfect(truth, masks=True))
    slots = finder.find(replace(frame, depth=depth))
    assert len(slots.items) == 1
    assert np.linalg.norm(center(frame, slots, 0) - BOX.center) < 0.03
    assert finder.facts() == {"detections not used": "1"}


def test_more_detections_than_slots_leave_the_best() -> None:
    frame, truth = picture([Ball((0.0, 0.0, 0.04), 0.04)])
    box = Perfect(truth).detect(frame)[0].box
    many = [Detection((5.0 * i, 0.0, 5.0 * i + 4.0, 4.0), 0.5) for i in range(30)]
    slots = given(*many, Detection(box, 0.9)).find(frame)
    assert slots.items[0].score == 0.9
    assert len(slots.items) <= 16
