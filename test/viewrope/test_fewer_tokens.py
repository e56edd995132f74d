"""Key frames of which only anchors are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from fake_encoder import FakeEncoder
from tabletop import PERIOD, Box, look_at, observe

from perception_kernels.transport import unlike_mean
from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.viewrope.encoding import Sight, picture, sight
from perception_nodes.viewrope.keyframes import KeyFrames
from perception_nodes.viewrope.learned import LearnedFinder

MUG = Box((0.0, 0.0, 0.05), (0.08, 0.08, 0.1))
ROWS, COLUMNS = 15, 20


def around(degrees: float) -> Pose:
    angle = np.deg2rad(degrees)
    return look_at((0.9 * np.cos(angle), 0.9 * np.sin(angle), 0.8), (0.0, 0.0, 0.0))


def see(degrees: float, number: int) -> Sight:
    frame, _ = observe((MUG,), number * 10**9, around(degrees))
    return sight(frame, picture(frame, 160, 120), ROWS, COLUMNS)


def tokens_with_a_small_thing(at: int) -> Floats:
    """Background that is nearly all the same, and one patch that is not."""
    rng = np.random.default_rng(0)
    tokens = np.tile(rng.normal(size=12), (ROWS * COLUMNS, 1)) + 0.01 * rng.normal(size=(300, 12))
    tokens[at] = rng.normal(size=12)
    return tokens.astype(np.float32)


def test_a_key_frame_keeps_so_many_tokens_with_their_geometry_and_the_small_thing() -> None:
    memory, seen = KeyFrames(anchors=16), see(0.0, 0)
    memory.arrive(seen)
    tokens = tokens_with_a_small_thing(137)
    assert memory.observe(seen, tokens)
    (key,) = memory.frames()
    assert key.tokens.shape == (16, 12)
    assert 137 in key.patches
    np.testing.assert_array_equal(key.rays, seen.rays[key.patches])
    np.testing.assert_array_equal(key.places, seen.places[key.patches])
    small = key.tokens[list(key.patches).index(137)].astype(np.float64)
    cosine = small @ tokens[137] / np.linalg.norm(small) / np.linalg.norm(tokens[137])
    assert cosine > 0.95
    assert unlike_mean(tokens).argmax() == 137


def test_more_key_frames_of_fewer_tokens_fill_the_same_inputs() -> None:
    encoder = FakeEncoder()
    finder = LearnedFinder(encoder, KeyFrames(anchors=75))
    for number in range(7):
        frame, _ = observe((MUG,), (number + 1) * 10**9, around(12.0 * number))
        finder.find(replace(frame, stamp=number * PERIOD * 15))
    given = encoder.given[-1]
    assert given["memory_valid"].tolist() == [[1.0, 1.0, 0.0, 0.0]]  # six of 75 fill one and a half
    filled = given["memory_rays"][0, 1].reshape(4, 75, -1)
    np.testing.assert_array_equal(filled[0], filled[2])  # repeated, so that none is empty
    assert not np.array_equal(filled[0], filled[1])


def test_all_tokens_are_kept_unless_fewer_are_asked_for() -> None:
    memory, seen = KeyFrames(), see(0.0, 0)
    memory.arrive(seen)
    memory.observe(seen, tokens_with_a_small_thing(5))
    (key,) = memory.frames()
    assert len(key.tokens) == 300
    np.testing.assert_array_equal(key.patches, np.arange(300))
