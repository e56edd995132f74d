"""The physics step: what is pushed goes where pushing takes it, what is not stays."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from pushing import block, scene, straight

from perception_nodes.arrays import Floats
from perception_nodes.planner.blocks import blocks_of, upright
from perception_nodes.planner.contact import pushed, touch
from perception_nodes.planner.prior import Physics, PriorRollout, State, roll, start_state, things
from perception_nodes.scene import ObjectState

TIP = Physics().tip_radius


def end(
    *objects: ObjectState,
    start: tuple[float, float],
    stop: tuple[float, float],
    shapes: dict[str, Floats] | None = None,
) -> dict[str, Floats]:
    """By id (4,) where objects end when the tip goes straight."""
    futures = PriorRollout(shapes=shapes).roll(scene(*objects), straight(start, stop), 0.1)
    return dict(zip(futures.ids, futures.poses[0, -1], strict=True))


def test_a_box_pushed_through_its_middle_goes_as_far_as_the_tip_and_does_not_turn() -> None:
    found = end(block("a", 0.0, 0.0), start=(-0.1, 0.0), stop=(0.05, 0.0))
    assert found["a"][:2] == pytest.approx([0.05 + TIP + 0.03, 0.0], abs=2e-3)
    assert abs(found["a"][3]) < 0.01


def test_a_box_pushed_off_its_middle_turns_away_from_the_tip() -> None:
    found = end(block("a", 0.0, 0.0), start=(-0.1, 0.02), stop=(0.02, 0.02))
    assert found["a"][3] < -0.2
    found = end(block("a", 0.0, 0.0), start=(-0.1, -0.02), stop=(0.02, -0.02))
    assert found["a"][3] > 0.2


def test_what_nothing_touches_stays_exactly_and_stays_certain() -> None:
    situation = scene(block("a", 0.0, 0.0), block("b", 0.5, 0.3))
    futures = PriorRollout().roll(situation, straight((-0.1, 0.0), (0.05, 0.0)), 0.1)
    assert np.abs(futures.poses[0, -1, 1] - futures.poses[0, 0, 1]).max() < 1e-9
    assert futures.deviation[0, -1, 1] == pytest.approx(futures.deviation[0, 0, 1], abs=1e-9)
    assert futures.deviation[0, -1, 0] > futures.deviation[0, 0, 0] + 0.003


def test_a_box_pushes_the_next_one() -> None:
    found = end(block("a", 0.0, 0.0), block("b", 0.08, 0.0), start=(-0.1, 0.0), stop=(0.05, 0.0))
    assert found["b"][0] - found["a"][0] == pytest.approx(0.06, abs=3e-3)


def test_a_heavy_neighbor_makes_way_less_than_a_light_one() -> None:
    def aside(mass: float) -> float:
        a, b = block("a", 0.0, 0.0), block("b", 0.07, 0.045, mass=mass)
        return float(end(a, b, start=(-0.1, 0.0), stop=(0.04, 0.0))["b"][0] - 0.07)

    assert aside(0.05) > 1.2 * aside(5.0)


def test_a_tip_above_the_top_touches_nothing() -> None:
    tips = straight((-0.1, 0.0), (0.1, 0.0))
    tips[..., 2] = 0.1
    futures = PriorRollout().roll(scene(block("a", 0.0, 0.0)), tips, 0.1)
    assert np.abs(futures.poses[0, -1] - futures.poses[0, 0]).max() < 1e-6


def test_what_stands_on_a_box_goes_with_it() -> None:
    above = block("b", 0.01, 0.0, size=(0.03, 0.03, 0.03), z=0.06)
    found = end(block("a", 0.0, 0.0), above, start=(-0.1, 0.0), stop=(0.05, 0.0))
    assert found["b"][:2] - found["a"][:2] == pytest.approx([0.01, 0.0], abs=2e-3)


def test_a_sliding_object_stops_after_the_distance_that_friction_allows() -> None:
    blocks = blocks_of([block("a", 0.0, 0.0, friction=0.4)])
    start = start_state(blocks, 1)
    moving = State(start.poses, np.array([[[0.5, 0.0, 0.0]]]), start.deviation)
    tips = np.full((1, 11, 3), 5.0)
    states = roll(np, moving, things(blocks, Physics(), 0.1), tips, 0.1, Physics())
    assert states[-1].poses[0, 0, 0] == pytest.approx(0.5**2 / (2 * 9.81 * 0.4), rel=0.01)
    assert np.abs(states[-1].velocities).max() < 1e-6


def test_a_known_footprint_counts_instead_of_the_box() -> None:
    thin = np.array([[0.0, 0.0, 0.005, 0.03]])
    wide = end(block("a", 0.0, 0.0), start=(-0.1, 0.0), stop=(0.0, 0.0))["a"][0]
    slim = end(block("a", 0.0, 0.0), start=(-0.1, 0.0), stop=(0.0, 0.0), shapes={"a": thin})["a"][0]
    assert wide - slim == pytest.approx(0.025, abs=2e-3)


def test_candidates_do_not_disturb_each_other() -> None:
    situation = scene(block("a", 0.0, 0.0), block("b", 0.08, 0.0))
    one, other = straight((-0.1, 0.0), (0.05, 0.0)), straight((0.0, 0.1), (0.0, -0.05))
    both = PriorRollout().roll(situation, np.concatenate((one, other)), 0.1).poses
    assert np.array_equal(both[:1], PriorRollout().roll(situation, one, 0.1).poses)
    assert np.array_equal(both[1:], PriorRollout().roll(situation, other, 0.1).poses)


def test_a_lying_box_has_the_extents_it_shows_from_above() -> None:
    item = block("a", 0.0, 0.0, size=(0.02, 0.04, 0.1))
    tipped = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    item.pose.rotation[:] = tipped
    _, half = upright(item)
    assert sorted(half[:2]) == pytest.approx([0.02, 0.05])
    assert half[2] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("point", "distance", "normal"),
    [
        ((0.05, 0.0), 0.02, (1.0, 0.0)),
        ((0.0, -0.01), -0.01, (0.0, -1.0)),
        ((0.06, 0.06), math.hypot(0.03, 0.04), (0.6, 0.8)),
    ],
)
def test_distance_and_normal_of_a_rectangle(
    point: tuple[float, float], distance: float, normal: tuple[float, float]
) -> None:
    found = touch(np, np.array(point), np.array([[0.0, 0.0, 0.03, 0.02, 0.0]]))
    assert float(found.distance) == pytest.approx(distance, abs=1e-6)
    assert found.normal == pytest.approx(np.array(normal), abs=1e-6)


def test_a_round_footprint_is_a_disc_all_around() -> None:
    disc = np.array([[0.0, 0.0, 0.03, 0.03, 0.03]])
    for angle in np.linspace(0.0, 2.0 * math.pi, 7):
        way = np.array([math.cos(angle), math.sin(angle)])
        for away in (0.01, 0.08):
            found = touch(np, away * way, disc)
            assert float(found.distance) == pytest.approx(away - 0.03, abs=1e-6)
            assert found.normal == pytest.approx(way, abs=1e-6)


def test_what_looks_round_slips_aside_where_a_box_is_taken_along() -> None:
    thing = block("a", 0.0, 0.0)
    can = replace(thing, roundness=np.array([0.1, 0.1, 0.9]))
    ends = [end(item, start=(-0.1, 0.02), stop=(0.03, 0.02))["a"] for item in (thing, can)]
    assert ends[1][0] < ends[0][0] - 0.005
    assert ends[1][1] < ends[0][1] - 0.003


def test_where_a_can_rolls_off_to_does_not_depend_on_the_length_of_the_step() -> None:
    can = replace(block("a", 0.0, 0.0), roundness=np.array([0.1, 0.1, 0.9]))
    places = []
    for steps, interval in ((20, 0.1), (30, 2.0 / 30.0)):
        tips = np.linspace((-0.1, 0.012, 0.015), (0.1, 0.012, 0.015), steps + 1)[None]
        futures = PriorRollout().roll(scene(can), tips, interval)
        places.append(futures.poses[0, -1, 0, :2])
    assert np.hypot(*(places[1] - places[0])) < 0.004
    assert np.hypot(*places[0]) > 0.05


def test_what_looks_round_pushes_its_neighbor_with_its_rim() -> None:
    thing, other = block("a", 0.0, 0.0), block("b", 0.065, 0.055)
    can = replace(thing, roundness=np.array([0.1, 0.1, 0.9]))
    moved = [end(item, other, start=(-0.1, 0.0), stop=(-0.03, 0.0))["b"] for item in (thing, can)]
    assert moved[0][0] > 0.068
    assert moved[1][0] < 0.066


def test_a_contact_sticks_inside_the_friction_cone_and_slides_at_its_edge() -> None:
    into, arm = np.array([1.0, 0.0]), np.array([-0.03, 0.0])
    deep, turning = np.array(0.01), np.array(1e-3)
    stuck = pushed(np, into, arm, deep, np.array(0.004), np.array(10.0), turning)
    # the point of contact goes along with the pusher
    assert stuck[0] == pytest.approx(0.01)
    assert stuck[1] + stuck[2] * arm[0] == pytest.approx(0.004)
    slid = pushed(np, into, arm, deep, np.array(0.1), np.array(0.3), turning)
    assert slid[1] == pytest.approx(0.3 * slid[0])
