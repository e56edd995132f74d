"""Gaps between moving shapes, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from perception_nodes.planner.sweep import (
    RESOLUTION,
    Path,
    box_gap,
    segment_distance,
    too_close,
    tool_gap,
)

RNG = np.random.default_rng(8)


def surface(pose: np.ndarray, half: np.ndarray, count: int = 13) -> np.ndarray:
    """A grid of points that fills an upright box."""
    axes = [np.linspace(-h, h, count) for h in half]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    c, s = np.cos(pose[3]), np.sin(pose[3])
    turned = grid @ np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]).T
    return np.asarray(turned + pose[:3])


def to_box(points: np.ndarray, pose: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Distances of points from a box; 0 inside."""
    c, s = np.cos(pose[3]), np.sin(pose[3])
    local = (points - pose[:3]) @ np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return np.asarray(np.linalg.norm(np.maximum(np.abs(local) - half, 0.0), axis=-1))


@pytest.mark.parametrize("trial", range(25))
def test_the_distance_of_boxes_is_that_of_their_points(trial: int) -> None:
    rng = np.random.default_rng(trial)
    a, b = rng.uniform(-0.2, 0.2, (2, 4)) * [1.0, 1.0, 1.0, 15.0]
    first, second = rng.uniform(0.01, 0.08, (2, 3))
    gap = float(box_gap(a[None], first[None], b[None], second[None])[0])
    brute = float(to_box(surface(a, first), b, second).min())
    fine = float(np.linalg.norm(first) / 6.0)
    if gap > 0.0:
        assert gap <= brute + 1e-9
        assert brute <= gap + fine
    else:
        assert brute <= fine
        assert -gap <= first[2] + second[2] - abs(a[2] - b[2]) + 1e-9


def test_how_deep_boxes_overlap_is_the_shortest_way_out() -> None:
    half = np.array([[0.05, 0.05, 0.05]])
    one, other = np.zeros((1, 4)), np.array([[0.09, 0.02, 0.0, 0.0]])
    assert box_gap(one, half, other, half)[0] == pytest.approx(-0.01)
    turned = np.array([[0.05 + 0.05 * np.sqrt(2) - 0.01, 0.0, 0.0, np.pi / 4]])
    assert box_gap(one, half, turned, half)[0] == pytest.approx(-0.01)


@pytest.mark.parametrize("trial", range(25))
def test_the_distance_of_the_pusher_is_that_of_the_points_of_a_box(trial: int) -> None:
    rng = np.random.default_rng(100 + trial)
    pose = rng.uniform(-0.2, 0.2, 4) * [1.0, 1.0, 1.0, 15.0]
    half, tip = rng.uniform(0.01, 0.08, 3), rng.uniform(-0.2, 0.2, 3)
    gap = float(tool_gap(tip[None], pose[None], half[None], 0.012, 0.184)[0])
    points = surface(pose, half, 25)
    axis = np.clip(points[:, 2], tip[2] + 0.012, tip[2] + 0.172)
    off = np.stack([points[:, 0] - tip[0], points[:, 1] - tip[1], points[:, 2] - axis], -1)
    brute = float(np.linalg.norm(off, axis=1).min()) - 0.012
    if gap > 0.0:
        assert gap - 1e-9 <= brute <= gap + float(np.linalg.norm(half)) / 12.0
    else:
        assert brute <= float(np.linalg.norm(half)) / 12.0


def test_the_distance_of_segments_is_that_of_their_points_also_if_parallel_or_points() -> None:
    ends = RNG.uniform(-1.0, 1.0, (4, 60, 3))
    ends[1, :10] = ends[0, :10]
    ends[3, 10:20] = ends[2, 10:20]
    ends[3, 20:30] = ends[2, 20:30] + (ends[1, 20:30] - ends[0, 20:30])
    share = np.linspace(0.0, 1.0, 101)[:, None, None]
    p, r = (ends[k] + share * (ends[k + 1] - ends[k]) for k in (0, 2))
    brute = np.linalg.norm(p[:, None] - r[None], axis=-1).min(axis=(0, 1))
    exact = segment_distance(*ends)
    assert (exact <= brute + 1e-9).all()
    assert (brute <= exact + 0.03).all()


def two_things(approach: float) -> tuple[Path, Path]:
    """Two points that pass each other between two samples, at that distance."""
    one = np.array([[[-1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]])
    other = np.array([[[1.0, approach], [-1.0, approach], [-1.0, approach]]])
    return Path(one, 0.5), Path(other, 0.5)


@pytest.mark.parametrize(("approach", "hit"), [(0.09, True), (0.0995, True), (0.101, False)])
def test_what_happens_between_samples_is_seen(approach: float, hit: bool) -> None:
    one, other = two_things(approach)

    def gap(pairs: np.ndarray, times: np.ndarray) -> np.ndarray:
        return np.asarray(
            np.linalg.norm(one.at(pairs, times) - other.at(pairs, times), axis=1) - 0.1
        )

    found = too_close(gap, one.rates() + other.rates(), 0.5)
    assert bool(found) == hit
    if hit:
        assert found[0].time == pytest.approx(0.25, abs=0.02)


def test_what_is_nearer_to_its_limit_than_can_be_told_counts_as_too_close() -> None:
    def gap(pairs: np.ndarray, times: np.ndarray) -> np.ndarray:
        return np.full(len(pairs), RESOLUTION / 10.0) + 0.0 * times

    assert too_close(gap, np.full((1, 3), 0.2), 0.1)


def test_a_gap_that_is_no_number_counts_as_too_close() -> None:
    def gap(pairs: np.ndarray, times: np.ndarray) -> np.ndarray:
        return np.where(times > 0.2, np.nan, 1.0) + 0.0 * pairs

    assert [hit.pair for hit in too_close(gap, np.full((2, 3), 0.01), 0.1)] == [0, 1]
