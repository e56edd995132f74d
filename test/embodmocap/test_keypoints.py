"""Maps become people, in the pixels of the camera, and nothing of an image stays."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from people_views import LENS, toward

from perception_nodes.embodmocap.keypoints import COARSE, FINE, OFFSET_UNIT, Decoding, decode
from perception_nodes.embodmocap.learned import LearnedKeypoints, learned_keypoints
from perception_nodes.embodmocap.skeleton import COUNT, INDEX
from perception_nodes.errors import ModelError
from perception_nodes.scene import Frame
from perception_simulation.people.walking import WalkingMotion

WIDTH, HEIGHT = 320, 240
PERSON = Path(__file__).parent / "rendered_person.jpg"
"""Made by perception_models/keypoints from the body model anny (its meshes are CC0)."""
JOINTS_OF_PERSON = np.array([
    [265, 23], [268, 21], [263, 20], [271, 23], [258, 20], [276, 38], [247, 38], [292, 56],
    [224, 48], [314, 55], [205, 55], [264, 82], [248, 81], [269, 117], [236, 114], [269, 150],
    [227, 146],
])  # fmt: skip


def person(left: float, size: float = 100.0) -> np.ndarray:
    """Joints of somebody who walks across the image, pixels."""
    joints = WalkingMotion().at(0.4)
    flat = joints[:, [1, 2]] - joints[:, [1, 2]].min(axis=0)
    return np.stack([left + size * flat[:, 0], 30.0 + size * (1.7 - flat[:, 1])], axis=1)


def bells(places: np.ndarray, step: int, spread: float) -> np.ndarray:
    x, y = ((np.arange(side // step) + 0.5) * step - 0.5 for side in (WIDTH, HEIGHT))
    off = (x[None, None] - places[:, 0, None, None]) ** 2
    off = off + (y[None, :, None] - places[:, 1, None, None]) ** 2
    return np.exp(-0.5 * off / (spread * step) ** 2)


def maps_of(*people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a perfect network makes of people."""
    maps = np.zeros((COUNT + 1, HEIGHT // FINE, WIDTH // FINE), np.float32)
    offsets = np.zeros((2 * COUNT, HEIGHT // COARSE, WIDTH // COARSE), np.float32)
    for joints in people:
        middle = joints[[5, 6, 11, 12]].mean(axis=0)
        maps[:COUNT] = np.maximum(maps[:COUNT], bells(joints, FINE, 1.5))
        maps[COUNT] = np.maximum(maps[COUNT], bells(middle[None], FINE, 2.0)[0])
        column, row = ((middle + 0.5) / COARSE).astype(int)
        offsets[:, row, column] = ((joints - middle) / OFFSET_UNIT).ravel()
    return maps, offsets


def nearest(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Distances (17,) of the found person that is nearest."""
    apart = np.linalg.norm(found - true, axis=-1)
    return apart[np.nanmean(apart, axis=1).argmin()]


def test_joints_are_found_to_a_fraction_of_a_cell() -> None:
    true = person(120.3)
    pixels, confidence = decode(*maps_of(true))
    assert pixels.shape == (1, COUNT, 2)
    assert np.linalg.norm(pixels[0] - true, axis=1).max() < 0.4
    assert confidence.min() > 0.5


def test_joints_of_two_people_who_overlap_are_not_mixed() -> None:
    one, other = person(120.0), person(150.0)
    pixels, _ = decode(*maps_of(one, other))
    assert len(pixels) == 2
    for true in (one, other):
        assert nearest(pixels, true).max() < 1.5
    mixed, _ = decode(*maps_of(one, other), Decoding(group=False))
    assert max(np.nanmax(nearest(mixed, true)) for true in (one, other)) > 15.0


def test_a_place_belongs_to_one_person_only() -> None:
    one, other = person(120.0), person(150.0)
    maps, offsets = maps_of(one, other)
    wrist = INDEX["left_wrist"]
    far_away = np.array([[310.0, 10.0]])
    maps[wrist] = bells(one[wrist : wrist + 1], FINE, 1.5)[0] + bells(far_away, FINE, 1.5)[0]
    pixels, confidence = decode(maps, offsets)
    assert sorted(confidence[:, wrist] > 0.0) == [False, True]
    assert np.isnan(pixels[confidence[:, wrist] == 0.0, wrist]).all()


def test_a_joint_without_a_peak_is_not_guessed() -> None:
    maps, offsets = maps_of(person(120.0))
    maps[INDEX["nose"]] = 0.05
    pixels, confidence = decode(maps, offsets)
    assert np.isnan(pixels[0, INDEX["nose"]]).all()
    assert confidence[0, INDEX["nose"]] == 0.0
    assert np.isfinite(pixels[0, INDEX["left_hip"]]).all()


@pytest.mark.parametrize("value", [0.0, np.nan, -np.inf])
def test_maps_without_anything_give_nobody(value: float) -> None:
    maps = np.full((COUNT + 1, 60, 80), value, np.float32)
    pixels, confidence = decode(maps, np.full((2 * COUNT, 30, 40), np.nan, np.float32))
    assert pixels.shape == (0, COUNT, 2)
    assert confidence.shape == (0, COUNT)


def test_numbers_that_are_none_hide_only_where_they_are() -> None:
    true = person(120.0)
    maps, offsets = maps_of(true)
    maps[:, :, :8], maps[INDEX["nose"]] = np.nan, np.nan
    hip = INDEX["left_hip"]
    maps[hip, :, int(true[hip, 0] / FINE) + 1 :] = np.nan
    pixels, confidence = decode(maps, offsets)
    known = np.arange(COUNT) != INDEX["nose"]
    assert np.linalg.norm(pixels[0, known] - true[known], axis=1).max() < 3.0
    assert confidence[0, INDEX["nose"]] == 0.0


def test_maps_that_are_high_everywhere_give_people_but_no_error() -> None:
    pixels, confidence = decode(np.full((18, 60, 80), np.inf), np.full((34, 30, 40), 1e9))
    assert np.isfinite(confidence).all()
    assert len(pixels) <= 20


class Perfect:
    """A network that knows one person; it notes what it was shown."""

    model_id = "perfect-0"
    inputs: Mapping[str, tuple[int | str, ...]] = {"image": (1, HEIGHT, WIDTH, 3)}
    outputs: Mapping[str, tuple[int | str, ...]] = {
        "maps": (1, COUNT + 1, 60, 80), "offsets": (1, 2 * COUNT, 30, 40)
    }  # fmt: skip

    def __init__(self, joints: np.ndarray) -> None:
        self.joints = joints
        self.means: list[np.ndarray] = []

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        image = inputs["image"]
        assert image.shape == (1, HEIGHT, WIDTH, 3)
        assert image.dtype == np.uint8
        self.means.append(image[0].mean(axis=1))
        maps, offsets = maps_of(self.joints)
        return {"maps": maps[None], "offsets": offsets[None]}

    def facts(self) -> Mapping[str, str]:
        return {}


def frame(width: int, height: int) -> Frame:
    color = np.full((height, width, 3), 200, np.uint8)
    return Frame(7, "camera_a", "optical", LENS, color, np.ones((height, width)), toward(0.0))


@pytest.mark.parametrize(("width", "height", "scale"), [(640, 480, 2.0), (320, 240, 1.0)])
def test_pixels_are_those_of_the_cameras_image(width: int, height: int, scale: float) -> None:
    true = person(100.0, 90.0)
    found = LearnedKeypoints(Perfect(true)).find(frame(width, height))
    assert (found.stamp, found.camera_name) == (7, "camera_a")
    expected = (true + 0.5) * scale - 0.5
    assert np.linalg.norm(found.pixels[0] - expected, axis=1).max() < 0.5 * scale


def test_what_is_found_beside_a_wide_image_is_dropped() -> None:
    network = Perfect(person(100.0, 120.0))
    found = LearnedKeypoints(network).find(frame(1280, 720))
    below = (network.joints[:, 1] > 181.0).nonzero()[0]
    assert len(below) > 0
    assert np.isnan(found.pixels[0, below]).all()
    assert (found.confidence[0, below] == 0.0).all()
    assert np.allclose(network.means[0][:179], 200)
    assert np.allclose(network.means[0][181:], 112)


def test_no_image_outlives_the_search() -> None:
    source = LearnedKeypoints(Perfect(person(100.0)))
    seen = frame(640, 480)
    kept = weakref.ref(seen.color)
    found = source.find(seen)
    del seen
    gc.collect()
    assert len(found.pixels) == 1
    assert kept() is None


def test_a_network_of_something_else_is_refused_by_name() -> None:
    network = Perfect(person(100.0))
    network.outputs = {"y": (1, 4)}
    with pytest.raises(ModelError, match="perfect-0 finds no keypoints"):
        LearnedKeypoints(network)


def test_the_shipped_network_finds_a_rendered_person_and_nobody_in_an_empty_image() -> None:
    source = learned_keypoints("cpu")
    picture = np.asarray(cv2.imread(str(PERSON), cv2.IMREAD_COLOR))[..., ::-1]
    seen = replace(frame(320, 240), color=np.ascontiguousarray(picture))
    found, again = source.find(seen), source.find(seen)
    assert len(found.pixels) == 1
    apart = np.linalg.norm(found.pixels[0] - JOINTS_OF_PERSON, axis=1)
    assert np.nanmedian(apart) < 6.0
    assert (apart < 15.0).sum() >= 13
    assert (found.pixels.tobytes(), found.confidence.tobytes()) == (
        again.pixels.tobytes(), again.confidence.tobytes()
    )  # fmt: skip
    assert source.find(frame(320, 240)).pixels.shape == (0, COUNT, 2)
