"""People flow through the pipeline; depth at keypoints, the scene without them, forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from people_views import LENS, START, toward, view

from perception_nodes.discreet import Discreet
from perception_nodes.embodmocap.body import Body
from perception_nodes.embodmocap.bones import Bones
from perception_nodes.embodmocap.depths import background, depths_at, view_of
from perception_nodes.embodmocap.finder import PeopleFinder
from perception_nodes.embodmocap.forecast import HORIZONS, forecast
from perception_nodes.embodmocap.interface import Keypoints
from perception_nodes.embodmocap.surface import StaticScene
from perception_nodes.embodmocap.tracker import BodyTracker
from perception_nodes.memory.gaze import gaze_of
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.pipeline import Pipeline
from perception_nodes.planner.people import PeopleMotion
from perception_nodes.scene import Frame, Person, Sample, SceneState, Slots
from perception_simulation.people.walking import WalkingMotion

POSE = toward(0.0)
WALK = WalkingMotion()
STEP = 1.0 / 30.0


def frame_at(time: float) -> Frame:
    """A walker as small patches before a wall at 4.5 m."""
    seen = view([WALK.at(time)], time, POSE)
    depth = np.full((LENS.height, LENS.width), 4.5, np.float32)
    for (u, v), z in zip(
        np.rint(seen.keypoints.pixels[0]).astype(int), seen.depths[0], strict=True
    ):
        depth[max(v - 3, 0) : v + 4, max(u - 3, 0) : u + 4] = z
    color = np.zeros((LENS.height, LENS.width, 3), np.uint8)
    stamp = START + round(time * 1e9)
    return Frame(stamp, "camera_a", "optical", LENS, color, depth, POSE)


class Detector:
    """Knows where the walker is."""

    model_id = "true"

    def find(self, frame: Frame) -> Keypoints:
        return view([WALK.at((frame.stamp - START) * 1e-9)], (frame.stamp - START) * 1e-9,
                    POSE).keypoints  # fmt: skip

    def reset(self) -> None:
        pass


class NoSlots:
    model_id = "none"

    def find(self, frame: Frame) -> Slots:
        labels = np.zeros((4, 4), np.uint8)
        return Slots(frame.stamp, frame.camera_name, frame.frame_id, labels, (), "none")

    def reset(self) -> None:
        pass


class Kept:
    """A memory that notes what it was given."""

    def __init__(self) -> None:
        self.frames: list[Frame | None] = []

    def write(self, state: SceneState, frame: Frame | None = None) -> None:
        self.frames.append(frame)


def run(private: bool) -> tuple[SceneState, Kept]:
    kept = Kept()
    pipeline = Pipeline(NoSlots(), ObjectTracker(), kept, people=PeopleFinder(Detector()),
                        private=private)  # fmt: skip
    for number in range(8):
        state = pipeline.process(frame_at(number * STEP))
    return state, kept


def test_the_pipeline_tells_people_whom_memory_and_planner_understand() -> None:
    state, _ = run(private=False)
    person = state.people[0]
    assert np.linalg.norm(person.joints - WALK.at(7 * STEP), axis=1).mean() < 0.06
    gaze = gaze_of(person)
    assert gaze is not None
    assert abs(float(gaze.direction[2])) < 0.6
    assert PeopleMotion().update(state.people)[0].id == person.id


def test_what_foresees_is_told_of_people_before_objects_are_moved() -> None:
    said: list[str] = []

    class Objects(ObjectTracker):
        def update(self, frame: Frame, slots: Slots) -> Any:
            said.append("objects")
            return super().update(frame, slots)

    def meet(stamp: int, people: Sequence[Person]) -> None:
        said.append(f"{(stamp - START) * 1e-9:.1f} {len(people)}")

    pipeline = Pipeline(NoSlots(), Objects(), people=PeopleFinder(Detector()), meet=meet)
    for number in range(8):
        pipeline.process(frame_at(0.1 * number))
    assert said[-2:] == ["0.7 1", "objects"]


def test_a_private_pipeline_gives_no_picture_to_the_memory_while_somebody_is_known() -> None:
    state, kept = run(private=True)
    assert state.people
    assert kept.frames[-1] is None
    _, open_memory = run(private=False)
    assert open_memory.frames[-1] is not None


class Shown:
    """A sink that notes what it is shown."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def write(self, sample: Sample, state: SceneState, timings: object) -> None:
        self.samples.append(sample)


