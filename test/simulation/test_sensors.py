"""Sensor errors have the statistics that they claim, and the same seed gives the same errors."""

from __future__ import annotations

import numpy as np
import pytest
from small_scene import PERFECT

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_simulation.odometry import Drift
from perception_simulation.sensors import CameraNoise
from perception_simulation.specification import DepthSensor, Odometry

SHAPE = (120, 160)


def sensor(**keys: float) -> DepthSensor:
    perfect = {name: getattr(PERFECT, name) for name in PERFECT.__dataclass_fields__}
    return DepthSensor(**{**perfect, **keys})


def wall(depth: float) -> Floats:
    return np.full(SHAPE, depth, np.float32)


def step() -> Floats:
    depth = wall(2.0)
    depth[:, 80:] = 1.0
    return depth


def test_a_perfect_sensor_changes_nothing() -> None:
    noise = CameraNoise(PERFECT, 0, 0)
    np.testing.assert_array_equal(noise.depth(step(), 0), step())
    color = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3)).astype(np.uint8)
    np.testing.assert_array_equal(noise.color(color, 0), color)


@pytest.mark.parametrize("distance", [0.5, 1.0, 3.0])
def test_axial_noise_grows_with_the_square_of_the_distance(distance: float) -> None:
    measured = CameraNoise(sensor(axial_noise=0.002), 0, 0).depth(wall(distance), 0)
    assert float(measured.std()) == pytest.approx(0.002 * distance**2, rel=0.05)
    assert float(measured.mean()) == pytest.approx(distance, abs=0.001)


def test_depth_comes_in_steps_that_grow_with_the_square_of_the_distance() -> None:
    ramp = np.linspace(0.5, 4.0, 120 * 160, dtype=np.float32).reshape(SHAPE)
    measured = np.unique(CameraNoise(sensor(quantization=0.01), 0, 0).depth(ramp, 0))
    gaps = np.diff(measured)
    middle = measured[:-1] + gaps / 2.0
    np.testing.assert_allclose(gaps, 0.01 * middle**2, rtol=0.1)


def test_readings_are_missing_at_edges_and_nowhere_else() -> None:
    measured = CameraNoise(sensor(edge_holes=0.5), 0, 0).depth(step(), 0)
    missing = np.isnan(measured).mean(axis=0)
    assert 0.35 < missing[79] < 0.65
    assert 0.35 < missing[80] < 0.65
    assert missing[:79].sum() + missing[81:].sum() == 0.0


def test_the_wanted_share_of_readings_drops_out() -> None:
    measured = CameraNoise(sensor(dropouts=0.05), 0, 0).depth(wall(1.0), 0)
    assert float(np.isnan(measured).mean()) == pytest.approx(0.05, abs=0.01)


def test_nothing_is_read_outside_the_range_or_where_nothing_is() -> None:
    depth = wall(1.0)
    depth[:10], depth[10:20], depth[20:30] = 0.1, 9.0, np.nan
    measured = CameraNoise(sensor(minimum=0.2, maximum=5.0), 0, 0).depth(depth, 0)
    assert np.isnan(measured[:30]).all()
    assert not np.isnan(measured[30:]).any()


def test_edges_fray_to_one_surface_or_the_other() -> None:
    measured = CameraNoise(sensor(lateral_noise=1.0), 0, 0).depth(step(), 0)
    changed = measured != step()
    assert changed[:, 79:81].any()
    assert not changed[:, :79].any()
    assert set(np.unique(measured)) == {1.0, 2.0}


def test_each_frame_has_errors_of_its_own_that_come_again() -> None:
    first, again = CameraNoise(DepthSensor(), 3, 0), CameraNoise(DepthSensor(), 3, 0)
    a = first.depth(step(), 5)
    again.depth(step(), 4)
    np.testing.assert_array_equal(a, again.depth(step(), 5))
    assert not np.array_equal(a, first.depth(step(), 6), equal_nan=True)
    assert not np.array_equal(a, CameraNoise(DepthSensor(), 3, 1).depth(step(), 5), equal_nan=True)
    assert not np.array_equal(a, CameraNoise(DepthSensor(), 4, 0).depth(step(), 5), equal_nan=True)


def test_color_noise_has_the_wanted_strength() -> None:
    gray = np.full((*SHAPE, 3), 128, np.uint8)
    noisy = CameraNoise(sensor(color_noise=3.0), 0, 0).color(gray, 0)
    assert float(noisy.astype(float).std()) == pytest.approx(3.0, rel=0.05)


def walk(odometry: Odometry, seed: int, meters: int) -> float:
    drift = Drift(odometry, seed, 0)
    for number in range(meters * 10 + 1):
        true = Pose(np.eye(3), np.array([0.1 * number, 0.0, 0.0]))
        believed = drift.believed(true)
    return float(np.linalg.norm(believed.translation - true.translation))


def test_drift_grows_with_the_root_of_the_way() -> None:
    odometry = Odometry(position_drift=0.02)
    short = np.sqrt(np.mean([walk(odometry, s, 1) ** 2 for s in range(40)]))
    long = np.sqrt(np.mean([walk(odometry, s, 9) ** 2 for s in range(40)]))
    assert short == pytest.approx(0.02 * np.sqrt(3.0), rel=0.25)
    assert long == pytest.approx(3.0 * short, rel=0.35)


def test_a_yaw_error_bends_the_way_and_keeps_the_level() -> None:
    drift = Drift(Odometry(yaw_drift=0.05), 0, 0)
    for number in range(100):
        true = Pose(np.eye(3), np.array([0.1 * number, 0.0, 1.0]))
        believed = drift.believed(true)
    assert abs(believed.translation[1]) > 0.02
    assert believed.translation[2] == pytest.approx(1.0)
    np.testing.assert_allclose(believed.rotation[2], (0.0, 0.0, 1.0), atol=1e-9)


def test_without_drift_the_true_pose_is_believed() -> None:
    assert walk(Odometry(), 0, 3) == 0.0
