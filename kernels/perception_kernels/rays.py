"""Geometry that attention takes in: ray frames, rotary phases, projections, Pluecker coordinates.

Computed outside of networks, in double precision and handed over as float32, so that the networks
hold no trigonometry. Patch rays come from `camera.scaled(columns, rows).rays()`.

Sources: ViewRope (Xiang et al., arXiv 2602.07854) for rotations by ray frames, RoFormer (Su et al.,
arXiv 2104.09864) for rotary phases, PRoPE (Li et al., arXiv 2507.10496) for projections.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def ray_frames(rays: Floats, rotation: Floats) -> Floats:
    """World rotation of each viewing ray: R_wc L(u, v).

    The columns are z, along the ray; x, the image's rightward direction made orthogonal to it
    (camera's y axis cross z, normalized); and y = z cross x.

    Args:
        rays: (..., 3) directions in the optical frame, any length; none straight up or down.
        rotation: (..., 3, 3) from the optical frame to the world; of one camera, or broadcast.

    Returns:
        (..., 3, 3) float32.

    Raises:
        ValueError: The shapes do not fit.
    """
    _check_rays(rays)
    _check_rotation(rotation)
    x, y, z = (np.asarray(rays[..., i], dtype=np.float64) for i in range(3))
    level = np.sqrt(x * x + z * z)
    length = np.sqrt(level * level + y * y)
    frame = np.empty((*rays.shape, 3))
    frame[..., 0, 0], frame[..., 1, 0], frame[..., 2, 0] = z / level, 0.0, -x / level
    frame[..., 0, 1], frame[..., 1, 1] = -x * y / (level * length), level / length
    frame[..., 2, 1] = -y * z / (level * length)
    frame[..., 0, 2], frame[..., 1, 2], frame[..., 2, 2] = x / length, y / length, z / length
    return np.asarray(rotation @ frame, dtype=np.float32)


def rotary_phases(coordinates: Floats, reference: Floats, frequencies: Floats) -> Floats:
    """Cosine and sine of coordinate times frequency: 2-D or 3-D rotary position.

    Scores of two tokens depend on the difference of their coordinates alone, whatever the
    reference; one that is near keeps the phases accurate.

    Args:
        coordinates: (..., D), such as world points in meters; NaN where unknown.
        reference: (D,) that is subtracted.
        frequencies: (F,) radians per unit.

    Returns:
        (..., D * F, 2) float32, all frequencies of the first coordinate first. Zero where the
        coordinates are unknown: such a token neither attracts nor repels by its place.

    Raises:
        ValueError: The shapes do not fit.
    """
    _check_coordinates(coordinates, reference, frequencies)
    offset = np.asarray(coordinates, dtype=np.float64) - reference
    known = np.asarray(np.isfinite(offset).all(axis=-1))
    angle = np.where(known[..., None], offset, 0.0)[..., None] * frequencies
    phases = np.empty((*angle.shape, 2), dtype=np.float32)
    phases[..., 0], phases[..., 1] = np.cos(angle), np.sin(angle)
    phases[~known] = 0.0
    return phases.reshape(*coordinates.shape[:-1], -1, 2)


def frequencies(shortest: float, longest: float, count: int) -> Floats:
    """(count,) radians per unit, spaced evenly in the logarithm, from wavelengths.

    Raises:
        ValueError: The wavelengths are not positive and in order, or there are none.
    """
    if not 0 < shortest <= longest or count < 1:
        raise ValueError(f"no {count} wavelengths from {shortest} to {longest}")
    return np.asarray(2 * np.pi / np.geomspace(shortest, longest, count))


def projections(
    matrix: Floats, width: int, height: int, camera_from_world: Floats
) -> tuple[Floats, Floats]:
    """PRoPE's projection of a camera, lift(K) T_cw with K in units of the image, and its inverse.

    Args:
        matrix: (3, 3) intrinsics K, pixels.
        width: Of the image, pixels.
        height: Of the image, pixels.
        camera_from_world: (..., 4, 4); lengths in a unit that makes them about 1, since they
            multiply queries and keys.

    Returns:
        Two (..., 4, 4) float32.
    """
    lifted = np.eye(4)
    lifted[0, 0], lifted[1, 1] = matrix[0, 0] / width, matrix[1, 1] / height
    lifted[0, 2], lifted[1, 2] = matrix[0, 2] / width - 0.5, matrix[1, 2] / height - 0.5
    projection = lifted @ camera_from_world
    return projection.astype(np.float32), np.linalg.inv(projection).astype(np.float32)


def pluecker(rays: Floats, rotation: Floats, center: Floats) -> Floats:
    """Pluecker coordinates (moment, direction) of viewing rays in the world.

    Args:
        rays: (..., 3) directions in the optical frame.
        rotation: (..., 3, 3) from the optical frame to the world; of one camera, or broadcast.
        center: (..., 3) of the camera, from a reference, in a unit that makes it about 1.

    Returns:
        (..., 6) float32: center cross direction, unit direction.
    """
    _check_rays(rays)
    _check_rotation(rotation)
    direction = (rotation @ rays[..., None])[..., 0]
    direction = direction / np.linalg.norm(direction, axis=-1, keepdims=True)
    moment = np.cross(np.broadcast_to(center, direction.shape), direction)
    return np.concatenate((moment, direction), axis=-1).astype(np.float32)


def ray_frames_reference(rays: Floats, rotation: Floats) -> Floats:
    """`ray_frames` of one camera written plainly, one ray at a time."""
    _check_rays(rays)
    _check_rotation(rotation)
    result = np.empty((*rays.shape, 3), dtype=np.float32)
    for index in np.ndindex(*rays.shape[:-1]):
        z = rotation @ rays[index].astype(np.float64)
        z /= np.linalg.norm(z)
        x = np.cross(rotation[:, 1], z)
        x /= np.linalg.norm(x)
        result[index] = np.stack([x, np.cross(z, x), z], axis=1)
    return result


def rotary_phases_reference(coordinates: Floats, reference: Floats, frequencies: Floats) -> Floats:
    """`rotary_phases` written plainly, one coordinate at a time."""
    _check_coordinates(coordinates, reference, frequencies)
    axes, count = len(reference), len(frequencies)
    result = np.zeros((*coordinates.shape[:-1], axes * count, 2), dtype=np.float32)
    for index in np.ndindex(*coordinates.shape[:-1]):
        if not np.isfinite(coordinates[index]).all():
            continue
        for axis in range(axes):
            for k in range(count):
                angle = (float(coordinates[index][axis]) - reference[axis]) * frequencies[k]
                result[(*index, axis * count + k)] = np.cos(angle), np.sin(angle)
    return result


def _check_rays(rays: Floats) -> None:
    if rays.ndim < 1 or rays.shape[-1] != 3:
        raise ValueError(f"rays must have the shape (..., 3), not {rays.shape}")


def _check_rotation(rotation: Floats) -> None:
    if rotation.shape[-2:] != (3, 3):
        raise ValueError(f"a rotation must have the shape (..., 3, 3), not {rotation.shape}")


def _check_coordinates(coordinates: Floats, reference: Floats, frequencies: Floats) -> None:
    if reference.ndim != 1 or coordinates.shape[-1:] != reference.shape or frequencies.ndim != 1:
        raise ValueError(
            f"coordinates {coordinates.shape} need a reference (D,) and frequencies (F,), not "
            f"{reference.shape} and {frequencies.shape}"
        )
