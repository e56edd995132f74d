from __future__ import annotations

import numpy as np

from perception_nodes.objects.filter import MotionFilter
from perception_nodes.objects.parameters import TrackerParameters

PARAMETERS = TrackerParameters()
NOISE = np.eye(3) * 0.005**2
DT = 1.0 / 15.0


def started() -> MotionFilter:
    return MotionFilter.start(np.zeros(3), NOISE)


def test_the_error_of_an_object_at_rest_is_as_large_as_the_filter_says() -> None:
    """Normalized estimation error squared over many runs: 3 on average for an honest filter."""
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(300):
        first = rng.normal(0, 0.005, 3)
        motion = MotionFilter.start(first, NOISE)
        for _ in range(20):
            motion.predict(DT, hidden=False, parameters=PARAMETERS)
            motion.update(rng.normal(0, 0.005, 3), NOISE, DT, PARAMETERS)
        p = motion.position
        errors.append(float(p @ np.linalg.solve(motion.covariance[:3, :3], p)))
    assert 1.5 < np.mean(errors) < 3.6


def test_a_moving_object_is_followed_with_its_velocity() -> None:
    rng = np.random.default_rng(1)
    motion = started()
    for step in range(1, 46):
        motion.predict(DT, hidden=False, parameters=PARAMETERS)
        truth = np.array([0.2 * step * DT, 0.0, 0.0])
        motion.update(truth + rng.normal(0, 0.003, 3), NOISE, DT, PARAMETERS)
    assert motion.moving
    assert np.allclose(motion.position, truth, atol=0.01)
    assert np.allclose(motion.velocity, [0.2, 0.0, 0.0], atol=0.07)


def test_an_object_hidden_while_moving_comes_to_rest() -> None:
    motion = started()
    motion.moving, motion.velocity = True, np.array([0.3, 0.0, 0.0])
    for _ in range(60):
        motion.predict(DT, hidden=True, parameters=PARAMETERS)
    assert not motion.moving
    assert 0.05 < motion.position[0] < 0.12
    assert motion.covariance[0, 0] > NOISE[0, 0]


def test_covariances_stay_symmetric_and_positive() -> None:
    rng = np.random.default_rng(2)
    motion = started()
    for step in range(500):
        motion.predict(DT, hidden=step % 7 == 0, parameters=PARAMETERS)
        motion.update(rng.normal(0, 0.05, 3), NOISE, DT, PARAMETERS)
        assert np.allclose(motion.covariance, motion.covariance.T, atol=1e-12)
        assert np.linalg.eigvalsh(motion.covariance)[0] >= -1e-12
