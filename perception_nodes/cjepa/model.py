"""The learned world model at run time: objects in, their states step by step ahead out.

The network is `models/weights/cjepa.onnx`, made by `permanence train cjepa`; what its inputs mean
is said in `docs/cjepa.md`. This module speaks of bodies, steps and scenes instead of tensors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from perception_nodes.arrays import Bools, Floats
from perception_nodes.cjepa.bodies import (
    INTERVAL,
    POSITION,
    VELOCITY,
    box_gaps,
    hanging,
    movable,
    pushed_out,
    reach,
    settled,
)
from perception_nodes.cjepa.calibration import Calibration
from perception_nodes.cjepa.turning import averaged
from perception_nodes.inference.network import Network
from perception_nodes.scene import ObjectState

HISTORY = 3
MAX_BODIES = 16
"""More objects than these are not foreseen together: those nearest to what moves are kept."""
AGE = 6
_OLDEST = 2.0
"""Seconds; the network was trained on nothing that was not seen for longer."""
_LEAST = (-7.6, -7.6, -5.3, -5.3, -5.3, -3.0)
_UNKNOWN_SPIN = 1.1
_NANOSECONDS = 1e-9
_AWAY = (0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Bodies:
    """N objects as the network knows them, world frame.

    Attributes:
        ids: Their ids.
        states: (N, 18) position, rotation matrix by rows, velocity, angular velocity.
        beliefs: (N, 7) log standard deviations of position (level, up), velocity (level, up),
            rotation and angular velocity; seconds since they were last seen.
        size: (N, 3) box extents.
        roundness: (N, 3) chance that the surface is round about each axis of the box.
        physics: (N, 4) mean and variance of log mass, then of log friction.
    """

    ids: tuple[str, ...]
    states: Floats
    beliefs: Floats
    size: Floats
    roundness: Floats
    physics: Floats

    @classmethod
    def of(cls, objects: Sequence[ObjectState]) -> Bodies:
        """Objects whose numbers are all finite, in their order."""
        rows = [(item.id, *_row(item)) for item in objects]
        rows = [row for row in rows if all(np.isfinite(part).all() for part in row[1:])]
        shapes = (18, 7, 3, 3, 4)
        parts = list(zip(*rows, strict=True)) or [()] * (len(shapes) + 1)
        arrays = [np.reshape(p, (-1, n)) for p, n in zip(parts[1:], shapes, strict=True)]
        return cls(tuple(parts[0]), *arrays)

    def only(self, index: Sequence[int]) -> Bodies:
        """Some of them."""
        i = np.asarray(index, dtype=np.intp)
        ids = tuple(self.ids[k] for k in i)
        parts = (self.states, self.beliefs, self.size, self.roundness, self.physics)
        return Bodies(ids, *(part[i] for part in parts))


def _row(item: ObjectState) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    pose, twist = item.pose_covariance, item.twist_covariance
    spin = float(np.trace(twist[3:, 3:])) / 3.0
    variances = (
        (pose[0, 0] + pose[1, 1]) / 2.0,
        pose[2, 2],
        (twist[0, 0] + twist[1, 1]) / 2.0,
        twist[2, 2],
        np.trace(pose[3:, 3:]) / 3.0,
        spin if spin > 0.0 or item.angular_velocity.any() else math.exp(2.0 * _UNKNOWN_SPIN),
    )
    logs = np.maximum(0.5 * np.log(np.maximum(variances, 1e-9)), _LEAST)
    age = min(max(item.stamp - item.last_seen, 0) * _NANOSECONDS, _OLDEST)
    state = (item.position, item.pose.rotation.reshape(9), item.velocity, item.angular_velocity)
    mass, friction = item.log_mass, item.log_friction
    return (
        np.concatenate(state),
        np.append(logs, age),
        item.size,
        item.roundness,
        np.array([mass.mean, mass.variance, friction.mean, friction.variance]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """Futures of N objects in B variants of a scene.

    Attributes:
        states: (B, T, N, 18).
        deviations: (B, T, N, 6) log standard deviations as the network says them; to be believed
            they need `Calibration.widening`.
    """

    states: Floats
    deviations: Floats


class WorldModel:
    """Foresees objects together.

    Args:
        network: The predictor.
        calibration: By how much its standard deviations have to be widened.
    """

    def __init__(self, network: Network, calibration: Calibration) -> None:
        self._network = network
        self.calibration = calibration

    @property
    def model_id(self) -> str:
        """Name and version of the network."""
        return self._network.model_id

    def roll(
        self,
        history: Sequence[Bodies],
        steps: int,
        robot: Floats | None = None,
        without: Sequence[int | None] = (None,),
    ) -> Rollout:
        """Foresee some steps of `INTERVAL` seconds.

        With one way of the robot, or none, answers are averaged over quarter turns of the world
        (`turning`), at four times the cost.

        Args:
            history: The same objects in the last `HISTORY` steps, oldest first.
            steps: How many.
            robot: (HISTORY + steps, 6) tip and velocity of a pusher, from the oldest frame on to
                where it will be; (B, HISTORY + steps, 6) for B ways that it may go, which are the
                variants then; none if there is none.
            without: One variant of the scene each: the index of an object to leave out, or none.
        """
        support = support_height(history[-1])
        now = history[-1]
        arm = _robot_tokens(robot, HISTORY + steps, support)
        ways, count = len(arm), len(now.ids)
        variants = max(len(without), ways)
        if count == 0:
            return Rollout(np.zeros((variants, steps, 0, 18)), np.zeros((variants, steps, 0, 6)))
        states = np.repeat(np.stack([b.states for b in history])[None], variants, axis=0)
        states[..., 2] -= support
        beliefs = np.repeat(np.stack([b.beliefs for b in history])[None], variants, axis=0)
        present = np.ones((variants, count))
        for row, index in enumerate(without):
            if index is not None:
                present[row, index] = 0.0
        arm = np.broadcast_to(arm, (variants, *arm.shape[1:]))
        found, spread = [], []
        # plans weigh many ways and need them fast
        ask = self._network.run if ways > 1 else partial(averaged, self._network.run)
        fixed = {
            "known": np.ones((variants, HISTORY, count)),
            "size": np.repeat(now.size[None], variants, axis=0),
            "roundness": np.repeat(now.roundness[None], variants, axis=0),
            "physics": np.repeat(now.physics[None], variants, axis=0),
            "present": present,
            "interval": np.full(variants, INTERVAL),
        }
        for step in range(steps):
            moving = {
                "states": states,
                "beliefs": beliefs,
                "robot": arm[:, step : step + HISTORY + 1],
            }
            inputs = {name: x.astype(np.float32) for name, x in (fixed | moving).items()}
            answer = ask(inputs)
            before, after = states[:, -1], answer["next_states"][:, -1].astype(np.float64)
            free = movable(before, after, fixed["size"], present > 0.0, moving["robot"][:, -2])
            state = settled(before, after, fixed["size"], free)
            state = pushed_out(state, fixed["size"], moving["robot"][:, -2], moving["robot"][:, -1])
            deviation = answer["log_deviations"][:, -1].astype(np.float64)
            # what nothing can have moved is known as well as before
            deviation = np.where(free[..., None], deviation, beliefs[:, -1, :, :AGE])
            found.append(state)
            spread.append(deviation)
            age = np.minimum(beliefs[:, -1, :, AGE:] + INTERVAL, _OLDEST)
            newest = np.concatenate((deviation, age), axis=-1)
            states = np.concatenate((states[:, 1:], state[:, None]), axis=1)
            beliefs = np.concatenate((beliefs[:, 1:], newest[:, None]), axis=1)
        rolled = np.stack(found, axis=1)
        rolled[..., 2] += support
        return Rollout(rolled, np.stack(spread, axis=1))


def support_height(bodies: Bodies) -> float:
    """Height of the level on which the objects stand: that of the lowest bottom."""
    if not bodies.ids:
        return 0.0
    bottoms = bodies.states[:, 2] - reach(bodies.states, bodies.size)[:, 2]
    return float(bottoms.min())


def levels(bodies: Bodies, gap: float = 0.3) -> list[list[int]]:
    """Which objects share a support: those whose bottoms follow each other within a gap, m.

    A shelf and the floor below it are two worlds: the model knows one level, and would let what
    stands on the shelf fall.
    """
    if not bodies.ids:
        return []
    bottoms = bodies.states[:, 2] - reach(bodies.states, bodies.size)[:, 2]
    order = np.argsort(bottoms, kind="stable")
    breaks = np.flatnonzero(np.diff(bottoms[order]) > gap) + 1
    return [sorted(int(i) for i in part) for part in np.split(order, breaks)]


def gaps(bodies: Bodies) -> Floats:
    """(N, N) signed distance of boxes; see `box_gaps`."""
    return box_gaps(bodies.states, bodies.size)


def unsupported(bodies: Bodies) -> Bools:
    """(N,) whether an object hangs in the air: neither on the support nor on another object.

    What hangs there unmoved or rises is held by a hand that nobody sees, and does not fall.
    """
    everyone = np.ones(len(bodies.ids), dtype=bool)
    return hanging(bodies.states, bodies.size, everyone, support_height(bodies))


def nearest(bodies: Bodies, most: int, robot: Floats | None) -> list[int]:
    """Indices of the `most` objects nearest to what moves (to the newest seen where all rests)."""
    count = len(bodies.ids)
    if count <= most:
        return list(range(count))
    moving: Bools = np.linalg.norm(bodies.states[:, VELOCITY], axis=-1) > 0.03
    if moving.any():
        centers = bodies.states[moving][:, POSITION]
    elif robot is not None:
        centers = robot[None, :3]
    else:
        order = np.argsort(bodies.beliefs[:, AGE], kind="stable")
        return sorted(int(i) for i in order[:most])
    away = np.linalg.norm(bodies.states[:, None, POSITION] - centers, axis=-1).min(axis=-1)
    return sorted(int(i) for i in np.argsort(away, kind="stable")[:most])


def _robot_tokens(robot: Floats | None, frames: int, support: float) -> Floats:
    """(1 or B, frames, 7): tip, velocity, and whether there is a robot."""
    if robot is None:
        return np.tile(np.array(_AWAY), (1, frames, 1))
    ways = robot.reshape(-1, frames, 6)
    tokens = np.concatenate((ways, np.ones((*ways.shape[:2], 1))), axis=-1)
    tokens[..., 2] -= support
    return tokens
