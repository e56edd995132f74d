from __future__ import annotations

import numpy as np
import pytest
from tabletop import AWAY, DEFAULT_VIEW, PERIOD, Box, look_at, observe

from perception_nodes.errors import ConfigurationError
from perception_nodes.geometry.pose import Pose
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.scene import Event, EventKind, ObjectState, Visibility

MUG = Box((0.0, 0.0, 0.05), (0.08, 0.08, 0.1))
CAN = Box((0.0, 0.25, 0.06), (0.07, 0.07, 0.12), (60.0, 60.0, 200.0))
SCREEN = Box((-0.35, 0.0, 0.2), (0.02, 0.3, 0.4), slot=False)
HIGH_SCREEN = Box((-0.35, 0.0, 0.35), (0.02, 0.4, 0.7), slot=False)


class Session:
    """Feeds a tracker frame by frame and keeps what it said."""

    def __init__(self, tracker: ObjectTracker | None = None) -> None:
        self.tracker = tracker or ObjectTracker()
        self.stamp = 1_000_000_000
        self.states: tuple[ObjectState, ...] = ()
        self.events: list[Event] = []

    def show(
        self, *boxes: Box, frames: int = 1, pose: Pose = DEFAULT_VIEW, camera: str = "camera"
    ) -> tuple[ObjectState, ...]:
        for _ in range(frames):
            self.stamp += PERIOD
            frame, slots = observe(boxes, self.stamp, pose, camera)
            self.states, events = self.tracker.update(frame, slots)
            self.events += events
        return self.states

    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.events]


def test_an_object_is_published_only_after_several_sightings() -> None:
    session = Session()
    assert session.show(MUG, frames=3) == ()
    (state,) = session.show(MUG)
    assert state.visibility is Visibility.VISIBLE
    assert np.allclose(state.position, MUG.center, atol=0.005)
    assert np.allclose(state.size, MUG.size, atol=0.005)
    assert session.kinds() == [EventKind.APPEARED]


def test_something_never_seen_whole_must_be_seen_longer() -> None:
    session = Session()
    cover = Box((-0.35, 0.12, 0.2), (0.02, 0.24, 0.4), slot=False)
    wide = Box((0.0, 0.0, 0.05), (0.1, 0.3, 0.1))
    assert session.show(cover, wide, frames=7) == ()
    assert len(session.show(cover, wide, frames=1)) == 1


def test_a_single_flicker_is_never_published() -> None:
    session = Session()
    session.show(MUG, frames=1)
    assert session.show(frames=10) == ()


def test_an_object_behind_a_screen_stays_known_and_is_called_occluded() -> None:
    session = Session()
    session.show(MUG, frames=10)
    (state,) = session.show(SCREEN, MUG, frames=75)
    assert state.id == "o1"
    assert state.visibility is Visibility.OCCLUDED
    assert np.allclose(state.position, MUG.center, atol=0.01)
    assert state.existence > 0.9
    (state,) = session.show(MUG, frames=2)
    assert (state.id, state.visibility) == ("o1", Visibility.VISIBLE)
    assert session.kinds() == [EventKind.APPEARED, EventKind.HIDDEN, EventKind.REAPPEARED]


def test_uncertainty_grows_while_hidden_and_shrinks_when_seen_again() -> None:
    session = Session()
    before = session.show(MUG, frames=10)[0].pose_covariance[0, 0]
    hidden = session.show(SCREEN, MUG, frames=60)[0].pose_covariance[0, 0]
    after = session.show(MUG, frames=5)[0].pose_covariance[0, 0]
    assert hidden > 4 * before
    assert after < hidden / 4


def test_an_object_outside_the_image_is_out_of_view_and_keeps_its_id() -> None:
    session = Session()
    session.show(MUG, CAN, frames=10)
    states = session.show(MUG, CAN, frames=45, pose=AWAY)
    assert [s.visibility for s in states] == [Visibility.OUT_OF_VIEW] * 2
    assert all(s.existence > 0.9 for s in states)
    states = session.show(MUG, CAN, frames=3)
    assert [(s.id, s.visibility) for s in states] == [
        ("o1", Visibility.VISIBLE),
        ("o2", Visibility.VISIBLE),
    ]


