from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Gaussian, ObjectState, Truth, Visibility
from perception_nodes.score.score import Score, gate, similarity

VISIBLE, OCCLUDED, LOST = Visibility.VISIBLE, Visibility.OCCLUDED, Visibility.LOST
HALF_A_SECOND = 500_000_000


def thing(name: str, x: float, visibility: Visibility = VISIBLE, **fields: object) -> ObjectState:
    state = ObjectState(
        id=name,
        stamp=0,
        pose=Pose(np.eye(3), np.array([x, 0.0, 0.0])),
        pose_covariance=np.eye(6) * 0.01**2,
        velocity=np.zeros(3),
        angular_velocity=np.zeros(3),
        twist_covariance=np.eye(6),
        size=np.full(3, 0.1),
        visibility=visibility,
        first_seen=0,
        last_seen=0,
        existence=0.9,
        log_mass=Gaussian(0.0, 1.0),
    )
    return replace(state, **fields)


def run(*frames: tuple[list[ObjectState], list[ObjectState]]) -> dict:
    score = Score()
    for number, (truths, states) in enumerate(frames):
        score.add(Truth(number * HALF_A_SECOND, tuple(truths)), states)
    return score.figures()


def test_similarity_is_one_half_at_the_gate() -> None:
    truth = thing("mug", 0.0)
    assert gate(truth) == pytest.approx(0.05)
    table = similarity([truth], [thing("o1", 0.05), thing("o2", 0.0), thing("o3", 0.2)])
    assert table.tolist() == [pytest.approx([0.5, 1.0, 0.0])]


def test_an_object_that_was_never_visible_is_not_asked_for() -> None:
    figures = run(([thing("mug", 0.0, OCCLUDED)], []))
    assert figures["all"]["recall"] == 1.0
    figures = run(([thing("mug", 0.0)], []), ([thing("mug", 0.0, OCCLUDED)], []))
    assert figures["all"]["recall"] == 0.0


def test_lost_and_unlikely_states_are_not_claims() -> None:
    states = [thing("o1", 0.5, LOST), thing("o2", 0.8, existence=0.3)]
    assert run(([], states))["all"]["precision"] == 1.0
    assert run(([], [thing("o3", 0.5)]))["all"]["precision"] == 0.0


def test_position_errors_are_split_by_what_happened_while_hidden() -> None:
    figures = run(
        ([thing("a", 0.0), thing("b", 1.0)], [thing("o1", 0.01), thing("o2", 1.0)]),
        (
            [thing("a", 0.0, OCCLUDED), thing("b", 1.04, OCCLUDED)],
            [thing("o1", 0.01, OCCLUDED), thing("o2", 1.0, OCCLUDED)],
        ),
    )
    position = figures["position"]
    assert position["visible"]["median_m"] == pytest.approx(0.005)
    assert position["hidden_untouched"]["median_m"] == pytest.approx(0.01)
    assert position["hidden_pushed"]["median_m"] == pytest.approx(0.04)
    assert position["hidden_pushed"]["stay_median_m"] == pytest.approx(0.04)


def test_the_error_of_a_hidden_object_counts_however_large_it_is() -> None:
    figures = run(
        ([thing("a", 0.0)], [thing("o1", 0.0)]),
        ([thing("a", 0.5, OCCLUDED)], [thing("o1", 0.0, OCCLUDED)]),
    )
    assert figures["position"]["hidden_pushed"]["median_m"] == pytest.approx(0.5)
    assert figures["all"]["recall"] == 0.5


SEEN = ([thing("a", 0.0)], [thing("o1", 0.0)])
HIDDEN = ([thing("a", 0.0, OCCLUDED)], [thing("o1", 0.0, OCCLUDED)])


def test_a_hidden_stretch_counts_as_kept_only_with_the_same_id() -> None:
    def story(last: str) -> dict:
        return run(SEEN, HIDDEN, ([thing("a", 0.0)], [thing(last, 0.0)]))["hidden"]

    assert (story("o1")["episodes"], story("o1")["kept"]) == (1, 1)
    assert story("o1")["longest_kept_s"] == pytest.approx(0.5)
    assert story("o1")["recall"] == 1.0
    assert (story("o9")["episodes"], story("o9")["kept"]) == (1, 0)


def test_an_object_that_comes_back_and_is_not_found_counts_as_not_kept() -> None:
    unfound = ([thing("a", 0.0)], [])
    for ending in ([unfound], [unfound] * 3 + [SEEN], [unfound, HIDDEN, SEEN]):
        hidden = run(SEEN, HIDDEN, *ending)["hidden"]
        assert hidden["kept"] < hidden["episodes"]


