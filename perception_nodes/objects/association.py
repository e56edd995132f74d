"""Which slot shows which object."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_nodes.arrays import Floats
from perception_nodes.objects.box import align, inside, interval_center
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
    cost = min(float(np.square((track.color - color) / _COLOR_SCALE).sum()), 9.0)
    if latent is not None and track.latent is not None and track.model_id == model_id:
        norm = float(np.linalg.norm(latent) * np.linalg.norm(track.latent))
        cosine = float(latent @ track.latent) / max(norm, 1e-9)
        cost += ((1.0 - cosine) / _LATENT_SCALE) ** 2
    return cost


def size_cost(track_size: Floats, seen_size: Floats, partial: bool) -> float:
    """How badly the size of a sighting fits; a partial sighting may be smaller at no cost."""
    ratio = np.log((seen_size + 0.01) / (track_size + 0.01)) / 0.4
    if partial:
        ratio = np.maximum(ratio, 0.0)
    return float(np.square(ratio).sum())


def _gate(track: Track, dt: float) -> float:
    speed = float(np.linalg.norm(track.motion.velocity))
    return 0.06 + 3.0 * track.spread + 0.5 * float(track.size.max()) + (speed + 0.5) * dt


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
    centers = np.stack([t.position for t in tracks])
    seen = np.stack([s.center for s in sightings])
    gates = np.array([_gate(t, dt) for t in tracks])
    near = np.linalg.norm(centers[:, None] - seen[None], axis=-1) <= gates[:, None]
    for i, j in np.argwhere(near):
        cost[i, j] = _pair_cost(tracks[i], sightings[j], model_id, parameters)
    return cost


def _pair_cost(
    track: Track, sighting: Sighting, model_id: str, parameters: TrackerParameters
) -> float:
    slot = sighting.slot
    _, size = align(sighting.rotation, slot.size, track.rotation)
    center, slack = interval_center(
        track.position, track.size, sighting.center, size, track.rotation
    )
    # An object that starts to move is still itself: motion of a few centimeters costs little.
    room = np.eye(3) * (0.01**2 + (0.1 * float(slack.max())) ** 2)
    distance = track.motion.distance(center, sighting.covariance + room)
    offset = float(np.linalg.norm(sighting.center - track.position))
    return (
        min(distance, _MAX_DISTANCE) / 4.0
        + (offset / max(float(track.size.max()), 0.04)) ** 2
        + 0.5 * size_cost(track.size, size, partial=slot.cut)
        + appearance_cost(track, slot.color, slot.latent, model_id)
        + (0.0 if track.confirmed else 0.5 * parameters.birth_cost / 9.0)
    )


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
    half = np.stack([t.size / 2.0 + 0.01 + min(t.spread, 0.05) for t in tracks])
    centers = np.stack([t.position for t in tracks])
    return inside(points, centers, np.stack([t.rotation for t in tracks]), half)
