"""What the Kalman filter foresees, and how it is shown and recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from beliefs import SECOND, state
from color_finder import ColorFinder
from tabletop import PERIOD, Box, observe

from perception_nodes.bags.reader import open_bag
from perception_nodes.cjepa.kalman_futures import FutureParameters, KalmanFutures
from perception_nodes.cjepa.source import Futures
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.recorder import Recorder
from perception_nodes.ros.conversion import influences_from_msg, predictions_from_msg
from perception_nodes.ros.factory import RosbagsFactory
from perception_nodes.ros.future_markers import future_markers
from perception_nodes.ros.geometry_messages import header_to_msg
from perception_nodes.scene import Influence, ObjectState, Prediction, Sample

FACTORY = RosbagsFactory()
RESTING = state("o1", SECOND, twist_covariance=np.zeros((6, 6)))
ROLLING = state("o2", SECOND, (0.5, 0.0, 0.0), velocity=np.array([0.2, 0.0, 0.0]))


def future(of: ObjectState, parameters: FutureParameters | None = None) -> Prediction:
    return KalmanFutures(parameters).foresee(of.stamp, [of]).predictions[0]


def test_what_rests_stays_and_its_uncertainty_grows() -> None:
    prediction = future(RESTING)
    assert prediction.id == "o1"
    assert [stamp - SECOND for stamp in prediction.stamps] == [
        SECOND // 2, SECOND, 3 * SECOND // 2, 2 * SECOND,
    ]  # fmt: skip
    for pose in prediction.poses:
        np.testing.assert_array_equal(pose.translation, RESTING.position)
    deviations = np.sqrt(prediction.covariances[:, 0, 0])
    assert (np.diff(deviations) > 0).all()
    assert 0.01 < deviations[-1] < 0.02


def test_what_moves_comes_to_rest_where_friction_leaves_it() -> None:
    parameters = FutureParameters(horizons=(0.1, 100.0), slowing_time=0.4)
    near, far = future(ROLLING, parameters).poses
    assert near.translation[0] == pytest.approx(0.5 + 0.2 * 0.4 * (1 - np.exp(-0.25)))
    assert far.translation[0] == pytest.approx(0.5 + 0.2 * 0.4)


def test_the_uncertainty_of_what_moves_is_that_of_simulated_motions() -> None:
    """The formula against 4000 integrated paths with random accelerations."""
    parameters = FutureParameters(
        horizons=(0.5, 2.0), slowing_time=0.5, acceleration=0.8, drift=0.0
    )
    rng = np.random.default_rng(4)
    step, count = 0.002, 4000
    place = rng.normal(0.5, 0.01, count)
    speed = rng.normal(0.2, 0.1, count)
    found = {}
    for number in range(1000):
        speed += -speed / 0.5 * step + 0.8 * np.sqrt(step) * rng.normal(size=count)
        place += speed * step
        found[round((number + 1) * step, 6)] = float(np.var(place))
    prediction = future(ROLLING, parameters)
    for index, ahead in enumerate(parameters.horizons):
        assert prediction.covariances[index, 0, 0] == pytest.approx(found[ahead], rel=0.1)


def test_every_covariance_is_one() -> None:
    for each in (RESTING, ROLLING):
        for covariance in future(each).covariances:
            np.testing.assert_array_equal(covariance, covariance.T)
            assert np.linalg.eigvalsh(covariance).min() > 0


def test_a_moving_object_is_shown_with_path_and_spread_and_an_influence_as_an_arrow() -> None:
    predictions = KalmanFutures().foresee(SECOND, (RESTING, ROLLING)).predictions
    influences = (
        Influence("o1", "o2", 0.7, 0.1),
        Influence("o2", "o1", 0.01, 0.1),
        Influence("o9", "o1", 0.9, 0.1),
    )
    header = header_to_msg(SECOND, "map", FACTORY)
    markers = future_markers((RESTING, ROLLING), predictions, influences, header, FACTORY)
    path, spread, arrow = markers
    assert [m.ns for m in markers] == ["futures", "future_spread", "influences"]
    assert [p.x for p in path.points[:1]] == [0.5]
    assert path.points[-1].x == spread.pose.position.x > 0.52
    deviation = np.sqrt(np.linalg.eigvalsh(predictions[1].covariances[-1, :3, :3])[-1])
    assert spread.scale.z == pytest.approx(4.0 * deviation)
    assert (arrow.points[0].x, arrow.points[1].x) == (0.0, 0.5)
    assert arrow.color.a == pytest.approx(0.7)


class Pushing:
    """Foresees that every object will be where the last one is."""

    model_id = "pushing"

    def foresee(self, stamp: int, objects: Sequence[ObjectState]) -> Futures:
        goal = objects[-1].pose if objects else None
        predictions = tuple(
            Prediction(o.id, (stamp + SECOND,), (goal,), np.eye(6)[None]) for o in objects if goal
        )
        return Futures(predictions, tuple(Influence("o1", o.id, 0.5, 0.25) for o in objects[1:]))

    def reset(self) -> None:
        pass


def test_futures_and_influences_of_any_source_are_recorded(tmp_path: Path) -> None:
    blue = (60.0, 60.0, 200.0)
    other = Box((0.0, 0.3, 0.06), (0.07, 0.07, 0.12), blue)
    boxes = (Box((0.0, 0.0, 0.05), (0.08, 0.08, 0.1)), other)
    pipeline = Pipeline(ColorFinder(), ObjectTracker(), futures=Pushing())
    with Recorder(tmp_path / "a.mcap") as recorder:
        for number in range(8):
            frame, _ = observe(boxes, (number + 1) * PERIOD)
            state = pipeline.process(frame)
            recorder.write(Sample(frame, None), state, {})
    assert len(state.objects) == 2
    with open_bag(tmp_path / "a.mcap") as bag:
        last = {message.topic: message.data for message in bag.messages()}
    (moving,) = predictions_from_msg(last["/predictions"])
    assert moving.id == "o1"
    np.testing.assert_allclose(moving.poses[0].translation, state.objects[1].position)
    assert influences_from_msg(last["/influences"]) == (Influence("o1", "o2", 0.5, 0.25),)
    shown = {marker.ns for marker in last["/objects_markers"].markers}
    assert {"futures", "influences"} <= shown