def test_an_object_never_found_before_it_was_hidden_had_no_identity_to_keep() -> None:
    unfound = ([thing("a", 0.0)], [])
    hidden = run(unfound, ([thing("a", 0.0, OCCLUDED)], []), SEEN)["hidden"]
    assert hidden["episodes"] == 0
    assert hidden["recall"] == 0.0


def test_episodes_in_which_the_object_was_pushed_are_counted_apart() -> None:
    moved = ([thing("a", 0.03, OCCLUDED)], [thing("o1", 0.0, OCCLUDED)])
    hidden = run(SEEN, moved, SEEN, HIDDEN, SEEN)["hidden"]
    assert (hidden["episodes"], hidden["pushed_episodes"], hidden["pushed_kept"]) == (2, 1, 1)


def test_a_state_said_to_be_lost_claims_no_place() -> None:
    lost = ([thing("a", 0.0, OCCLUDED)], [thing("o1", 9.0, LOST)])
    figures = run(SEEN, lost)
    assert "hidden_untouched" not in figures["position"]
    assert figures["visibility"]["confusion"][OCCLUDED][LOST] == 1
    assert figures["hidden"]["recall"] == 0.0


def test_finding_an_object_before_truth_calls_it_visible_is_no_mistake() -> None:
    early = ([thing("a", 0.0), thing("b", 1.0, OCCLUDED)], [thing("o1", 0.0), thing("o2", 1.0)])
    assert run(early)["all"]["precision"] == 1.0


def test_another_object_near_a_hidden_one_does_not_stand_in_for_it() -> None:
    far = [thing("o1", 0.3, OCCLUDED), thing("o2", 0.01)]
    figures = run(SEEN, ([thing("a", 0.0, OCCLUDED)], far))
    assert figures["position"]["hidden_untouched"]["median_m"] == pytest.approx(0.3)


def test_visibility_and_calibration_are_measured_on_matched_objects() -> None:
    figures = run(
        ([thing("a", 0.0)], [thing("o1", 0.02)]),
        ([thing("a", 0.0, OCCLUDED)], [thing("o1", 0.02, VISIBLE)]),
    )
    assert figures["visibility"]["accuracy"] == 0.5
    assert figures["visibility"]["confusion"][OCCLUDED][VISIBLE] == 1
    assert figures["calibration"]["visible"]["nees_mean"] == pytest.approx(4.0, rel=1e-3)


def test_states_on_things_that_do_not_count_are_no_mistakes() -> None:
    panel = thing("panel", 0.5, label="occluder", size=np.array([0.3, 0.3, 0.3]))
    figures = run(([thing("a", 0.0), panel], [thing("o1", 0.0), thing("o2", 0.55)]))
    assert figures["all"]["precision"] == figures["all"]["recall"] == 1.0


def test_what_was_moved_unseen_is_neither_asked_for_nor_credited_where_it_is_knowable() -> None:
    def knowable(believed: float, visibility: Visibility = OCCLUDED) -> tuple[float, float]:
        moved = ([thing("a", 0.3, OCCLUDED)], [thing("o1", believed, visibility)])
        part = run(SEEN, moved)["knowable"]
        return part["recall"], part["precision"]

    assert knowable(0.0, LOST) == (1.0, 1.0)
    assert knowable(0.3) == (1.0, 1.0)  # a right guess
    assert knowable(0.0) == (1.0, 0.5)  # a wrong claim stays one
    unmoved = ([thing("a", 0.02, OCCLUDED)], [thing("o1", 0.0, LOST)])
    assert run(SEEN, unmoved)["knowable"]["recall"] == 0.5


def test_lost_agrees_with_truth_only_for_what_was_moved_unseen() -> None:
    def accuracy(x: float) -> float:
        return run(SEEN, ([thing("a", x, OCCLUDED)], [thing("o1", 0.0, LOST)]))["visibility"][
            "accuracy"
        ]

    assert accuracy(0.3) == 1.0
    assert accuracy(0.0) == 0.5


def test_a_state_stays_that_of_an_unscored_thing_which_moves_unseen() -> None:
    def precision(first: float) -> float:
        size = np.array([0.1, 0.1, 0.1])
        panel = thing("panel", 0.5, label="occluder", size=size)
        gone = thing("panel", 2.0, OCCLUDED, label="occluder", size=size)
        mug, found = thing("a", 0.0), thing("o1", 0.0)
        return run(
            ([mug, panel], [found, thing("o2", first)]),
            ([mug, gone], [found, thing("o2", first, OCCLUDED)]),
        )["knowable"]["precision"]

    assert precision(0.5) == 1.0
    assert precision(0.8) == 0.5  # seen beside it
