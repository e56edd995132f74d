"""The first guess of where somebody is, from rays and depths, or from the size of the image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.observation import Observation
from perception_nodes.embodmocap.skeleton import BONES, LENGTHS

_TYPICAL = 3.0
_SHARED, _OWN, _UNSEEN = 0.3, 0.15, 0.5
_GUESSED_SHARE = 0.2
_LONG = LENGTHS > 0.2
_LONG_FROM, _LONG_TO = np.array(BONES)[_LONG].T
_LONG_LENGTHS = LENGTHS[_LONG]
_NEARER = 0.2
_MOST_DISTANT = 15.0


def guess(seen: Observation) -> tuple[Floats, Floats]:
    """Joints (17, 3) and their covariance (51, 51), both rough: a place to start from.

    Rays of several views meet where their weighted squared distance is least; depth says how far
    along a ray. One view without depth takes the bones for those of an average adult.
    """
    distance = np.array([_distance(seen, v) for v in range(len(seen.center))])
    directions = np.ones((*seen.pixels.shape[:2], 3))
    directions[..., :2] = (seen.pixels - seen.principal[:, None]) / seen.focal[:, None]
    stretch = np.linalg.norm(directions, axis=-1)
    rays = np.einsum("vij,vnj->vni", seen.rotation, directions / stretch[..., None])
    outer = rays[..., :, None] * rays[..., None, :]
    lateral = seen.pixel_information * (seen.focal[:, :1] / _TYPICAL) ** 2
    along = np.where(seen.depth_information > 0.0, seen.depth_information, 0.0) * seen.seen
    reach = np.where(along > 0.0, seen.depths, distance[:, None]) * stretch
    alone = (seen.seen.sum(axis=0) < 2)[None] & seen.seen & (along == 0.0)
    along = np.where(alone, 1.0 / (_GUESSED_SHARE * distance[:, None]) ** 2, along)
    matrix = lateral[..., None, None] * (np.eye(3) - outer) + along[..., None, None] * outer
    places = seen.center[:, None] + reach[..., None] * rays
    total = matrix.sum(axis=0)
    known = seen.seen.any(axis=0)
    total[~known] = np.eye(3)
    joints = np.linalg.solve(total, (matrix @ places[..., None]).sum(axis=0))[..., 0]
    joints[~known] = joints[known].mean(axis=0)
    sure = (seen.depth_information > 0.0).any() or len(seen.center) > 1
    shared = _SHARED if sure else _GUESSED_SHARE * float(distance.max())
    own = np.where(known, _OWN, _UNSEEN) ** 2
    return joints, np.kron(np.diag(own) + shared**2, np.eye(3))


def with_size(seen: Observation) -> Observation:
    """A single view without depth: take the size of the image for a vague depth of all joints.

    Without it nothing keeps a person from coming nearer and nearer: of the two ways in which a
    bone can be foreshortened noise prefers the one in which it is not.
    """
    if len(seen.center) > 1 or (seen.depth_information > 0.0).any():
        return seen
    distance = _distance(seen, 0)
    information = seen.information.copy()
    information[..., 1] = seen.seen / (_GUESSED_SHARE * distance) ** 2
    return replace(seen, depths=np.where(seen.seen, distance, 0.0), information=information)


def _distance(seen: Observation, view: int) -> float:
    """How far a person is by the size of its image: f l / pixels, foreshortened bones aside."""
    found, pixels = seen.seen[view], seen.pixels[view]
    both = found[_LONG_FROM] & found[_LONG_TO]
    if not both.any():
        return _TYPICAL
    across, down = (pixels[_LONG_FROM] - pixels[_LONG_TO])[both].T
    size = np.maximum(np.hypot(across, down), 1.0)
    distances = sorted((seen.focal[view].sum() / 2.0 * _LONG_LENGTHS[both] / size).tolist())
    # The 20th percentile, without the cost of NumPy's for so few.
    at = _NEARER * (len(distances) - 1)
    low, high = distances[int(at)], distances[min(int(at) + 1, len(distances) - 1)]
    return float(min(max(low + (at - int(at)) * (high - low), 0.5), _MOST_DISTANT))


def agree(one: Observation, other: Observation) -> tuple[Observation, Floats]:
    """Two sets of views as one, and the joints (17, 3) that fit them best."""
    both = Observation(*(
        np.concatenate([getattr(one, name), getattr(other, name)])
        for name in Observation.__dataclass_fields__
    ))  # fmt: skip
    return both, guess(both)[0]


def common(one: Observation, other: Observation) -> int:
    """How many joints two sets of views both see."""
    return int((one.seen.any(axis=0) & other.seen.any(axis=0)).sum())
