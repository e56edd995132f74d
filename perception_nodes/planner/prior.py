"""A small physics step: what a pusher does to objects that stand on a support.

Position-based dynamics (Mueller et al. 2007) with friction as in `contact`: in each step objects
slide on against Coulomb friction, then overlaps with the pusher and with each other are undone, by
shares that follow the forces that make each slide. Gravity acts through these forces; what stands
on an object goes with it. Slow pushes are quasi-static in it without a special case.

Nothing in it depends on the data but numbers: no branches, a fixed number of pairs, soft gates. So
it runs for many candidates at once, and as a network (`models/perception_models/planner`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.planner.blocks import CORNER, GRAVITY, Blocks, blocks_of
from perception_nodes.planner.contact import Array, depth, gate, pushed, touch, turned
from perception_nodes.planner.interface import Futures, Situation


@dataclass(frozen=True, slots=True)
class Physics:
    """What the prior assumes of the world.

    Attributes:
        tip_radius: Of the pusher, a stick with a round end, m.
        grip: Friction of the pusher's surface; with an object the greater of both counts.
        rim: Mean distance of the pressure on the support from the center, as a share of that of the
            corners or of the radius of what is round, for short steps; measured in simulation
            (bench/planner_prior.py).
        rim_growth: How much more it must be a second of step: a long step sees all of its contact
            from where the pusher ends, and lets things slip aside too far; measured likewise.
        growth: Standard deviation of where a touched object ends, as a share of how far it moved.
        substeps: Steps of physics in one of a rollout; fast strikes need more.
        sweeps: How often overlaps are undone in one step of physics.
    """

    tip_radius: float = 0.012
    grip: float = 0.4
    rim: float = 0.62
    rim_growth: float = 2.6
    growth: float = 0.15
    substeps: int = 1
    sweeps: int = 2


class State(NamedTuple):
    """Poses and velocities (B, N, 3) of x, y and heading, and deviations (B, N)."""

    poses: Array
    velocities: Array
    deviation: Array


class Things(NamedTuple):
    """What of `Blocks` stays the same in a rollout, as arrays of either library."""

    heights: Array
    parts: Array
    friction: Array
    turning: Array
    load: Array
    carriers: Array
    level: Array
    """(N, N) 1 where two objects are beside each other, not one above the other."""


def things(blocks: Blocks, physics: Physics, interval: float) -> Things:
    """The constants of a rollout in steps of `interval` s, as arrays of NumPy."""
    low, high = blocks.heights[:, 0], blocks.heights[:, 1]
    overlap = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    level = (overlap > 0.003) & ~np.eye(len(low), dtype=bool)
    turning = blocks.turning * (physics.rim + physics.rim_growth * interval / physics.substeps) ** 2
    carriers = blocks.carriers
    load = blocks.load + carriers.T @ blocks.load
    return Things(
        blocks.heights,
        blocks.parts,
        blocks.friction,
        turning,
        load,
        carriers,
        level.astype(np.float64),
    )


def step(
    xp: Any, state: State, still: Things, tip: Array, shift: Array, dt: float, physics: Physics
) -> State:
    """One step of physics.

    Args:
        xp: The array library, see `contact`.
        state: Before.
        still: What does not change.
        tip: (B, 3) of the pusher after the step.
        shift: (B, 3) how far it came in it.
        dt: s.
        physics: See there.
    """
    before = state.poses
    poses, velocities = _slide(xp, state, still, dt)
    slid = poses
    moved = 0.0 * poses[..., 0]
    for sweep in range(physics.sweeps):
        share = shift * (1.0 if sweep == 0 else 0.0)
        push = _from_pusher(xp, poses, still, tip, share, physics)
        poses = poses + push
        moved = moved + xp.sqrt(push[..., 0] ** 2 + push[..., 1] ** 2)
        if before.shape[-2] > 1:
            push = _from_others(xp, before, poses, still)
            poses = poses + push
            moved = moved + xp.sqrt(push[..., 0] ** 2 + push[..., 1] ** 2)
    # the last word has the pusher: it does not give way
    poses = poses + _from_pusher(xp, poses, still, tip, 0.0 * shift, physics)
    velocities = velocities + (poses - slid) / dt
    if before.shape[-2] > 1:
        poses = _carried(xp, before, poses, still)
    deviation = state.deviation + physics.growth * moved
    return State(poses, velocities, deviation)


def _slide(xp: Any, state: State, still: Things, dt: float) -> tuple[Array, Array]:
    """Poses and velocities (B, N, 3) after Coulomb friction alone has slowed objects down."""
    v = state.velocities
    lever = xp.sqrt(still.turning)
    speed = xp.sqrt(v[..., 0] ** 2 + v[..., 1] ** 2 + (lever * v[..., 2]) ** 2 + 1e-12)
    brake = still.friction * GRAVITY
    time = speed / brake
    time = xp.where(time < dt, time, dt + 0.0 * time)
    distance = speed * time - 0.5 * brake * time**2
    left = 1.0 - brake * time / speed
    return state.poses + v * (distance / speed)[..., None], v * left[..., None]


def _from_pusher(
    xp: Any, poses: Array, still: Things, tip: Array, shift: Array, physics: Physics
) -> Array:
    """How the pusher moves each object, (B, N, 3)."""
    if xp is not np:
        every = (slice(None), slice(None))
        return _pushes(xp, poses, still, tip[:, None], shift[:, None], physics, every[:1])
    away = np.hypot(*np.moveaxis(tip[:, None, :2] - poses[..., :2], -1, 0))
    row, item = np.nonzero(away < _reach(still.parts) + physics.tip_radius + _APART)
    found = np.zeros(poses.shape)
    if len(row):
        found[row, item] = _pushes(
            np, poses[row, item], still, tip[row], shift[row], physics, (item,)
        )
    return found


def _pushes(
    xp: Any, poses: Array, still: Things, tip: Array, shift: Array, physics: Physics, of: Any
) -> Array:
    """How the pusher moves objects (..., 3), of which `still[of]` is known."""
    friction, turning = still.friction[of], still.turning[of]
    offset = tip[..., :2] - poses[..., :2]
    found = touch(xp, turned(xp, -poses[..., 2], offset), still.parts[of])
    normal = turned(xp, poses[..., 2], found.normal)
    gap = found.distance - physics.tip_radius
    # the end of the stick is round: above the top there is nothing to touch
    low = gate(xp, tip[..., 2] - still.heights[of][..., 1])
    into = -normal
    along = shift[..., 0] * -into[..., 1] + shift[..., 1] * into[..., 0]
    rough = xp.where(friction > physics.grip, friction, 0.0 * friction + physics.grip)
    arm = offset - normal * found.distance[..., None]
    deep, slip = depth(xp, gap) * low, along * gate(xp, gap) * low
    return pushed(xp, into, arm, deep, slip, rough, turning)


class _Side(NamedTuple):
    """One of the two objects of pairs: pose and change of it (..., 3), and what it is."""

    pose: Array
    change: Array
    outline: Array
    parts: Array
    friction: Array
    turning: Array
    load: Array


def _side(xp: Any, before: Array, poses: Array, still: Things, at: Any, of: Any) -> _Side:
    """Objects `at` of (B, N, ...), which are `of` those of `still`."""
    return _Side(
        poses[at], poses[at] - before[at], _outline(xp, still.parts)[of], still.parts[of],
        still.friction[of], still.turning[of], still.load[of],
    )  # fmt: skip


def _from_others(xp: Any, before: Array, poses: Array, still: Things) -> Array:
    """How objects push each other apart and drag each other along, (B, N, 3).

    As a network all pairs are looked at; with NumPy those that are near.
    """
    if xp is not np:
        every = slice(None)
        a = _side(xp, before, poses, still, (every, every, None), (every, None))
        b = _side(xp, before, poses, still, (every, None), (None,))
        mine, others = _meet(xp, a, b, still.level)
        return mine.sum(2) - others.sum(1)
    apart = poses[:, :, None, :2] - poses[:, None, :, :2]
    reach = _reach(still.parts)
    near = np.hypot(apart[..., 0], apart[..., 1]) < reach[:, None] + reach[None] + _APART
    row, one, other = np.nonzero(near & (still.level > 0.0))
    total = np.zeros(poses.shape)
    if len(row):
        a = _side(np, before, poses, still, (row, one), (one,))
        b = _side(np, before, poses, still, (row, other), (other,))
        mine, others = _meet(np, a, b, still.level[one, other])
        np.add.at(total, (row, one), mine)
        np.subtract.at(total, (row, other), others)
    return total


def _meet(xp: Any, a: _Side, b: _Side, level: Array) -> tuple[Array, Array]:
    """How pairs move (..., 3): object `a`, and against it object `b`."""
    at, normal, gap = _meetings(xp, a, b)
    left = xp.stack((-normal[..., 1], normal[..., 0]), -1)
    arm_a, arm_b = at - a.pose[..., :2], at - b.pose[..., :2]
    ease_in = _ease(arm_a, normal, a) + _ease(arm_b, normal, b)
    ease_left = _ease(arm_a, left, a) + _ease(arm_b, left, b)
    # each pair is met twice, with the points of either
    force = 0.5 * depth(xp, gap) * level / ease_in
    past = _carry(xp, a.change, arm_a) - _carry(xp, b.change, arm_b)
    wanted = -0.5 * (past * left).sum(-1) * gate(xp, gap) * level / ease_left
    most = xp.where(a.friction > b.friction, a.friction, b.friction) * force
    drag = xp.where(wanted > most, most, xp.where(wanted < -most, -most, wanted))
    total = normal * force[..., None] + left * drag[..., None]
    return _moved(xp, total, arm_a, a), _moved(xp, total, arm_b, b)


def _meetings(xp: Any, a: _Side, b: _Side) -> tuple[Array, Array, Array]:
    """Where the outline of `a` is deepest in `b`: place (..., 2), normal out of b, gap."""
    corners = a.pose[..., None, :2] + turned(xp, a.pose[..., None, 2], a.outline)
    offset = corners - b.pose[..., None, :2]
    heading = b.pose[..., 2]
    found = touch(xp, turned(xp, -heading[..., None], offset), b.parts[..., None, :, :])
    # a soft choice among the points, so that a face is pushed in its middle
    weight = xp.exp(-CHOICE * (found.distance - _least(xp, found.distance)))
    weight = weight / weight.sum(-1)[..., None]
    gap = (weight * found.distance).sum(-1)
    normal = (weight[..., None] * found.normal).sum(-2)
    length = xp.sqrt(normal[..., 0] ** 2 + normal[..., 1] ** 2 + 1e-12)
    normal = turned(xp, heading, normal / length[..., None])
    return (weight[..., None] * corners).sum(-2), normal, gap


def _ease(arm: Array, way: Array, side: _Side) -> Array:
    """How far a unit of force along `way` at `arm` moves the contact."""
    lever = arm[..., 0] * way[..., 1] - arm[..., 1] * way[..., 0]
    return (1.0 + lever**2 / side.turning) / side.load


def _carry(xp: Any, change: Array, arm: Array) -> Array:
    """How far points at `arm` went with objects that went by `change`, (..., 2)."""
    turn = change[..., 2]
    return xp.stack((change[..., 0] - turn * arm[..., 1], change[..., 1] + turn * arm[..., 0]), -1)


def _moved(xp: Any, force: Array, arm: Array, side: _Side) -> Array:
    """The displacement (..., 3) by a force at `arm`."""
    turn = (arm[..., 0] * force[..., 1] - arm[..., 1] * force[..., 0]) / side.turning / side.load
    return xp.concatenate((force / side.load[..., None], turn[..., None]), -1)


def _reach(parts: Array) -> Floats:
    """(N,) how far the shapes reach from their centers, m."""
    corner = np.abs(parts[..., :2]) + np.maximum(parts[..., 2:4], 0.0)
    return np.asarray(np.hypot(corner[..., 0], corner[..., 1]).max(axis=-1))


_APART = 0.01
"""m: what is farther apart does not touch, to 1e-11 of a meter; see `contact.SHARPNESS`."""
CHOICE = 500.0
"""1/m: how sharply the deepest points of an outline outweigh the others."""


def _least(xp: Any, values: Array) -> Array:
    """(..., 1) the least of the last axis."""
    least = values[..., :1]
    for k in range(1, values.shape[-1]):
        least = xp.where(values[..., k : k + 1] < least, values[..., k : k + 1], least)
    return least


def _outline(xp: Any, parts: Array) -> Array:
    """(N, 8 K, 2) corners and middles of the sides of all rectangles."""
    around = xp.asarray(_AROUND)
    radius = parts[..., None, 4:]
    # a round corner is a little farther in
    diagonal = around[:, :1] ** 2 * around[:, 1:] ** 2
    inner = parts[..., None, 2:4] - CORNER * diagonal * radius
    points = parts[..., None, :2] + around * inner
    return points.reshape((parts.shape[0], -1, 2))


_AROUND = ((1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1))


def _carried(xp: Any, before: Array, poses: Array, still: Things) -> Array:
    """Poses in which what stands on something has gone with it."""
    # what carries moved by `change` about its own center
    change = poses - before
    offset = before[:, :, None, :2] - before[:, None, :, :2]
    turn = change[:, None, :, 2]
    shift_x = change[:, None, :, 0] - turn * offset[..., 1]
    shift_y = change[:, None, :, 1] + turn * offset[..., 0]
    ride = xp.stack((shift_x, shift_y, turn + 0.0 * shift_x), -1)
    return poses + (still.carriers[None, ..., None] * ride).sum(2)


def roll(
    xp: Any,
    start: State,
    still: Things,
    tips: Array,
    interval: float,
    physics: Physics,
    tick: Callable[[], None] | None = None,
) -> list[State]:
    """T + 1 states for candidates (B, T + 1, 3) of the tip, `interval` s a step.

    `tick` is called after each step, and may raise to give up.
    """
    states = [start]
    for t in range(tips.shape[1] - 1):
        state, parts = states[-1], physics.substeps
        shift = (tips[:, t + 1] - tips[:, t]) / parts
        for part in range(1, parts + 1):
            tip = tips[:, t] + shift * part
            state = step(xp, state, still, tip, shift, interval / parts, physics)
        states.append(state)
        if tick is not None:
            tick()
    return states


def start_state(blocks: Blocks, candidates: int) -> State:
    """The present, once for each candidate."""
    shape = (candidates, len(blocks.ids), 3)
    return State(
        np.broadcast_to(blocks.poses, shape),
        np.broadcast_to(blocks.velocities, shape),
        np.broadcast_to(blocks.deviation, shape[:2]),
    )


class PriorRollout:
    """Foresees by physics alone; see `interface.Rollout`.

    Args:
        physics: What it assumes.
        shapes: By object id, footprints that are known; see `blocks_of`.
    """

    def __init__(
        self, physics: Physics | None = None, shapes: dict[str, Floats] | None = None
    ) -> None:
        self.physics = physics or Physics()
        self.shapes = shapes or {}

    def roll(self, situation: Situation, tips: Floats, interval: float) -> Futures:
        """See `interface.Rollout`."""
        blocks = blocks_of(situation.objects, self.shapes)
        start = start_state(blocks, len(tips))
        states = roll(
            np, start, things(blocks, self.physics, interval), tips, interval, self.physics
        )
        poses = np.stack([state.poses for state in states], axis=1)
        height = np.broadcast_to(blocks.heights.mean(axis=1)[:, None], (*poses.shape[:3], 1))
        full = np.concatenate((poses[..., :2], height, poses[..., 2:]), axis=-1)
        deviation = np.stack([state.deviation for state in states], axis=1)
        return Futures(blocks.ids, full, deviation, np.zeros(len(tips)))
