"""One person as a Gaussian over joints and their velocities, corrected by Gauss-Newton steps.

State: X (51) joints, V (51) velocities, world frame, with the joint covariance of both. Between
moments V wanders by white acceleration, each joint its own and one that all share. Measurements
depend on X alone, so the posterior of V follows from that of X in closed form:

    X+ = argmin |X - X-|^2_{P_xx^-1} + measurements + bones + limits,   P_xx+ = (Hessian)^-1
    V+ = V- + G (X+ - X-),   P_vx+ = G P_xx+,   P_vv+ = P_vv - G (P_xx - P_xx+) G^T,
    G = P_vx P_xx^-1
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from perception_nodes.arrays import Bools, Floats, Ints
from perception_nodes.embodmocap.bones import Bones, forward
from perception_nodes.embodmocap.gaussian import from_factor, invert, solve
from perception_nodes.embodmocap.observation import Observation, linearize
from perception_nodes.embodmocap.skeleton import AGILITY, BODY_AGILITY, COUNT, INDEX

_N = 3 * COUNT
_STEPS = 4
_SETTLED, _FAR, _ENOUGH = 0.05, 0.1, 5.0
"""Steps end with one shorter than 5 cm, or that promises less than a tenth of a variance a number:
on procedural and recorded motion further ones gain nothing."""
_LEARN_EVERY = 3
_SPEED = 1.0
_LARGEST_STEP = 0.5
_RIDGE, _LIGHT = 1e-9 * np.eye(_N), np.eye(_N)

_AXES = 3 * np.arange(COUNT)[:, None] + np.arange(3)
_BLOCKS = _N * _AXES[:, :, None] + _AXES[:, None]
_AXES = (_N + 1) * _AXES
"""Places in a flat (51, 51) matrix of the joints' (17, 3) diagonals and (17, 3, 3) blocks."""
_SHARED = np.kron(np.ones((COUNT, COUNT)), np.eye(3))
_ADAPT, _QUICKEST, _SLOWEST, _STILL = 0.1, 3.0, 0.3, 1e-6
_HABIT = 1.3  # s
TRUNK = np.array([INDEX[f"{s}_{p}"] for p in ("shoulder", "hip") for s in ("left", "right")])
_MIDDLE = np.kron(np.bincount(TRUNK, minlength=COUNT) / len(TRUNK), np.eye(3))
_STARTLED, _CAP, _RECENT = 5.0, 16.0, 0.3
_RESTING, _WAKING, _STANDING = 0.7, 1.1, 0.02


