"""The pusher under live control: where it goes, how fast, and when it stops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small_scene import TABLE, small_scene, thing

from perception_nodes.arrays import Floats
from perception_nodes.errors import ConfigurationError, InputError
from perception_simulation.pusher import COMMAND_LIFE, MAX_SPEED, Drive
from perception_simulation.simulator import Simulator
from perception_simulation.specification import Push
from perception_simulation.world import World

PERIOD = 0.05
BOX = thing(position=(0.3, 0.2))


def tip(world: World) -> Floats:
    return world.motion("pusher").pose.translation


def drive(world: World, velocity: tuple[float, float, float], seconds: float) -> None:
    """Command a velocity again and again, as a controller does."""
    for _ in range(round(seconds / PERIOD)):
        world.command(np.array(velocity))
        world.advance(world.time + PERIOD)


def test_the_pusher_goes_where_it_is_commanded() -> None:
    world = World(small_scene(BOX, pusher=True))
    world.advance(0.5)
    start = tip(world)
    drive(world, (-0.1, -0.05, 0.0), 2.0)
    np.testing.assert_allclose(tip(world) - start, (-0.2, -0.1, 0.0), atol=0.01)


def test_a_command_that_is_not_renewed_is_stale_and_the_pusher_stops() -> None:
    world = World(small_scene(BOX, pusher=True))
    world.advance(0.5)
    start = tip(world)
    world.command(np.array([-0.2, 0.0, 0.0]))
    world.advance(2.5)
    assert start[0] - tip(world)[0] == pytest.approx(0.2 * COMMAND_LIFE, abs=0.005)
    assert np.linalg.norm(world.motion("pusher").velocity) < 0.001


@pytest.mark.parametrize("speed", [3.0, 1e300])
def test_a_fast_command_is_slowed_down_and_keeps_its_direction(speed: float) -> None:
    world = World(small_scene(BOX, pusher=True))
    world.advance(0.5)
    start = tip(world)
    drive(world, (-speed, -speed, 0.0), 0.5)
    moved = tip(world) - start
    assert moved[0] == pytest.approx(moved[1])
    assert math.hypot(*moved) == pytest.approx(MAX_SPEED * 0.5, abs=0.04)


def test_the_pusher_stays_over_the_table_and_out_of_it() -> None:
    world = World(small_scene(BOX, pusher=True))
    x, y = world.scene.area
    drive(world, (0.5, 0.5, 0.0), 1.0)
    assert tip(world)[0] < x / 2.0 + 0.02
    drive(world, (-0.5, -0.5, -0.5), 6.0)
    place = tip(world)
    assert -x / 2.0 - 0.02 < place[0] < -x / 2.0 + 0.02
    assert -y / 2.0 - 0.02 < place[1] < -y / 2.0 + 0.02
    assert TABLE < place[2] < TABLE + 0.02


@pytest.mark.parametrize("bad", [(math.nan, 0.0, 0.0), (0.0, math.inf, 0.0), (0.0, 0.0)])
def test_a_command_that_is_no_velocity_is_refused_and_changes_nothing(
    bad: tuple[float, ...],
) -> None:
    world = World(small_scene(BOX, pusher=True))
    world.advance(0.5)
    start = tip(world)
    with pytest.raises(InputError, match="no velocity"):
        world.command(np.array(bad))
    world.advance(1.0)
    np.testing.assert_allclose(tip(world), start, atol=1e-3)


def test_a_scene_without_a_pusher_says_so() -> None:
    with pytest.raises(ConfigurationError, match="no pusher"):
        World(small_scene()).command(np.zeros(3))


def test_the_first_command_ends_the_pushes_of_the_scene() -> None:
    push = Push("push", (-0.12, 0.0), (0.05, 0.0), start=1.2, duration=1.0)
    world = World(small_scene(thing(), pushes=(push,)))
    world.command(np.zeros(3))
    world.advance(3.0)
    assert abs(world.motion("box").pose.translation[0]) < 0.001


def test_a_commanded_pusher_pushes_what_stands_in_its_way() -> None:
    push = Push("push", (-0.12, 0.0), (0.05, 0.0), start=1.2, duration=1.0)
    world = World(small_scene(thing(), pushes=(push,)))
    world.advance(1.2)  # it has come down beside the box
    drive(world, (0.1, 0.0, 0.0), 1.6)
    assert world.motion("box").pose.translation[0] > 0.03


def test_a_blocked_pusher_stores_up_no_leap() -> None:
    place = np.array([0.1, 0.0, 0.8])
    blocked = Drive(place - 1.0, place + 1.0, place, np.array([0.5, 0.0, 0.0]), math.inf)
    for step in range(1000):
        blocked = blocked.advanced(step * 0.01, 0.01, place)
    assert 0.0 < blocked.target[0] - place[0] < 0.05


def test_a_restored_world_repeats_a_commanded_future_bit_by_bit() -> None:
    world = World(small_scene(BOX, pusher=True))
    world.advance(0.3)
    world.command(np.array([-0.3, 0.1, -0.2]))
    world.advance(0.4)
    moment = world.snapshot()
    places = []
    for _ in range(2):
        world.restore(moment)
        world.advance(0.7)
        places.append(tip(world))
    np.testing.assert_array_equal(*places)
    assert not np.array_equal(places[0], moment.data.qpos[:3])


def test_the_same_commands_give_the_same_frames() -> None:
    runs = []
    for _ in range(2):
        simulator = Simulator(small_scene(pusher=True, duration=0.6))
        frames = []
        for sample in simulator:
            simulator.command(np.array([-0.4, -0.3, -0.1]))
            assert sample.truth is not None
            pusher = next(o for o in sample.truth.objects if o.label == "pusher")
            frames.append((pusher.position, sample.frame.depth))
        runs.append(frames)
    assert runs[0][-1][0][0] < runs[0][0][0][0] - 0.05
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_the_true_state_of_the_pusher_is_that_of_its_box_and_its_tip_touches_the_table() -> None:
    simulator = Simulator(small_scene(pusher=True, duration=2.0))
    lowest = np.inf
    for sample in simulator:
        simulator.command(np.array([0.0, 0.0, -0.5]))
        assert sample.truth is not None
        pusher = next(o for o in sample.truth.objects if o.label == "pusher")
        lowest = min(lowest, pusher.position[2] - pusher.size[2] / 2.0)
    assert lowest == pytest.approx(simulator.scene.support_height, abs=0.01)
