"""Where cameras really are: a turn about gravity and a shift each, from people and background.

With the turn psi_c and shift s_c of camera c, joint n and the point y_nc at which camera c puts it,
known across its ray with information W_nc (and along it, where there is depth), minimize

    sum_nc |X_n - y_nc(psi_c, s_c)|^2_{W_nc}                        joints seen by several cameras
    + sum_cm (n_m . (p_cm(psi_c, s_c) - q_m))^2 / s_b^2             background against the map
    + |theta - theta_0|^2_{prior}                                   transforms are not far off

by Gauss-Newton, X eliminated (Schur). Roll and pitch stay: gravity is known. EmbodMocap
(arXiv:2602.23205, stage III) does it offline with tracked image points, Chamfer distance and Adam.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.meeting import Meeting, inverses
from perception_nodes.embodmocap.rays import Rays, Sightings
from perception_nodes.embodmocap.rig import Correction, rotation

WORST_CONDITION = 1e4
NOTICED_SHIFT, NOTICED_TURN = 0.05, np.radians(2.0)
"""Errors of a camera's transform that are reported."""
_ITERATIONS = 12
_TAIL = 5.0
_LEAST_JOINTS = 60
_MOST_JOINTS, _MOST_FOR_DELAYS = 1500, 400
_MEDIAN = 0.9
_PRIOR = np.diag([np.radians(4.0) ** -2, 0.15**-2, 0.15**-2, 0.15**-2])
_FAR_MATCH, _NEAR_MATCH, _MATCH, _CLOSING, _DONE = 0.6, 0.3, 0.15, 0.7, 1e-5
_SURPRISED = 30.0
_LEAST_DEVIATION = 0.02
_BACKGROUND_SHARE = 0.5
_DELAYS = np.arange(-0.24, 0.2401, 0.04)
_FINE = (0.02, 0.01, 0.005)
_EVIDENCE, _INDEPENDENT = 20.0, 0.2
_CHANCE = 3.0
_CLOSEST = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class SurfacePoints:
    """The map: points (M, 3) and their normals (M, 3), world frame."""

    points: Floats
    normals: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What came of a calibration.

    Attributes:
        corrections: By camera; those of before where it was refused.
        refused: Why, for a person; empty if it was accepted.
        joints: How many joints were seen by two cameras.
        condition: Condition number of what the data say of the cameras (radians, meters).
        before, after: Median distance between joints and the rays to them, m.
        noticed: A sentence for each camera whose transform is off by more than 5 cm or 2 degrees.
    """

    corrections: Mapping[str, Correction]
    refused: str
    joints: int
    condition: float
    before: float
    after: float
    noticed: tuple[str, ...] = ()


def calibrate(
    seen: Sightings,
    before: Mapping[str, Correction],
    background: Mapping[str, Floats] | None = None,
    surface: SurfacePoints | None = None,
    clocks: bool = True,
    expected: Mapping[str, Correction] | None = None,
    since: int = 0,
) -> Calibration:
    """Find the corrections of all cameras that saw people, or refuse.

    Args:
        seen: What they saw, with poses as transforms give them.
        before: Corrections so far: their delays are where the search begins.
        background: By camera (N, 4) static points in the world, as transforms put them, and the
            standard deviation of each along its ray, m.
        surface: The map that they belong to; without it only what cameras are to each other can
            be told, and what they share stays as transforms say.
        clocks: Whether to look for delays.
        expected: By camera, a correction and how sure it is: one of before, less sure by the way
            that the camera went since. Others are taken to be within 15 cm and 4 degrees of their
            transforms, as are those that turn out to be far off.
        since: Only what was seen later counts, ns.
    """
    cameras = tuple(sorted({*seen.cameras(), *(background or {})}))
    if not cameras or (len(cameras) < 2 and surface is None):
        return _refuse(before, "not even two cameras see people, and there is no map")
    delays = {name: before[name].delay for name in cameras if name in before}
    rays = _thin(seen.together(cameras, delays, since))
    expected = expected or {}
    problem = _Problem(cameras, rays, background or {}, surface, expected)
    if len(rays) < _LEAST_JOINTS and not problem.anchored:
        why = f"cameras saw only {len(rays)} joints in common, {_LEAST_JOINTS} are needed"
        return _refuse(before, why, len(rays))
    condition = problem.condition()
    if not condition < WORST_CONDITION:
        why = f"what was seen does not tell where cameras are (condition number {condition:.1e})"
        return _refuse(before, why, len(rays), condition)
    if clocks and len(rays) >= _LEAST_JOINTS:
        delays = _delays(seen, cameras, problem, delays)
        rays = _thin(seen.together(cameras, delays, since))
        problem = _Problem(cameras, rays, background or {}, surface, expected)
    start = problem.misfit(np.zeros((len(cameras), 4)))
    theta, covariance = problem.solve()
    if expected and problem.surprise(theta) > _SURPRISED:
        problem = _Problem(cameras, rays, background or {}, surface, {})
        theta, covariance = problem.solve()
    middle = sum(seen.times(since)) // 2
    corrections = dict(before)
    for c, name in enumerate(cameras):
        corrections[name] = Correction(
            float(theta[c, 0]), theta[c, 1:], problem.pivot,
            covariance[4 * c : 4 * c + 4, 4 * c : 4 * c + 4], delays.get(name, 0.0),
            middle,
        )  # fmt: skip
    noticed = _notices(cameras, theta, covariance, problem.anchored)
    after = problem.misfit(theta)
    return Calibration(corrections, "", len(rays), condition, start, after, noticed)


class _Problem:
    """The normal equations of one set of rays and background points."""

    def __init__(
        self, cameras: tuple[str, ...], rays: Rays, background: Mapping[str, Floats],
        surface: SurfacePoints | None, expected: Mapping[str, Correction],
    ) -> None:  # fmt: skip
        self._expected = expected
        self._cameras = cameras
        self._rays = rays
        self._count = len(cameras)
        self._background = [background.get(name, np.zeros((0, 4))) for name in cameras]
        self._surface = surface
        self._match = _FAR_MATCH
        self._tree = None if surface is None or not len(surface.points) else cKDTree(surface.points)
        self.anchored = self._tree is not None and all(len(p) for p in self._background)
        places = rays.centers + rays.ranges[..., None] * rays.directions
        known = rays.angle > 0.0
        clouds = [p for p in self._background if len(p)]
        if known.any():
            self.pivot: Floats = places[known].mean(axis=0)
        else:
            self.pivot = np.concatenate(clouds)[:, :3].mean(axis=0) if clouds else np.zeros(3)
        self._start = np.zeros((self._count, 4))
        self._prior = np.kron(np.eye(self._count), _PRIOR)
        for c, name in enumerate(cameras):
            if name in expected:
                rows = slice(4 * c, 4 * c + 4)
                self._start[c] = expected[name].motion(self.pivot)
                self._prior[rows, rows] = np.linalg.inv(expected[name].about(self.pivot))

    def __len__(self) -> int:
        return len(self._rays)

    def with_rays(self, rays: Rays) -> _Problem:
        """The same cameras with other rays and no background."""
        return _Problem(self._cameras, rays, {}, None, self._expected)

    def condition(self) -> float:
        """Of what the data say; without a map, about all cameras but the first."""
        hessian, _, _ = self._normal(np.zeros((self._count, 4)))
        if not self.anchored:
            hessian = hessian[4:, 4:]
        values = np.linalg.eigvalsh(hessian)
        return float(values[-1] / values[0]) if values[0] > 0.0 else np.inf

    def solve(self, iterations: int = _ITERATIONS) -> tuple[Floats, Floats]:
        """Corrections (C, 4) and their covariance (4C, 4C)."""
        theta, prior = self._start.copy(), self._prior
        hessian = prior
        first = _NEAR_MATCH if self._expected else _FAR_MATCH
        for number in range(iterations):
            self._match = max(_MATCH, first * _CLOSING**number)
            data, pull, scale = self._normal(theta)
            hessian = data / scale + prior
            off = (theta - self._start).ravel()
            step = np.linalg.solve(hessian, pull / scale - prior @ off)
            theta = theta + step.reshape(-1, 4)
            if float(np.abs(step).max()) < _DONE and self._match == _MATCH:
                break
        return theta, np.linalg.inv(hessian)

    def surprise(self, theta: Floats) -> float:
        """Squared distance from what was expected, in standard deviations, of the worst camera."""
        off = (theta - self._start)[:, :, None]
        blocks = self._prior.reshape(self._count, 4, self._count, 4)
        own = np.einsum("cicj->cij", blocks)
        return float((np.swapaxes(off, 1, 2) @ own @ off).max())

    def misfit(self, theta: Floats) -> float:
        """Median distance of joints from the rays to them, m; 0 without rays."""
        if not len(self._rays):
            return 0.0
        off = np.linalg.norm(self._meet(theta).across, axis=-1)
        return float(np.median(off[self._rays.angle > 0.0]))

    def cost(self, theta: Floats) -> float:
        """Robust chi-squared of the joints a joint, for comparing delays."""
        if not len(self._rays):
            return np.inf
        known = self._rays.angle > 0.0
        squared = self._meet(theta).squared(self._rays)[known]
        return float(np.mean(_TAIL * np.log1p(squared / _TAIL)))

    def _meet(self, theta: Floats, weight: Floats | None = None) -> Meeting:
        """Where rays of corrected cameras meet."""
        rays = self._rays
        turns = np.array([rotation(float(yaw)) for yaw in theta[:, 0]])
        back = np.swapaxes(turns, 1, 2)
        centers = ((rays.centers - self.pivot)[:, :, None] @ back)[:, :, 0]
        centers = centers + self.pivot + theta[:, 1:]
        directions = (rays.directions[:, :, None] @ back)[:, :, 0]
        factor = np.ones(rays.angle.shape) if weight is None else weight
        x = np.zeros((len(rays), 3))
        reach = np.maximum(rays.ranges, _CLOSEST)
        for _ in range(2):
            across = factor * rays.angle / reach**2
            along = factor * rays.along
            outer = directions[..., :, None] * directions[..., None, :]
            total = across[..., None, None] * (np.eye(3) - outer) + along[..., None, None] * outer
            places = centers + rays.ranges[..., None] * directions
            pulled = (total @ places[..., None]).sum(axis=1)
            x = (inverses(total.sum(axis=1)) @ pulled)[..., 0]
            reach = np.maximum(np.linalg.norm(x[:, None] - centers, axis=-1), _CLOSEST)
        way = x[:, None] - centers
        forth = np.sum(way * directions, axis=-1)
        off = way - forth[..., None] * directions
        return Meeting(x, directions, way, reach, off, forth - rays.ranges)

    def _normal(self, theta: Floats) -> tuple[Floats, Floats, float]:
        """Hessian (4C, 4C), pull (4C,) and the variance of the residuals in units of the noise."""
        size = 4 * self._count
        hessian, pull, scale = np.zeros((size, size)), np.zeros(size), 1.0
        if len(self._rays):
            squared = self._meet(theta).squared(self._rays)
            scale = max(1.0, float(np.median(squared[self._rays.angle > 0.0])) / _MEDIAN)
            weight = (_TAIL + 2.0) / (_TAIL + squared / scale)
            meeting = self._meet(theta, weight)
            information, wants = meeting.linearize(self._rays, weight)
            inverse = inverses(information.sum(axis=1))
            joint_wants = wants.sum(axis=1)
            way = np.zeros((len(inverse), 3, 4))
            offset = meeting.x - self.pivot
            way[:, 0, 0], way[:, 1, 0] = -offset[:, 1], offset[:, 0]
            way[:, :, 1:] = np.eye(3)
            pushed = information @ way[:, None]
            inner = inverse[:, None] @ pushed
            back = (inverse @ joint_wants[..., None])[..., 0]
            for c in range(self._count):
                rows = slice(4 * c, 4 * c + 4)
                side = np.swapaxes(pushed[:, c], 1, 2)
                own = np.einsum("nij,ni->j", way, wants[:, c])
                pull[rows] = own - (side @ back[..., None]).sum(axis=0)[:, 0]
                for d in range(self._count):
                    block = -(side @ inner[:, d])
                    if c == d:
                        block = block + np.swapaxes(way, 1, 2) @ pushed[:, c]
                    hessian[rows, 4 * d : 4 * d + 4] = block.sum(axis=0)
            if not self._rays.along.any() and not self.anchored:
                hessian += self._keep_size(theta, pull, float(np.trace(hessian)) / size)
        self._add_background(theta, hessian, pull, scale)
        return (hessian + hessian.T) / 2.0, pull, scale

    def _keep_size(self, theta: Floats, pull: Floats, information: float) -> Floats:
        """Rays alone do not tell how large the world is: cameras stay as far apart as they were."""
        known = self._rays.angle > 0.0
        weight = known / np.maximum(known.sum(axis=0), 1)
        centers = np.einsum("nc,nci->ci", weight, self._rays.centers)
        apart = np.zeros((self._count, 4))
        apart[:, 1:] = centers - centers.mean(axis=0)
        apart /= max(float(np.linalg.norm(apart)), 1e-9)
        pull -= information * float(np.sum(apart * theta)) * apart.ravel()
        return np.asarray(information * np.outer(apart, apart))

    def _add_background(self, theta: Floats, hessian: Floats, pull: Floats, scale: float) -> None:
        if self._tree is None or self._surface is None:
            return
        for c, points in enumerate(self._background):
            if not len(points):
                continue
            moved = (points[:, :3] - self.pivot) @ rotation(float(theta[c, 0])).T
            placed = moved + self.pivot + theta[c, 1:]
            distance, nearest = self._tree.query(placed, distance_upper_bound=self._match)
            found = np.isfinite(distance)
            index = np.asarray(nearest)[found]
            normals = self._surface.normals[index]
            off = np.einsum("ni,ni->n", normals, placed[found] - self._surface.points[index])
            jacobian = np.empty((len(off), 4))
            jacobian[:, 0] = normals[:, 1] * moved[found, 0] - normals[:, 0] * moved[found, 1]
            jacobian[:, 1:] = normals
            variance = points[found, 3] ** 2 + _LEAST_DEVIATION**2
            weight = (_TAIL + 1.0) / (_TAIL + off**2 / variance) / variance
            weight *= _BACKGROUND_SHARE * scale
            rows = slice(4 * c, 4 * c + 4)
            hessian[rows, rows] += (jacobian.T * weight) @ jacobian
            pull[rows] -= (jacobian.T * weight) @ off


def _delays(
    seen: Sightings, cameras: tuple[str, ...], problem: _Problem, start: dict[str, float]
) -> dict[str, float]:
    """By camera, the delay against the first one at which rays meet best."""
    delays = {name: start.get(name, 0.0) for name in cameras}
    independent = len(seen.together(cameras, delays)) * _INDEPENDENT

    def cost(name: str, delay: float) -> float:
        rays = _thin(seen.together(cameras, {**delays, name: delay}), _MOST_FOR_DELAYS)
        if len(rays) < _LEAST_JOINTS // 2:
            return np.inf
        tried = problem.with_rays(rays)
        return tried.cost(tried.solve(3)[0]) * independent

    for name in cameras[1:]:
        base = delays[name]
        # One that was found before changes little.
        far = [base] if base else [float(delay) for delay in _DELAYS]
        costs = {delay: cost(name, delay) for delay in far}
        best = min(costs, key=costs.__getitem__)
        for step in _FINE:
            costs |= {delay: cost(name, delay) for delay in (best - step, best + step)}
            best = min(costs, key=costs.__getitem__)
        if costs.get(base, cost(name, base)) - costs[best] > _EVIDENCE:
            delays[name] = float(best)
    return delays


def _thin(rays: Rays, most: int = _MOST_JOINTS) -> Rays:
    """Evenly chosen rays: many more say little more."""
    if len(rays) <= most:
        return rays
    pick = np.linspace(0, len(rays) - 1, most).astype(int)
    return Rays(*(getattr(rays, name)[pick] for name in Rays.__dataclass_fields__))


def _refuse(
    before: Mapping[str, Correction], why: str, joints: int = 0, condition: float = np.inf
) -> Calibration:
    return Calibration(dict(before), why, joints, condition, 0.0, 0.0)


def _notices(
    cameras: tuple[str, ...], theta: Floats, covariance: Floats, anchored: bool
) -> tuple[str, ...]:
    """Sentences on transforms that are off by more than is tolerated, and more than by chance.

    Without a map nobody can tell which of two cameras is wrong: only their difference counts.
    """
    told = []
    for c, name in enumerate(cameras):
        if anchored:
            off, rows, whom = theta[c], np.eye(4 * len(cameras))[4 * c : 4 * c + 4], name
        elif c:
            rows = np.eye(4 * len(cameras))[4 * c : 4 * c + 4]
            rows = rows - np.eye(4 * len(cameras))[:4]
            off, whom = theta[c] - theta[0], f"{name} against {cameras[0]}"
        else:
            continue
        deviation = np.sqrt(np.diag(rows @ covariance @ rows.T))
        shift, turn = float(np.linalg.norm(off[1:])), abs(float(off[0]))
        far = shift > NOTICED_SHIFT and shift > _CHANCE * float(np.linalg.norm(deviation[1:]))
        if far or (turn > NOTICED_TURN and turn > _CHANCE * float(deviation[0])):
            told.append(
                f"the transform of {whom} is off by {shift * 100:.0f} cm where people are, and by "
                f"{np.degrees(turn):.1f} degrees"
            )
    return tuple(told)
