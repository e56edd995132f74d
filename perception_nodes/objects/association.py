"""Which slot shows which object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_nodes.arrays import Bools, Floats
from perception_nodes.objects.box import aligned_sizes, inside, interval_center
from perception_nodes.objects.filter import mahalanobis
from perception_nodes.objects.parameters import TrackerParameters
from perception_nodes.objects.sighting import Sighting
from perception_nodes.objects.track import Track

_FORBIDDEN = 1e6
_COLOR_SCALE = 45.0
_LATENT_SCALE = 0.25
_MAX_DISTANCE = 16.0


def appearance_cost(track: Track, color: Floats, latent: Floats | None, model_id: str) -> float:
    """How different an object and something seen look: about 1 per standard deviation squared.

    Latents count only if the same model made both.
    """
    cost = float(_color_cost(track.color, color))
    if latent is not None and track.latent is not None and track.model_id == model_id:
        cost += float(_latent_cost(_unit(track.latent), _unit(latent)))
    return cost


def size_cost(track_size: Floats, seen_size: Floats, partial: Bools | bool) -> Floats:
    """How badly sizes (..., 3) fit; a partial (...) sighting may be smaller at no cost."""
    ratio = np.log((seen_size + 0.01) / (track_size + 0.01)) / 0.4
    ratio = np.where(np.asarray(partial)[..., None], np.maximum(ratio, 0.0), ratio)
    return np.asarray(np.square(ratio).sum(axis=-1))


def cost_matrix(
    tracks: Sequence[Track],
    sightings: Sequence[Sighting],
    model_id: str,
    dt: float,
    parameters: TrackerParameters,
) -> Floats:
    """(N, S) cost of each pair; `_FORBIDDEN` outside the gate."""
    cost = np.full((len(tracks), len(sightings)), _FORBIDDEN)
    if not len(tracks) or not len(sightings):
        return cost
    believed, seen = _Believed.of(tracks), _Seen.of(sightings)
    away = np.linalg.norm(believed.centers[:, None] - seen.centers[None], axis=-1)
    i, j = np.nonzero(away <= believed.gates(dt)[:, None])
    size = aligned_sizes(seen.rotations[j], seen.sizes[j], believed.rotations[i])
    center, slack = interval_center(
        believed.centers[i], believed.sizes[i], seen.centers[j], size, believed.rotations[i]
    )
    # An object that starts to move is still itself: motion of a few centimeters costs little.
    room = 0.01**2 + np.square(0.1 * slack.max(axis=-1, initial=0.0))
    covariance = believed.covariances[i] + seen.covariances[j] + room[:, None, None] * np.eye(3)
    distance = mahalanobis(center - believed.centers[i], covariance)
    extent = np.maximum(believed.sizes[i].max(axis=-1, initial=0.0), 0.04)
    doubt = np.array([0.0 if t.confirmed else 0.5 * parameters.birth_cost / 9.0 for t in tracks])
    cost[i, j] = (
        np.minimum(distance, _MAX_DISTANCE) / 4.0
        + np.square(away[i, j] / extent)
        + 0.5 * size_cost(believed.sizes[i], size, seen.cut[j])
        + _color_cost(believed.colors[i], seen.colors[j])
        + _latent_costs(tracks, sightings, model_id)[i, j]
        + doubt[i]
    )
    return cost


class _Believed(NamedTuple):
    """N objects as arrays."""

    centers: Floats
    rotations: Floats
    sizes: Floats
    covariances: Floats
    colors: Floats
    speeds: Floats

    @classmethod
    def of(cls, tracks: Sequence[Track]) -> _Believed:
        return cls(
            np.array([t.position for t in tracks]),
            np.array([t.rotation for t in tracks]),
            np.array([t.size for t in tracks]),
            np.array([t.motion.covariance[:3, :3] for t in tracks]),
            np.array([t.color for t in tracks]),
            np.linalg.norm([t.motion.velocity for t in tracks], axis=-1),
        )

    def spreads(self) -> Floats:
        """As `Track.spread`."""
        return np.asarray(np.sqrt(np.linalg.eigvalsh(self.covariances)[:, -1]))

    def gates(self, dt: float) -> Floats:
        """How far from its place each may be seen after dt seconds, m."""
        reach = 0.06 + 3.0 * self.spreads() + 0.5 * self.sizes.max(axis=-1)
        return np.asarray(reach + (self.speeds + 0.5) * dt)


class _Seen(NamedTuple):
    """S sightings as arrays."""

    centers: Floats
    rotations: Floats
    sizes: Floats
    covariances: Floats
    colors: Floats
    cut: Bools

    @classmethod
    def of(cls, sightings: Sequence[Sighting]) -> _Seen:
        return cls(
            np.array([s.center for s in sightings]),
            np.array([s.rotation for s in sightings]),
            np.array([s.slot.size for s in sightings]),
            np.array([s.covariance for s in sightings]),
            np.array([s.slot.color for s in sightings]),
            np.array([s.slot.cut for s in sightings]),
        )


def _color_cost(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.minimum(np.square((a - b) / _COLOR_SCALE).sum(axis=-1), 9.0))


def _latent_cost(a: Floats, b: Floats) -> Floats:
    """Of unit vectors (..., D)."""
    return np.asarray(np.square((1.0 - (a * b).sum(axis=-1)) / _LATENT_SCALE))


def _latent_costs(tracks: Sequence[Track], sightings: Sequence[Sighting], model_id: str) -> Floats:
    """(N, S): zero where one of the two has no latent of this model."""
    costs = np.zeros((len(tracks), len(sightings)))
    old = [i for i, t in enumerate(tracks) if t.latent is not None and t.model_id == model_id]
    new = [j for j, s in enumerate(sightings) if s.slot.latent is not None]
    if old and new:
        a = np.array([_unit(tracks[i].latent) for i in old])
        b = np.array([_unit(sightings[j].slot.latent) for j in new])
        costs[np.ix_(old, new)] = _latent_cost(a[:, None], b[None])
    return costs


def _unit(latent: Floats | None) -> Floats:
    assert latent is not None
    exact = latent.astype(np.float64)
    return np.asarray(exact / max(float(np.linalg.norm(exact)), 1e-9))


def assign(cost: Floats, limit: float) -> dict[int, int]:
    """Pairs of row and column with the least total cost, each below a limit."""
    if cost.size == 0:
        return {}
    rows, columns = linear_sum_assignment(np.minimum(cost, limit))
    return {int(i): int(j) for i, j in zip(rows, columns, strict=True) if cost[i, j] < limit}


def coverage(tracks: Sequence[Track], sightings: Sequence[Sighting]) -> Floats:
    """(N, S): the share of each sighting's surface that lies inside each object's box."""
    if not len(tracks) or not len(sightings):
        return np.zeros((len(tracks), len(sightings)))
    count = max(len(s.points) for s in sightings)
    points = np.full((len(sightings), count, 3), np.nan)
    for row, sighting in zip(points, sightings, strict=True):
        row[: len(sighting.points)] = sighting.points
    believed = _Believed.of(tracks)
    half = believed.sizes / 2.0 + 0.01 + np.minimum(believed.spreads(), 0.05)[:, None]
    return inside(points, believed.centers, believed.rotations, half)