def test_an_object_whose_place_is_seen_to_be_empty_is_lost_and_then_given_up() -> None:
    session = Session()
    session.show(MUG, frames=10)
    (state,) = session.show(frames=8)
    assert state.visibility is Visibility.LOST
    assert state.existence < 0.95
    assert session.show(frames=60) == ()
    assert session.kinds()[-2:] == [EventKind.LOST, EventKind.REMOVED]


def test_a_piece_of_background_taken_for_an_object_is_given_up() -> None:
    session = Session()
    session.show(MUG, frames=6)
    background = Box(MUG.center, MUG.size, slot=False)
    assert len(session.show(background, frames=19)) == 1
    assert session.show(background, frames=5) == ()
    assert "is no object" in session.events[-1].text


def test_an_object_known_for_long_survives_a_while_without_being_recognized() -> None:
    session = Session()
    session.show(MUG, frames=30)
    assert len(session.show(Box(MUG.center, MUG.size, slot=False), frames=60)) == 1


def test_only_looking_through_a_place_lowers_existence() -> None:
    session = Session()
    (seen,) = session.show(MUG, frames=10)
    (occluded,) = session.show(SCREEN, MUG, frames=60)
    (away,) = session.show(MUG, frames=60, pose=AWAY)
    assert occluded.existence == pytest.approx(seen.existence)
    assert away.existence == pytest.approx(seen.existence)


def test_an_object_moved_behind_a_screen_is_recognized_and_the_move_is_told() -> None:
    session = Session()
    session.show(MUG, CAN, frames=10)
    session.show(SCREEN, MUG, CAN, frames=30)
    session.show(SCREEN, MUG.at(0.1, 0.05), CAN, frames=30)
    states = session.show(MUG.at(0.1, 0.05), CAN, frames=10)
    assert [s.id for s in states] == ["o1", "o2"]
    assert np.allclose(states[0].position[:2], (0.1, 0.05), atol=0.01)
    told = [e for e in session.events if e.kind is EventKind.MOVED_UNSEEN]
    assert [e.subjects for e in told] == [("o1",)]
    assert "was moved 0.1" in told[0].text


def test_an_object_carried_out_of_view_and_put_down_elsewhere_keeps_its_id() -> None:
    session = Session()
    (before,) = session.show(MUG, frames=8)
    for step in range(1, 20):
        session.show(MUG.at(0.0, 0.08 * step))  # 1.2 m/s, out of the picture
    session.show(frames=8)
    assert session.states[0].visibility is Visibility.LOST  # it may be anywhere by now
    states = session.show(MUG.at(-0.1, -0.3), frames=6)
    assert [s.id for s in states] == [before.id]
    assert np.allclose(states[0].position[:2], (-0.1, -0.3), atol=0.01)


def test_the_faster_an_object_left_the_view_the_less_sure_its_place_is() -> None:
    spreads = []
    for step in (0.02, 0.05):
        session = Session()
        session.show(MUG, frames=8)
        for number in range(1, 60):
            session.show(MUG.at(0.0, step * number))
        session.show(frames=15)
        spreads.append(float(np.sqrt(session.states[0].pose_covariance[:3, :3].max())))
    assert spreads[1] > 0.3 > 0.25 > spreads[0]


def test_an_object_that_moved_on_is_lost_although_the_ground_is_near_its_place() -> None:
    def then(step: float) -> Visibility:
        session = Session()
        low = Box((0.0, 0.0, 0.01), (0.08, 0.08, 0.02))
        session.show(low, frames=8)
        for number in range(1, 7):
            session.show(low.at(0.0, step * number))
        return session.show(frames=2)[0].visibility

    assert then(0.01) is Visibility.LOST
    assert then(0.0) is Visibility.VISIBLE


