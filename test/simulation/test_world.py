"""The running world: it moves as rigid bodies do, exactly again from any moment."""

from __future__ import annotations

import numpy as np
import pytest
from small_scene import PUSH, TABLE, small_scene, thing

from perception_nodes.errors import ConfigurationError
from perception_simulation import specification as spec
from perception_simulation.counterfactual import resimulate
from perception_simulation.world import World


def test_a_pushed_object_moves_as_far_as_the_pusher_goes() -> None:
    world = World(small_scene(pushes=(PUSH,)))
    world.advance(1.2)
    assert np.linalg.norm(world.motion("box").pose.translation[:2]) < 0.002
    world.advance(3.5)
    # the tip (radius 12 mm) stops at x = 5 cm, the box (half 3 cm) lies before it
    assert world.motion("box").pose.translation[0] == pytest.approx(0.05 + 0.012 + 0.03, abs=0.01)


def test_a_heavier_object_on_more_friction_slides_less_far() -> None:
    ways = []
    for friction in (0.1, 0.6):
        world = World(small_scene(thing(friction=friction, velocity=(0.6, 0.0, 0.0))))
        world.advance(2.0)
        ways.append(world.motion("box").pose.translation[0])
    # v^2 / (2 mu g); the table itself has 0.2
    assert ways[0] == pytest.approx(0.36 / (2 * 0.2 * 9.81), rel=0.15)
    assert ways[1] == pytest.approx(0.36 / (2 * 0.6 * 9.81), rel=0.3)


def test_a_ball_rolls_without_slipping() -> None:
    ball = thing(
        "ball", spec.Sphere(0.04), velocity=(0.2, 0.0, 0.0), angular_velocity=(0.0, 5.0, 0.0)
    )
    world = World(small_scene(ball))
    world.advance(0.5)
    motion = world.motion("ball")
    assert 0.1 < motion.velocity[0] < 0.2
    assert motion.angular_velocity[1] * 0.04 == pytest.approx(motion.velocity[0], rel=0.05)


def test_a_tall_box_pushed_high_topples() -> None:
    tall = thing("tall", spec.Box((0.04, 0.04, 0.2)), friction=0.9)
    push = spec.Push("push", (-0.1, 0.0), (0.06, 0.0), 1.1, 0.8, height=0.15)
    world = World(small_scene(tall, pushes=(push,)))
    world.advance(3.0)
    assert world.motion("tall").pose.translation[2] < TABLE + 0.05


def test_a_stack_stands_and_its_members_touch_even_when_they_rest() -> None:
    upper = thing("upper", position=(0.0, 0.0, TABLE + 0.0915))
    world = World(small_scene(thing("lower"), upper))
    world.advance(3.0)
    assert world.motion("upper").pose.translation[2] == pytest.approx(TABLE + 0.09, abs=0.002)
    assert world.touching() == [("lower", "upper")]


def test_a_contact_tells_who_where_and_how_hard() -> None:
    world = World(small_scene(thing(mass=0.5)))
    world.advance(0.03)
    contacts = [c for c in world.contacts() if (c.first, c.second) == ("box", "table")]
    assert sum(c.force for c in contacts) == pytest.approx(0.5 * 9.81, rel=0.5)
    assert all(abs(c.position[2] - TABLE) < 0.002 for c in contacts)


def test_a_carried_object_goes_away_and_comes_back_elsewhere() -> None:
    carry = spec.Carry("c", "box", (0.0, 1.5, 1.0), (0.2, 0.2), 0.5, 4.0)
    world = World(small_scene(carries=(carry,)))
    world.advance(2.5)
    np.testing.assert_allclose(world.motion("box").pose.translation, (0.0, 1.5, 1.0), atol=0.01)
    world.advance(5.0)
    place = world.motion("box").pose.translation
    np.testing.assert_allclose(place, (0.2, 0.2, TABLE + 0.03), atol=0.005)
    assert np.linalg.norm(world.motion("box").velocity) < 0.001


def eventful() -> spec.Scene:
    other = thing("other", spec.Cylinder(0.03, 0.08), position=(0.12, 0.01))
    carry = spec.Carry("carry", "far", (0.0, 1.5, 1.0), (-0.2, 0.3), 1.0, 2.0)
    return small_scene(
        thing(),
        other,
        thing("far", position=(0.3, 0.3)),
        pushes=(PUSH,),
        carries=(carry,),
        duration=4.0,
    )


@pytest.mark.parametrize("moment", [0.5, 1.634, 2.1])
def test_a_restored_world_repeats_its_future_bit_by_bit(moment: float) -> None:
    world = World(eventful())
    world.advance(moment)
    snapshot = world.snapshot()
    world.advance(4.0)
    future = world.data.qpos.copy()
    touching = world.touching()
    world.restore(snapshot)
    assert world.time == pytest.approx(moment)
    world.advance(4.0)
    assert (world.data.qpos == future).all()
    assert world.touching() == touching


def test_leaving_nothing_out_gives_exactly_what_happened() -> None:
    scene = eventful()
    factual, again = resimulate(scene, 0.0), resimulate(scene, 2.0)
    for name in ("box", "other", "far"):
        np.testing.assert_array_equal(
            factual.positions[name][-len(again.times) :], again.positions[name]
        )


def test_without_the_push_the_object_stays() -> None:
    scene = eventful()
    factual, without = resimulate(scene, 1.0), resimulate(scene, 1.0, ["push"])
    moved = {n: np.ptp(factual.positions[n][:, 0]) for n in ("box", "other")}
    assert min(moved.values()) > 0.02
    assert max(np.ptp(without.positions[n][:, 0]) for n in ("box", "other")) < 0.001


def test_without_the_object_between_the_pusher_does_not_move_the_other() -> None:
    without = resimulate(eventful(), 1.0, ["box"])
    assert "box" not in without.positions
    assert np.ptp(without.positions["other"][:, 0]) < 0.005


def test_what_stood_on_a_removed_object_falls() -> None:
    upper = thing("upper", position=(0.0, 0.0, TABLE + 0.0915))
    without = resimulate(small_scene(thing("lower"), upper, duration=3.0), 2.0, ["lower"])
    assert without.positions["upper"][-1, 2] == pytest.approx(TABLE + 0.03, abs=0.002)


def test_leaving_out_what_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigurationError, match="'shove'"):
        resimulate(small_scene(pushes=(PUSH,)), 0.5, ["shove"])
