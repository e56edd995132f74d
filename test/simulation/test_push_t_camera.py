"""Push-T seen by a camera: where the T is believed to be, and when it can't be seen."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Frame, SceneState, Visibility
from perception_simulation.push_t import CENTER, NAME, SHAPE, SPEED, Board
from perception_simulation.push_t_camera import FIRST_LOOKS, BoardCamera
from perception_simulation.push_t_pose import find, follow, outside
from perception_simulation.specification import TABLE_HEIGHT


def _random(seed: int) -> Board:
    rng = np.random.default_rng(seed)
    pose = np.array([*rng.uniform(-0.15, 0.15, 2), rng.uniform(-math.pi, math.pi)])
    around = rng.uniform(-math.pi, math.pi)
    return Board(pose, pose[:2] + 0.1 * np.array([math.cos(around), math.sin(around)]))


def _look_first(board: Board, camera: BoardCamera) -> None:
    for _ in range(FIRST_LOOKS):
        board.step(np.zeros(2))
        camera.look()


def _error(board: Board, camera: BoardCamera) -> Floats:
    """(3,) m, m, rad."""
    state = camera.state()
    assert state is not None
    turn = state.pose.rotation
    off = np.append(state.position[:2], math.atan2(turn[1, 0], turn[0, 0])) - board.pose()
    off[2] = (off[2] + math.pi) % (2.0 * math.pi) - math.pi
    return off


@pytest.mark.usefixtures("rendering")
def test_the_place_and_heading_of_a_t_are_told_by_images_and_as_sure_as_they_are() -> None:
    squared = []
    for seed in range(5):
        board = _random(seed)
        with closing(BoardCamera(board, seed)) as camera:
            assert camera.look() is None
            _look_first(board, camera)
            error, state = _error(board, camera), camera.state()
        assert state is not None
        assert np.hypot(*error[:2]) < 1e-3
        assert abs(error[2]) < math.radians(0.5)
        sure = state.pose_covariance[np.ix_((0, 1, 5), (0, 1, 5))]
        squared.append(error @ np.linalg.solve(sure, error))
        assert np.sqrt(np.diag(sure)).max() < 0.02
    assert np.mean(squared) < 3.0  # as many as there are numbers


@pytest.mark.usefixtures("rendering")
def test_a_t_is_followed_while_it_is_pushed_and_turned() -> None:
    board = Board(np.array([0.0, 0.0, 0.4]), np.array([-0.12, 0.03]))
    with closing(BoardCamera(board, 1)) as camera:
        _look_first(board, camera)
        start, errors = board.pose(), []
        for _ in range(16):
            board.step(np.array([SPEED, 0.0]))
            camera.look()
            errors.append(_error(board, camera))
        moved = board.pose() - start
    assert np.hypot(*moved[:2]) > 0.03
    assert abs(moved[2]) > 0.2
    assert np.hypot(*np.array(errors).T[:2]).max() < 2e-3
    assert np.abs(np.array(errors)[:, 2]).max() < math.radians(1.5)
    assert camera.registered > camera.frames - 5


@pytest.mark.usefixtures("rendering")
def test_the_tool_is_no_object_and_no_part_of_the_t() -> None:
    board = Board(np.array([0.0, 0.0, 0.0]), np.array([-0.08, 0.03]))
    top, highest = TABLE_HEIGHT + SHAPE.height, []
    with closing(BoardCamera(board, 2)) as camera:
        process = camera._pipeline.process

        def seen(frame: Frame) -> SceneState:
            assert frame.pose is not None
            points = frame.pose.apply(frame.camera.rays() * frame.depth[..., None])
            highest.append(float(np.nanmax(points[..., 2])))
            scene = process(frame)
            assert len(scene.slots.items) == 1
            return scene

        camera._pipeline.process = seen  # type: ignore[method-assign]
        _look_first(board, camera)
        for _ in range(5):
            board.step(np.array([SPEED, 0.0]))
            camera.look()
        assert board.pose()[0] > 0.01
        assert np.hypot(*_error(board, camera)[:2]) < 2e-3
    assert len(highest) == camera.frames
    assert max(highest) < top + 0.01


@pytest.mark.usefixtures("rendering")
def test_a_t_that_is_gone_stays_where_it_was_last_believed_and_is_found_again() -> None:
    board = Board(np.array([0.05, 0.0, 1.0]), np.array([-0.1, 0.1]))
    with closing(BoardCamera(board, 3)) as camera:
        _look_first(board, camera)
        known, at = camera.state(), board.world.motion(NAME).pose
        assert known is not None
        registered = camera.registered
        for _ in range(8):
            away = Pose(at.rotation, np.array([5.0, 5.0, 0.0]))
            board.world.place({NAME: away}, board.world.time + 0.1)
            still = camera.look()
            assert still is not None
            assert np.array_equal(still.position, known.position)
            assert still.stamp == board.world.stamp
            assert still.last_seen == known.last_seen
            assert still.visibility is Visibility.LOST
        assert camera.registered == registered
        turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        back = Pose(turn @ at.rotation, at.translation + np.array([-0.04, 0.0, 0.0]))
        for _ in range(8):
            board.world.place({NAME: back}, board.world.time + 0.1)
            found = camera.look()
        assert found is not None
        assert found.visibility is Visibility.VISIBLE
        assert np.hypot(*_error(board, camera)[:2]) < 2e-3
        assert abs(_error(board, camera)[2]) < math.radians(1.0)


@pytest.mark.usefixtures("rendering")
def test_a_t_is_followed_where_the_tracker_loses_it_but_the_finder_does_not() -> None:
    board = Board(np.array([0.0, 0.0, 0.4]), np.array([-0.12, 0.03]))
    with closing(BoardCamera(board, 1)) as camera:
        _look_first(board, camera)
        process = camera._pipeline.process
        camera._pipeline.process = lambda f: replace(process(f), objects=())  # type: ignore[method-assign]
        for _ in range(10):
            board.step(np.array([SPEED, 0.0]))
            camera.look()
        assert camera.registered > camera.frames - 5
        assert np.hypot(*_error(board, camera)[:2]) < 2e-3


def _pixels(pose: Floats) -> tuple[Floats, Floats]:
    """Where rays cross the plane of the top, and how far outside of a T that is."""
    line = np.arange(-0.1, 0.1, 0.0025)
    points = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2) + pose[:2]
    return points, outside(points, pose)


@pytest.mark.parametrize("heading", [-3.0, -1.2, 0.3, 2.2])
def test_a_t_half_of_which_says_nothing_is_registered_from_nothing_known(heading: float) -> None:
    pose = np.array([0.1, -0.05, heading])
    points, gap = _pixels(pose)
    told = points[:, 0] - points[:, 1] < 0.165  # a shadow over a part of it
    assert 0.5 < np.count_nonzero(gap[told] < 0) / np.count_nonzero(gap < 0) < 0.95
    fit = find(points[told], gap[told] < 0.0)
    assert fit.pose[:2] == pytest.approx(pose[:2], abs=1e-3)
    assert math.remainder(fit.pose[2] - heading, 2.0 * math.pi) == pytest.approx(0.0, abs=0.02)
    assert fit.disagreement < 0.05


def test_what_is_no_t_disagrees() -> None:
    points, _ = _pixels(np.zeros(3))
    assert find(points, np.hypot(*points.T) < 0.045).disagreement > 0.3
    assert find(points, (np.abs(points) < 0.04).all(axis=1)).disagreement > 0.3


def test_a_follower_starts_where_the_t_was_and_knows_its_outline() -> None:
    pose = np.array([0.0, 0.0, 0.5])
    points, gap = _pixels(pose)
    fit = follow(points, gap < 0.0, pose + np.array([0.015, -0.01, 0.2]))
    assert fit.pose == pytest.approx(pose, abs=2e-3)
    stem_end = np.array([[0.0, -SHAPE.length / 2.0 - CENTER[1]]])
    assert outside(stem_end, np.zeros(3)) == pytest.approx(0.0, abs=1e-9)
    seam = np.array([[0.0, SHAPE.length / 2.0 - SHAPE.thickness - CENTER[1]]])
    assert outside(seam, np.zeros(3)) == pytest.approx(-SHAPE.thickness / 2.0, abs=1e-9)