def test_what_was_held_in_the_air_is_not_believed_to_stay_there_unseen() -> None:
    def then(height: float) -> Visibility:
        session = Session()
        held = Box((0.0, 0.0, height + 0.05), (0.08, 0.08, 0.1))
        session.show(held, frames=8)
        return session.show(held, HIGH_SCREEN, frames=20)[0].visibility

    assert then(0.3) is Visibility.LOST
    assert then(0.0) is Visibility.OCCLUDED


def test_what_has_hung_in_the_air_for_long_stays_known_when_it_is_hidden() -> None:
    session = Session()
    lamp = Box((0.0, 0.0, 0.35), (0.08, 0.08, 0.1))
    session.show(lamp, frames=60)
    assert session.show(lamp, HIGH_SCREEN, frames=20)[0].visibility is Visibility.OCCLUDED


def test_what_was_still_when_it_was_hidden_is_never_lost_while_it_is_merely_hidden() -> None:
    session = Session()
    session.show(MUG, CAN, frames=12)
    for _ in range(300):  # 20 s
        session.show(SCREEN, MUG, CAN)
        assert session.states[0].visibility is not Visibility.LOST
    session.show(pose=AWAY, frames=100)
    assert [s.visibility for s in session.states] == [Visibility.OUT_OF_VIEW] * 2


def test_a_place_seen_to_be_empty_does_not_fill_again_by_being_covered() -> None:
    session = Session()
    session.show(MUG, frames=12)
    session.show(frames=8)
    assert session.show(SCREEN, frames=5)[0].visibility is Visibility.LOST


def test_another_object_that_comes_while_one_was_carried_away_is_new() -> None:
    session = Session()
    session.show(MUG, frames=8)
    for step in range(1, 30):
        session.show(MUG.at(0.0, 0.05 * step))
    session.show(frames=30)
    other = Box((-0.1, -0.3, 0.1), (0.05, 0.05, 0.2), (60.0, 60.0, 200.0))
    assert len(session.show(other, frames=6)) == 2


def test_a_pushed_object_is_followed_and_its_motion_is_told_once() -> None:
    session = Session()
    session.show(MUG, frames=10)
    for step in range(30):
        (state,) = session.show(MUG.at(0.0, 0.01 * step))
    assert state.id == "o1"
    assert np.allclose(state.position[:2], (0.0, 0.29), atol=0.02)
    assert state.velocity[1] == pytest.approx(0.15, abs=0.05)
    (state,) = session.show(MUG.at(0.0, 0.29), frames=30)
    assert np.linalg.norm(state.velocity) == 0.0
    assert session.kinds() == [EventKind.APPEARED, EventKind.MOVED, EventKind.STOPPED]


def test_a_thing_whose_place_is_noisy_is_told_to_have_stopped() -> None:
    session, noise = Session(), np.random.default_rng(0).normal(scale=0.006, size=(40, 2))
    session.show(MUG, frames=10)
    for step in range(30):
        session.show(MUG.at(0.0, 0.01 * step))
    for x, y in noise:
        (state,) = session.show(MUG.at(x, 0.29 + y))
    assert state.velocity.any()  # its filter has not come to rest
    assert session.kinds() == [EventKind.APPEARED, EventKind.MOVED, EventKind.STOPPED]


def test_two_objects_that_pass_each_other_keep_their_ids() -> None:
    session = Session()
    session.show(MUG.at(-0.15, -0.2), CAN.at(0.15, 0.2), frames=10)
    for step in range(40):
        y = 0.01 * step
        session.show(MUG.at(-0.15, -0.2 + y), CAN.at(0.15, 0.2 - y))
    states = session.show(MUG.at(-0.15, 0.2), CAN.at(0.15, -0.2), frames=5)
    assert {s.id: float(np.round(s.position[1], 1)) for s in states} == {"o1": 0.2, "o2": -0.2}


def test_a_partly_covered_object_is_not_pulled_towards_its_visible_part() -> None:
    session = Session()
    wide = Box((0.0, 0.0, 0.05), (0.1, 0.3, 0.1))
    session.show(wide, frames=15)
    half = Box((-0.35, 0.12, 0.2), (0.02, 0.15, 0.4), slot=False)
    (state,) = session.show(half, wide, frames=30)
    assert state.visibility is Visibility.VISIBLE
    assert np.allclose(state.position, wide.center, atol=0.015)


