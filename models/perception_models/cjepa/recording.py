"""Episodes of exact states from the simulator, each with what would have happened otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_models.cjepa.scenes import DURATION, random_scene
from perception_nodes.arrays import Floats
from perception_nodes.errors import ConfigurationError
from perception_simulation.model import PUSHER
from perception_simulation.shapes import geometry
from perception_simulation.world import World

INTERVAL = 0.1
"""Seconds between two states."""
FRAMES = round(DURATION / INTERVAL) + 1
BRANCH_AT = 3
"""In a branch, the last state that was still as it truly was."""
BRANCH_FRAMES = BRANCH_AT + 21
MAX_OBJECTS = 10
STATE = 13
"""Position, quaternion (x, y, z, w), velocity, angular velocity; world frame."""


@dataclass(frozen=True)
class Episode:
    """What happened and two branches from one moment: without an object, and without the push.

    Attributes:
        size: (N, 3) box extents, 0 where there is no object.
        physics: (N, 2) log mass and log friction.
        states: (FRAMES, N, 13).
        robot: (FRAMES, 6) the pusher's tip and its velocity.
        touching: (FRAMES, N + 1, N + 1) who touches whom; the pusher is last.
        branches: (2, BRANCH_FRAMES, N, 13), from three frames before the branch on.
        branch_robot: (2, BRANCH_FRAMES, 6).
        branch_frame: At which frame of `states` they branch off.
        left_out: Which object the first branch leaves out.
    """

    size: Floats
    physics: Floats
    states: Floats
    robot: Floats
    touching: Floats
    branches: Floats
    branch_robot: Floats
    branch_frame: int
    left_out: int


def record(seed: Sequence[int], count: int) -> Episode:
    """Draw a scene and simulate it three times.

    Args:
        seed: The same one gives the same episode.
        count: How many objects, 1..10.
    """
    rng = np.random.default_rng(list(seed))
    while True:
        try:
            scene = random_scene(rng, count)
            world = World(scene)
            break
        except ConfigurationError:
            continue
    names = [item.name for item in scene.objects]
    starts = [push.start for push in scene.pushes]
    # just before the pusher arrives, or wherever things already roll
    moment = starts[0] - 0.1 if starts and rng.random() < 0.7 else float(rng.uniform(0.35, 1.9))
    frame = int(np.clip(math.floor(moment / INTERVAL), BRANCH_AT, FRAMES - 21))
    states, robot, touching = _empty(FRAMES)
    snapshot = None
    for k in range(FRAMES):
        world.advance(k * INTERVAL)
        states[k, :count], robot[k] = _state(world, names)
        touching[k] = _touching(world, names)
        if k == frame:
            snapshot = world.branch()
    assert snapshot is not None
    ahead = slice(frame, frame + BRANCH_FRAMES - BRANCH_AT)
    left_out = _cause(rng, states[ahead, :count], touching[ahead])
    branches, branch_robot = [], []
    for without in ([names[left_out]], [push.name for push in scene.pushes]):
        past = slice(frame - BRANCH_AT, frame + 1)
        future, arm = _follow(snapshot.branch(without), frame, names)
        branches.append(np.concatenate((states[past], future)))
        branch_robot.append(np.concatenate((robot[past], arm)))
    size, physics = np.zeros((MAX_OBJECTS, 3)), np.zeros((MAX_OBJECTS, 2))
    for i, item in enumerate(scene.objects):
        size[i] = geometry(item.shape).size
        physics[i] = math.log(item.mass), math.log(max(item.friction, 0.2))
    return Episode(
        size,
        physics,
        states,
        robot,
        touching,
        np.stack(branches),
        np.stack(branch_robot),
        frame,
        left_out,
    )


def _empty(frames: int) -> tuple[Floats, Floats, Floats]:
    states = np.zeros((frames, MAX_OBJECTS, STATE))
    states[..., 6] = 1.0
    touching = np.zeros((frames, MAX_OBJECTS + 1, MAX_OBJECTS + 1))
    return states, np.zeros((frames, 6)), touching


def _state(world: World, names: Sequence[str]) -> tuple[Floats, Floats]:
    rows = np.zeros((len(names), STATE))
    rows[:, 6] = 1.0
    for i, name in enumerate(names):
        if name not in world.present:
            continue
        motion = world.motion(name)
        pose = motion.pose
        rows[i] = np.concatenate(
            (pose.translation, pose.quaternion(), motion.velocity, motion.angular_velocity)
        )
    if not world.scene.pushes:
        return rows, np.array([0.0, 0.0, 9.0, 0.0, 0.0, 0.0])
    # the pusher slides on three joints, so that its place and speed are joint coordinates
    place = np.array([world.data.joint(f"{PUSHER} {axis}").qpos[0] for axis in "xyz"])
    speed = np.array([world.data.joint(f"{PUSHER} {axis}").qvel[0] for axis in "xyz"])
    return rows, np.concatenate((place, speed))


def _touching(world: World, names: Sequence[str]) -> Floats:
    index = {name: i for i, name in enumerate(names)} | {PUSHER: MAX_OBJECTS}
    pairs = np.zeros((MAX_OBJECTS + 1, MAX_OBJECTS + 1))
    for a, b in world.touching():
        if a in index and b in index:
            pairs[index[a], index[b]] = pairs[index[b], index[a]] = 1.0
    return pairs


def _cause(rng: np.random.Generator, states: Floats, touching: Floats) -> int:
    """An object to leave out: mostly one that moves and touches others."""
    count = states.shape[1]
    moved = np.linalg.norm(states[-1, :, :3] - states[0, :, :3], axis=-1)
    touches = touching[:, :count, :count].any(axis=0)
    struck = (touches & (moved > 0.02)).any(axis=1)
    weight = 0.05 + (moved > 0.02) * 0.2 + struck * (moved > 0.02) + 0.3 * struck
    return int(rng.choice(count, p=weight / weight.sum()))


def _follow(world: World, frame: int, names: Sequence[str]) -> tuple[Floats, Floats]:
    steps = BRANCH_FRAMES - BRANCH_AT - 1
    states, robot, _ = _empty(steps)
    for k in range(steps):
        world.advance((frame + 1 + k) * INTERVAL)
        states[k, : len(names)], robot[k] = _state(world, names)
    return states, robot
