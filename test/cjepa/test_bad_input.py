"""The whole pipeline with the shipped world model on input that should not come, but does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from tabletop import PERIOD, Box, observe

from perception_nodes.cjepa.foresight import Foresight
from perception_nodes.cjepa.futures import CjepaFutures
from perception_nodes.cjepa.loading import load_world_model
from perception_nodes.cjepa.model import MAX_BODIES, WorldModel
from perception_nodes.geometry.pose import Pose
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.scene import (
    LATENT_SIZE,
    Frame,
    ObjectState,
    SceneState,
    Slots,
    Visibility,
)

SECOND = 1_000_000_000
MUG = Box((0.0, 0.0, 0.05), (0.08, 0.08, 0.1))
CAN = Box((0.0, 0.25, 0.06), (0.07, 0.07, 0.12), (60.0, 60.0, 200.0))


class Given:
    """A slot source that says what it was given."""

    model_id = "given"

    def __init__(self) -> None:
        self.slots: Slots | None = None

    def find(self, _frame: Frame) -> Slots:
        assert self.slots is not None
        return self.slots

    def reset(self) -> None: ...


class Run:
    """A pipeline that foresees with the world model."""

    def __init__(self, model: WorldModel, known: Sequence[ObjectState] = ()) -> None:
        self.source, self.foresight = Given(), Foresight(model)
        self.tracker = ObjectTracker(motion=self.foresight.motion)
        self.tracker.restore(known)
        f = self.foresight
        self.pipeline = Pipeline(self.source, self.tracker, None, f.futures, f.events, f.learn)

    def show(
        self, boxes: Sequence[Box], stamp: int, latent: np.ndarray | None = None
    ) -> SceneState:
        frame, slots = observe(boxes, stamp)
        items = tuple(replace(slot, latent=latent) for slot in slots.items)
        self.source.slots = replace(slots, items=items)
        state = self.pipeline.process(frame)
        for item in state.objects:
            assert np.isfinite(item.position).all()
            assert np.isfinite(item.pose_covariance).all()
        assert [p.id for p in state.predictions] == [s.id for s in state.objects]
        return state

    def go_on(self, boxes: Sequence[Box], first: int, count: int = 8) -> SceneState:
        for k in range(count):
            state = self.show(boxes, first + k * PERIOD)
        return state


@pytest.fixture(scope="module")
def model() -> WorldModel:
    return load_world_model(device="cpu")


def remembered(number: int, x: float) -> ObjectState:
    return ObjectState(
        id=f"o{number}",
        stamp=0,
        pose=Pose(np.eye(3), np.array([x, 2.0, 0.03])),
        pose_covariance=np.eye(6) * 1e-4,
        velocity=np.zeros(3),
        angular_velocity=np.zeros(3),
        twist_covariance=np.zeros((6, 6)),
        size=np.full(3, 0.06),
        visibility=Visibility.OUT_OF_VIEW,
        first_seen=0,
        last_seen=0,
        existence=0.9,
    )


def test_an_empty_table_has_no_futures(model: WorldModel) -> None:
    state = Run(model).go_on((), SECOND)
    assert (state.objects, state.predictions, state.influences) == ((), (), ())


def test_one_object_has_one_future_and_moves_nobody(model: WorldModel) -> None:
    state = Run(model).go_on((MUG,), SECOND)
    assert [p.id for p in state.predictions] == ["o1"]
    assert state.influences == ()
    end = state.predictions[0].poses[-1].translation
    np.testing.assert_allclose(end, state.objects[0].position, atol=0.01)


def test_more_objects_than_the_model_takes_all_have_futures_and_the_rest_is_named(
    model: WorldModel,
) -> None:
    known = [remembered(k + 1, 0.2 * k) for k in range(MAX_BODIES + 4)]
    run = Run(model, known)
    state = run.go_on((MUG, CAN), SECOND)
    assert len(state.objects) == MAX_BODIES + 6
    assert isinstance(run.foresight.futures, CjepaFutures)
    left = run.foresight.futures.left_to_kalman
    assert len(left) == 6
    # those that are seen are not among them
    assert not {"o21", "o22"} & set(left)


def test_latents_that_are_no_numbers_change_nothing(model: WorldModel) -> None:
    spoiled, clean = Run(model), Run(model)
    latent = np.full(LATENT_SIZE, np.nan, dtype=np.float32)
    for k in range(8):
        a = spoiled.show((MUG, CAN), SECOND + k * PERIOD, latent)
        b = clean.show((MUG, CAN), SECOND + k * PERIOD)
    assert [s.id for s in a.objects] == [s.id for s in b.objects]
    for one, other in zip(a.predictions, b.predictions, strict=True):
        np.testing.assert_array_equal(one.covariances, other.covariances)


def test_an_object_that_appears_mid_run_is_foreseen_from_its_first_frame_on(
    model: WorldModel,
) -> None:
    run = Run(model)
    run.go_on((MUG,), SECOND)
    state = run.go_on((MUG, CAN), SECOND + 8 * PERIOD)
    assert [p.id for p in state.predictions] == ["o1", "o2"]
    end = state.predictions[1].poses[-1].translation
    np.testing.assert_allclose(end, state.objects[1].position, atol=0.02)


@pytest.mark.parametrize("jump", [10 * SECOND, -5 * SECOND])
def test_after_a_gap_or_a_step_back_in_time_everything_goes_on(
    model: WorldModel, jump: int
) -> None:
    run = Run(model)
    run.go_on((MUG, CAN), 20 * SECOND)
    state = run.go_on((MUG, CAN), 20 * SECOND + jump)
    assert len(state.objects) == 2
    assert all(p.stamps[0] > state.stamp for p in state.predictions)
    if jump > 0:
        assert [s.id for s in state.objects] == ["o1", "o2"]