def test_a_private_run_shows_no_picture_of_anybody_to_reports_and_recordings() -> None:
    shown = Shown()
    state, _ = run(private=True)
    frame = replace(frame_at(0.0), color=np.full((480, 640, 3), 9, np.uint8))
    for people in (state.people, ()):
        Discreet(shown).write(Sample(frame, None), replace(state, people=people), {})
    hidden, open_one = (sample.frame for sample in shown.samples)
    assert not hidden.color.any()
    assert np.isnan(hidden.depth).all()
    assert (hidden.stamp, hidden.camera) == (frame.stamp, frame.camera)
    assert open_one is frame


def test_a_frame_without_a_pose_makes_no_view() -> None:
    frame = frame_at(0.0)
    blind = Frame(frame.stamp, "camera_a", "optical", LENS, frame.color, frame.depth, None)
    assert view_of(blind, Detector().find(frame)) is None
    assert PeopleFinder(Detector()).find(blind) == ()


def test_depth_at_a_keypoint_is_that_of_the_limb_and_not_of_the_wall_behind() -> None:
    depth = np.full((40, 40), 3.0, np.float32)
    depth[10:30, 18:21] = 1.0
    pixels = np.array([[[19.0, 20.0], [5.0, 5.0], [100.0, 5.0], [np.nan, 1.0]]])
    found = depths_at(depth, pixels)
    assert found[0, :2].tolist() == [1.0, 3.0]
    assert np.isnan(found[0, 2:]).all()


def test_the_static_scene_and_the_background_leave_people_out() -> None:
    frame = frame_at(0.0)
    keypoints = Detector().find(frame)
    scene = StaticScene(voxel=0.05, farthest=6.0)
    scene.add(frame, keypoints)
    truth = WALK.at(0.0)
    assert len(scene.points().points) > 100
    assert scene.distance(truth).min() > 0.5
    points = background(frame, keypoints, 0.005)
    assert np.linalg.norm(points[:, None, :3] - truth[None], axis=-1).min() > 0.3
    nobody: Any = Keypoints(frame.stamp, "camera_a", np.zeros((0, 17, 2)), np.zeros((0, 17)))
    assert len(background(frame, nobody, 0.005)) > len(points)


def test_a_scene_of_which_nothing_is_known_is_infinitely_far() -> None:
    assert np.isinf(StaticScene().distance(np.zeros((2, 3)))).all()


def test_a_forecast_goes_on_and_widens_with_time() -> None:
    tracker = BodyTracker()
    for number in range(40):
        tracker.update([view([WALK.at(number * STEP)], number * STEP, POSE, noise=1.0)])
    name, body = tracker.bodies()[0]
    told = forecast(name, body)
    assert told.joints.shape == (len(HORIZONS), 17, 3)
    future = WALK.at(39 * STEP + HORIZONS[0])
    stays = np.linalg.norm(body.joints - future, axis=1).mean()
    assert np.linalg.norm(told.joints[0] - future, axis=1).mean() < stays
    sizes = np.trace(told.covariances, axis1=2, axis2=3).mean(axis=1)
    assert (np.diff(sizes) > 0.0).all()


def test_who_sways_on_the_spot_is_not_forecast_to_walk_away() -> None:
    tracker = BodyTracker()
    for number in range(40):
        aside = 0.08 * np.sin(2.0 * np.pi * number / 39.0)
        joints = WALK.at(0.0) + np.array([aside, 0.0, 0.0])
        tracker.update([view([joints], number * STEP, POSE, noise=1.0)])
    name, body = tracker.bodies()[0]
    assert body.velocities[:, 0].mean() > 0.2  # it is in the middle of its swing
    ahead = forecast(name, body).joints - body.joints
    assert np.abs(ahead).max() < 0.04


def test_knees_do_not_bend_backward() -> None:
    joints = WALK.at(0.0)
    bones = Bones()
    ahead = np.array([0.0, 1.0, 0.0])
    bent = joints.copy()
    bent[13] = (joints[11] + joints[15]) / 2.0 - 0.2 * ahead
    before, _ = bones.residuals(joints, ahead)
    rows, off = bones.residuals(bent, ahead)
    limits = np.flatnonzero(rows.any(axis=1) & ~before.any(axis=1))
    assert len(limits) == 1
    step = -np.linalg.pinv(rows[limits]) @ off[limits]
    assert step.reshape(17, 3)[13] @ ahead > 0.0


def test_time_that_passes_unseen_widens_and_going_back_restores_the_place() -> None:
    body = Body(WALK.at(0.0), 0.01 * np.eye(51), None, START)
    before = body.joints
    body.move_to(START + 10**9)
    assert np.trace(body.covariances[0]) > 0.1
    body.move_to(START, wander=False)
    assert body.joints == pytest.approx(before)