def test_an_object_that_one_of_two_cameras_sees_is_visible() -> None:
    session = Session()
    session.show(MUG, frames=10, camera="front")
    side = look_at((0.0, -0.9, 0.8), (0.0, 0.0, 0.0))
    for _ in range(10):
        session.show(SCREEN, MUG, camera="front")
        (state,) = session.show(SCREEN, MUG, pose=side, camera="side")
    assert (state.id, state.visibility) == ("o1", Visibility.VISIBLE)
    assert np.allclose(state.position, MUG.center, atol=0.01)


def test_a_frame_without_a_pose_changes_nothing() -> None:
    session = Session()
    session.show(MUG, frames=10)
    frame, slots = observe([MUG], session.stamp + PERIOD)
    blind = type(frame)(
        frame.stamp, "camera", "optical", frame.camera, frame.color, frame.depth, None
    )
    states, events = session.tracker.update(blind, slots)
    assert [s.id for s in states] == ["o1"]
    assert events == ()


def test_a_backward_jump_of_the_clock_drops_objects_but_never_reuses_an_id() -> None:
    session = Session()
    session.show(MUG, frames=10)
    session.stamp = 0
    (state,) = session.show(MUG, frames=5)
    assert state.id == "o2"


def test_a_gap_of_two_hours_keeps_objects_with_wide_uncertainty() -> None:
    session = Session()
    session.show(MUG, frames=10)
    session.stamp += 7_200_000_000_000
    (state,) = session.show(SCREEN, MUG)
    assert state.id == "o1"
    assert np.isfinite(state.pose_covariance).all()
    assert np.sqrt(state.pose_covariance[0, 0]) > 0.1


def test_objects_given_back_by_a_memory_are_recognized_by_place() -> None:
    first = Session()
    states = first.show(MUG, CAN, frames=10)
    tracker = ObjectTracker()
    tracker.restore(states)
    again = Session(tracker)
    assert [s.visibility for s in tracker.states()] == [Visibility.OUT_OF_VIEW] * 2
    back = again.show(MUG, CAN, Box((0.1, -0.25, 0.05), (0.1, 0.1, 0.1)), frames=6)
    assert [s.id for s in back] == ["o1", "o2", "o3"]
    assert all(s.visibility is Visibility.VISIBLE for s in back)


def test_a_label_stays_with_the_object() -> None:
    session = Session()
    session.show(MUG, frames=10)
    session.tracker.label("o1", "mug")
    (state,) = session.show(SCREEN, MUG, frames=10)
    assert (state.label, state.label_score) == ("mug", 1.0)
    assert "mug (o1) is hidden" in session.events[-1].text


def test_labeling_an_unknown_object_names_the_known_ones() -> None:
    session = Session()
    session.show(MUG, frames=10)
    with pytest.raises(ConfigurationError, match="known objects: o1"):
        session.tracker.label("o7", "mug")


def test_at_most_sixty_four_objects_are_kept_the_latest_seen_ones() -> None:
    tracker = ObjectTracker()
    session = Session()
    (template,) = session.show(MUG, frames=5)
    tracker.restore(
        type(template)(
            **{
                **{f: getattr(template, f) for f in template.__dataclass_fields__},
                "id": f"o{k}",
                "pose": Pose(np.eye(3), np.array([3.0 + k, 0.0, 0.05])),
                "last_seen": k,
            }
        )
        for k in range(1, 71)
    )
    frame, slots = observe([], session.stamp)
    states, events = tracker.update(frame, slots)
    assert len(states) == 64
    assert {e.subjects[0] for e in events if e.kind is EventKind.REMOVED} == {
        f"o{k}" for k in range(1, 7)
    }


def test_the_same_frames_give_the_same_states() -> None:
    def run() -> bytes:
        session = Session()
        for step in range(20):
            session.show(SCREEN, MUG.at(0.0, 0.01 * step), CAN)
        return b"".join(
            s.pose.translation.tobytes() + s.pose_covariance.tobytes() for s in session.states
        )

    assert run() == run()