class Body:
    """Joints of one person.

    Args:
        joints: (17, 3) first guess, world frame.
        covariance: (51, 51) of it.
        bones: Lengths; the body goes on to learn them. None to do without.
        stamp: Of the guess, ns.
    """

    def __init__(self, joints: Floats, covariance: Floats, bones: Bones | None, stamp: int) -> None:
        self.stamp = stamp
        self.bones = bones
        self._corrections = 0
        self._pace, self._stir = np.ones(COUNT), np.ones(COUNT)
        self.drift = np.zeros(3)
        """(3,) level velocity of the trunk, m/s, averaged over the last second or so."""
        self._misfit = np.full(COUNT, 2.0)
        self._x: Floats = np.asarray(joints, dtype=np.float64).reshape(_N).copy()
        self._v = np.zeros(_N)
        self._xx = covariance + 0.0
        self._vx = np.zeros((_N, _N))
        self._vv = _SPEED**2 * (np.eye(_N) + np.kron(np.ones((COUNT, COUNT)), np.eye(3)))

    @property
    def joints(self) -> Floats:
        """(17, 3) meters, world frame."""
        return self._x.reshape(COUNT, 3).copy()

    @property
    def velocities(self) -> Floats:
        """(17, 3) m/s."""
        return self._v.reshape(COUNT, 3).copy()

    @property
    def covariances(self) -> Floats:
        """(17, 3, 3) of the joints."""
        return blocks(self._xx)

    @property
    def variances(self) -> Floats:
        """(17,) of the joints, per axis."""
        return _traces(self._xx) / 3.0

    @property
    def speed_variances(self) -> Floats:
        """(17,) of the velocities, per axis."""
        return _traces(self._vv) / 3.0

    @property
    def velocity_covariances(self) -> Floats:
        """(17, 3, 3) of the velocities."""
        return blocks(self._vv)

    @property
    def cross_covariances(self) -> Floats:
        """(17, 3, 3) of velocities with joints."""
        return blocks(self._vx)

    @property
    def agility(self) -> tuple[Floats, float]:
        """(17,) of each joint and that of the whole body, as learned so far, m^2/s^3."""
        return AGILITY * self._pace * self._stir, BODY_AGILITY * float(self._pace.mean())

    def move_to(self, stamp: int, wander: bool = True) -> None:
        """Go to another time, also back; uncertainty grows unless `wander` is False."""
        dt = (stamp - self.stamp) * 1e-9
        self.stamp = stamp
        if dt == 0.0:
            return
        if wander and dt > 0.0:
            share = 1.0 - math.exp(-dt / _HABIT)
            trunk = _MIDDLE @ self._v
            trunk[2] = 0.0
            self.drift = self.drift + share * (trunk - self.drift)
        self._x = self._x + dt * self._v
        half = self._vx + (0.5 * dt) * self._vv
        self._xx = self._xx + dt * (half + half.T)
        self._vx = self._vx + dt * self._vv
        if wander:
            t = abs(dt)
            own, shared = self.agility
            white = shared * _SHARED
            white.ravel()[_AXES] += own[:, None]
            self._xx += (t**3 / 3.0) * white
            self._vx += (np.sign(dt) * t * t / 2.0) * white
            self._vv = self._vv + t * white

    def correct(self, seen: Observation, doubt: float = 0.0) -> Floats:
        """Take what cameras show at the body's time.

        Args:
            seen: One person in V views.
            doubt: Variance that cameras' poses add, m^2: that much is no reason to distrust.

        Returns:
            (V, 17, 3, 3) robustly weighted rows of each view about each joint, see `linearize`.
        """
        self._xx += _RIDGE
        prior = invert(self._xx)
        start = self._x
        ahead = forward(start.reshape(COUNT, 3))
        spread = np.full(COUNT, doubt)
        wide = spread + self.variances
        x, at, most = start, start, np.inf
        for step in range(_STEPS):
            if most > _FAR:
                # Short ways hardly turn a bone: then what is known stays as it was linearized.
                known, toward = self._known(x, start, prior, ahead)
                at = x
            rows, off, fit = linearize(seen, x.reshape(COUNT, 3), spread if step else wide)
            if not step:
                self._notice(fit, seen.seen)
            information, pull = _by_joint(rows, off)
            hessian = known.copy()
            hessian.ravel()[_BLOCKS] += information
            gradient = toward - known @ (x - at) + pull.ravel()
            way, factor = solve(hessian, gradient)
            most = float(np.abs(way).max())
            x, before = x + way * min(1.0, _LARGEST_STEP / max(most, 1e-12)), x
            if most < _SETTLED or float(gradient @ way) < _ENOUGH:
                break
        self._take(x, from_factor(factor), prior)
        self._corrections += 1
        if self.bones is not None and self._corrections % _LEARN_EVERY == 0:
            self.bones.learn(before.reshape(COUNT, 3), information, pull)
        return rows

    def hold(self, joints: list[int], deviation: float) -> None:
        """Joints that touch something static don't move: velocity 0 with this deviation, m/s."""
        rows = _coordinates(tuple(joints))
        vx, vv, off = self._vx[rows], self._vv[rows], self._v[rows]
        inverse = invert(vv[:, rows] + deviation**2 * _LIGHT[: len(rows), : len(rows)])
        toward_x, toward_v = vx.T @ inverse, vv.T @ inverse
        self._x = self._x - toward_x @ off
        self._v = self._v - toward_v @ off
        self._xx -= toward_x @ vx
        self._vx -= toward_v @ vx
        self._vv -= toward_v @ vv
        self._stir[joints] = np.maximum(_RESTING * self._stir[joints], _STANDING)

    def follow_pose(self, rows: Floats, seen: Observation) -> Floats:
        """(51, 4 V): where joints go if cameras are persistently wrong by (yaw, translation).

        A constant error of a camera is not averaged away over time. What many frames with the same
        error converge to is the balance of the measurements themselves, bones included.
        """
        known, _ = self._known(self._x, self._x, _LIGHT, forward(self.joints))
        hessian = known.copy()
        by_view = np.swapaxes(rows, -1, -2) @ rows
        hessian.ravel()[_BLOCKS] += by_view.sum(axis=0)
        offset = self.joints[None] - seen.center[:, None]
        turn = np.zeros((*offset.shape[:2], 3, 4))
        turn[..., 0, 0], turn[..., 1, 0] = -offset[..., 1], offset[..., 0]
        turn[..., 1:] = np.eye(3)
        pushed = by_view @ turn
        return solve(hessian, pushed.transpose(1, 2, 0, 3).reshape(_N, -1))[0]

    def _known(
        self, x: Floats, start: Floats, prior: Floats, ahead: Floats
    ) -> tuple[Floats, Floats]:
        """Hessian (51, 51) and gradient (51,) of what is known without cameras."""
        gradient = prior @ (start - x)
        if self.bones is None:
            return prior, gradient
        rows, off = self.bones.residuals(x.reshape(COUNT, 3), ahead)
        return prior + rows.T @ rows, gradient - off @ rows

    def _take(self, x: Floats, posterior: Floats, prior: Floats) -> None:
        gain = self._vx @ prior
        lost = gain @ (self._xx - posterior)
        change = gain @ (x - self._x)
        won = lost @ gain.T
        self._v = self._v + change
        self._quicken(change, won)
        vv = self._vv - won
        self._vv = (vv + vv.T) / 2.0
        self._vx = self._vx - lost
        self._x, self._xx = x, posterior

    def _notice(self, fit: Floats, known: Bools) -> None:
        """Joints that are not where they were expected, time and again, move more wildly."""
        count = known.sum(axis=0)
        mean = np.minimum(fit, _CAP).sum(axis=0) / np.maximum(count, 1)
        self._misfit += _RECENT * (count > 0) * (mean - self._misfit)
        startled = self._misfit > _STARTLED
        self._pace[startled] *= _QUICKEST
        self._stir[startled] = 1.0

    def _quicken(self, change: Floats, won: Floats) -> None:
        """Velocities that change by more than expected come of a body that moves more wildly."""
        expected = _traces(won)
        surprise = (change * change).reshape(COUNT, 3).sum(axis=1) / (expected + _STILL)
        self._pace *= np.minimum(1.0 + _ADAPT * (surprise - 1.0), _QUICKEST)
        np.clip(self._pace, _SLOWEST, 1.0, out=self._pace)
        self._stir = np.minimum(_WAKING * self._stir, 1.0)


def blocks(matrix: Floats) -> Floats:
    """(17, 3, 3) on the diagonal of a (51, 51) matrix."""
    return np.asarray(matrix.ravel()[_BLOCKS])


@cache
def _coordinates(joints: tuple[int, ...]) -> Ints:
    """Where joints are in the state."""
    return np.asarray((3 * np.array(joints)[:, None] + np.arange(3)).ravel())


def _traces(matrix: Floats) -> Floats:
    """(17,) of the blocks on the diagonal of a (51, 51) matrix."""
    return np.asarray(matrix.ravel()[:: _N + 1].reshape(COUNT, 3).sum(axis=1))


def _by_joint(rows: Floats, off: Floats) -> tuple[Floats, Floats]:
    """Information (17, 3, 3) of all views about each joint, and their pull (17, 3)."""
    count = 3 * len(rows)
    rows = rows.swapaxes(0, 1).reshape(COUNT, count, 3)
    off = off.swapaxes(0, 1).reshape(COUNT, 1, count)
    return np.swapaxes(rows, 1, 2) @ rows, -(off @ rows)[:, 0]
