"""Which frames are remembered, which are chosen, and that the cost stays bounded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tabletop import AWAY, DEFAULT_VIEW, PERIOD, Box, look_at, observe

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.viewrope import keyframes
from perception_nodes.viewrope.encoding import Sight, picture, sight
from perception_nodes.viewrope.keyframes import KeyFrames, pool

MUG = Box((0.0, 0.0, 0.05), (0.08, 0.08, 0.1))
CRATE = Box((0.0, 0.1, 0.15), (0.3, 0.3, 0.3))
ROWS, COLUMNS = 15, 20


def see(
    pose: Pose = DEFAULT_VIEW,
    number: int = 0,
    boxes: tuple[Box, ...] = (MUG,),
    name: str = "camera",
) -> Sight:
    frame, _ = observe(boxes, number * PERIOD, pose, name)
    return sight(frame, picture(frame, 160, 120), ROWS, COLUMNS)


def circle(degrees: float, target: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Pose:
    """Looking at a place on the table from around it."""
    angle = np.deg2rad(degrees)
    return look_at((0.9 * np.cos(angle), 0.9 * np.sin(angle), 0.8), target)


def turned(degrees: float, eye: tuple[float, float, float] = (-0.9, 0.0, 0.8)) -> Pose:
    """At one place, looking around."""
    angle = np.deg2rad(degrees)
    return look_at(eye, (eye[0] + np.cos(angle), eye[1] + np.sin(angle), eye[2] - 0.6))


def tokens(seed: float = 0.0, size: int = 12) -> Floats:
    values = np.random.default_rng(int(seed * 1000)).normal(size=(ROWS * COLUMNS, size))
    return np.asarray(values, dtype=np.float32)


def remember(memory: KeyFrames, *sights: Sight) -> list[bool]:
    kept = []
    for number, each in enumerate(sights):
        memory.arrive(each)
        kept.append(memory.observe(each, tokens(number)))
    return kept


def slow(pose: Pose, number: int, **options: object) -> Sight:
    """A second apart, so that no step is implausible."""
    return replace(see(pose, **options), stamp=number * 10**9)  # type: ignore[arg-type]


def test_a_camera_at_rest_gives_one_key_frame() -> None:
    memory = KeyFrames()
    assert remember(memory, *(see(number=i) for i in range(5))) == [True] + 4 * [False]
    assert len(memory) == 1


@pytest.mark.parametrize(("degrees", "new"), [(8.0, False), (12.0, True)])
def test_turning_by_more_than_ten_degrees_gives_a_new_one(degrees: float, new: bool) -> None:
    kept = remember(KeyFrames(), slow(turned(0.0), 0), slow(turned(degrees), 1))
    assert kept == [True, new]


@pytest.mark.parametrize(("step", "new"), [(0.12, False), (0.18, True)])
def test_moving_by_more_than_fifteen_centimeters_gives_a_new_one(step: float, new: bool) -> None:
    eye = (-0.9, step, 0.8)
    assert remember(KeyFrames(), slow(turned(0.0), 0), slow(turned(0.0, eye), 1)) == [True, new]


def test_a_change_of_the_scene_gives_a_new_one_and_keeps_the_old_one() -> None:
    memory = KeyFrames()
    assert remember(memory, see(), see(number=1, boxes=(MUG, CRATE))) == [True, True]
    assert len(memory) == 2


def test_each_camera_has_its_own_last_key_frame_but_all_share_the_memory() -> None:
    memory = KeyFrames()
    left, right = slow(turned(0.0), 0), slow(turned(20.0), 0, name="right")
    assert remember(memory, left, right) == [True, True]
    again = slow(turned(20.0), 1, name="third")
    memory.arrive(again)
    assert memory.select(again, 1)[0].sight.camera_name == "right"


def test_a_view_that_comes_back_unchanged_replaces_the_old_one() -> None:
    memory = KeyFrames()
    remember(memory, slow(turned(0.0), 0), slow(turned(40.0), 1), slow(turned(1.0), 2))
    assert len(memory) == 2
    stamps = {key.sight.stamp for key in memory.select(slow(turned(0.0), 3), 4)}
    assert 2 * 10**9 in stamps
    assert 0 not in stamps


def test_a_view_that_comes_back_changed_is_kept_beside_the_old_one() -> None:
    memory = KeyFrames()
    changed = slow(turned(0.0), 2, boxes=(MUG, CRATE))
    remember(memory, slow(turned(0.0), 0), slow(turned(70.0), 1), changed)
    assert len(memory) == 3


def test_a_small_move_that_hides_and_uncovers_much_is_no_change() -> None:
    pole = Box((-0.55, 0.0, 0.5), (0.04, 0.12, 1.0))
    eyes = ((-0.9, 0.0, 0.8), (-0.9, 0.13, 0.8))
    first, second = (slow(turned(0.0, eye), i, boxes=(MUG, pole)) for i, eye in enumerate(eyes))
    hidden = np.isfinite(first.near) & (np.abs(first.near - second.near) > 0.3)
    assert hidden.mean() > 0.08, "the test needs a move that hides much"
    assert remember(KeyFrames(), first, second) == [True, False]


def test_the_view_that_shows_the_same_comes_first_and_unrelated_ones_not_at_all() -> None:
    memory = KeyFrames()
    remember(memory, slow(DEFAULT_VIEW, 0), slow(circle(200.0), 1), slow(AWAY, 2))
    score = memory.overlap(slow(DEFAULT_VIEW, 3))
    assert score[0] > 0.9
    assert 0.2 < score[1] < score[0]
    assert score[2] == 0.0
    memory.reset()
    remember(memory, slow(AWAY, 0), slow(DEFAULT_VIEW, 1))
    chosen = memory.select(slow(circle(170.0), 2), 4)
    assert [key.sight.stamp for key in chosen] == [10**9]


def test_a_view_from_elsewhere_that_sees_only_something_in_front_counts_less() -> None:
    wall = Box((-0.3, 0.0, 0.3), (0.05, 1.6, 0.6))
    open_view, blocked = slow(circle(150.0), 0), slow(circle(150.0), 0, boxes=(MUG, wall))
    now = slow(circle(190.0, (0.2, 0.0, 0.0)), 1)
    scores = []
    for key in (open_view, blocked):
        memory = KeyFrames()
        remember(memory, key)
        scores.append(float(memory.overlap(now)[0]))
    assert scores[1] < 0.7 * scores[0]


def test_overlap_falls_as_the_camera_turns_away() -> None:
    memory = KeyFrames()
    remember(memory, slow(turned(0.0), 0))
    score = [float(memory.overlap(slow(turned(a), 1))[0]) for a in (0.0, 20.0, 40.0, 90.0)]
    assert score == sorted(score, reverse=True)
    assert score[0] > 0.9
    assert score[-1] == 0.0


def test_among_views_of_the_same_place_affinity_decides() -> None:
    memory = KeyFrames()
    poses = [circle(180.0 + 12.0 * i) for i in range(3)]
    for number, pose in enumerate(poses):
        each = slow(pose, number)
        memory.arrive(each)
        memory.observe(each, tokens(number))
    now = slow(poses[2], 3)
    memory.arrive(now)
    assert memory.select(now, 1)[0].sight.stamp == 2 * 10**9
    memory._last["camera"].pooled = pool(tokens(0), see(poses[0]).rays)
    assert memory.select(now, 1)[0].sight.stamp == 0


def test_pooled_features_that_turn_with_the_ray_do_not_depend_on_the_view() -> None:
    """A world vector that each patch writes down in the frame of its ray is found again."""
    world = np.array([0.3, -0.5, 0.8])
    pooled = []
    for pose in (DEFAULT_VIEW, AWAY):
        rays = see(pose).rays
        local = np.einsum("tji,j->ti", rays, world)
        pooled.append(pool(np.concatenate((local, -local), axis=1), rays))
    assert np.allclose(pooled[0], pooled[1], atol=1e-5)
    assert pooled[0] @ pooled[1] == pytest.approx(1.0, abs=1e-5)


def test_beyond_its_capacity_it_keeps_places_and_drops_what_is_redundant() -> None:
    memory = KeyFrames(capacity=6)
    around = [slow(turned(a), i) for i, a in enumerate((0.0, 60.0, 120.0, 180.0, 240.0, 300.0))]
    nearby = [slow(turned(300.0 + 11.0 * (i % 2)), 6 + i) for i in range(8)]
    remember(memory, *around, *nearby)
    assert len(memory) == 6
    for view in around[:5]:
        assert memory.overlap(view).max() > 0.9, "a place was forgotten"


def test_nothing_grows_with_the_length_of_the_run() -> None:
    memory = KeyFrames(capacity=8)
    sizes = []
    for i in range(40):
        remember(memory, slow(turned(15.0 * i, (-0.9, 0.05 * i, 0.8)), i))
        arrays = [a for a in vars(memory).values() if isinstance(a, np.ndarray)]
        sizes.append((len(memory), sum(a.nbytes for a in arrays)))
    assert max(n for n, _ in sizes) == 8
    assert len({size for _, size in sizes}) == 1
    assert memory._keys[0].tokens.dtype == np.float16


def test_a_pose_that_jumps_is_told_once_with_its_size() -> None:
    memory = KeyFrames()
    remember(memory, see(), see(number=1))
    shifted = Pose(DEFAULT_VIEW.rotation, DEFAULT_VIEW.translation + np.array([1.0, 0.0, 0.0]))
    told = memory.arrive(see(shifted, 2))
    assert "jumped by 1.00 m and 0 degrees" in told
    assert memory.arrive(see(shifted, 3)) == ""


def test_a_fast_but_possible_camera_does_not_jump() -> None:
    memory = KeyFrames()
    poses = [turned(10.0 * i, (-0.9, 0.1 * i, 0.8)) for i in range(4)]
    assert [memory.arrive(see(pose, i)) for i, pose in enumerate(poses)] == 4 * [""]


def test_after_a_jump_what_the_depth_image_contradicts_is_not_used() -> None:
    memory = KeyFrames()
    remember(memory, see())
    # The world's origin rises by half a meter: the old frames lie half a meter too low.
    rise = np.array([0.0, 0.0, 0.5])
    risen = Pose(DEFAULT_VIEW.rotation, DEFAULT_VIEW.translation + rise)
    now = replace(see(number=1), pose=risen, places=see().places + rise)
    assert "jumped" in memory.arrive(now)
    assert memory.select(now, 4) == []
    back = see(number=40)
    memory.arrive(back)
    assert len(memory.select(back, 4)) == 1, "what agrees with the depth is still of use"


def test_frames_without_any_depth_can_be_remembered_and_compared() -> None:
    frame, _ = observe((MUG,), 0)
    blind = replace(frame, depth=np.full_like(frame.depth, np.nan))
    seen = sight(blind, picture(blind, 160, 120), ROWS, COLUMNS)
    memory = KeyFrames()
    remember(memory, seen)
    assert 0.3 < memory.overlap(seen)[0] <= keyframes._UNKNOWN
    assert memory.overlap(replace(seen, pose=AWAY))[0] >= 0.0


def test_forgetting_forgets_all() -> None:
    memory = KeyFrames()
    remember(memory, see())
    memory.reset()
    assert len(memory) == 0
    assert memory.select(see(), 4) == []
    assert remember(memory, see()) == [True]
