"""Where rays of several cameras nearly meet, and how joint and cameras share what they miss by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.rays import Rays


@dataclass(frozen=True, slots=True, eq=False)
class Meeting:
    """Joints where rays nearly meet, and by how much they miss.

    Attributes:
        x: (N, 3) joints.
        directions: (N, C, 3) of the rays.
        way: (N, C, 3) from the cameras to the joints.
        reach: (N, C) length of it.
        across: (N, C, 3) part of it across the ray: by how much the ray misses.
        along: (N, C) by how much the depth misses.
    """

    x: Floats
    directions: Floats
    way: Floats
    reach: Floats
    across: Floats
    along: Floats

    def squared(self, rays: Rays) -> Floats:
        """(N, C) squared misses in standard deviations."""
        angle = rays.angle / self.reach**2
        return np.asarray(angle * np.sum(self.across**2, axis=-1) + rays.along * self.along**2)

    def linearize(self, rays: Rays, weight: Floats) -> tuple[Floats, Floats]:
        """Information (N, C, 3, 3) about joint minus camera, and the misses weighted by it.

        The angle is across / reach: that it falls with the distance is part of its derivative,
        else a smaller world would seem to fit better.
        """
        eye = np.eye(3) - self.directions[..., :, None] * self.directions[..., None, :]
        slope = self.across / self.reach[..., None] ** 2
        turn = eye - slope[..., :, None] * self.way[..., None, :]
        angle = weight * rays.angle / self.reach**2
        along = weight * rays.along
        back = np.swapaxes(turn, -1, -2) * angle[..., None, None]
        information = back @ turn
        information += (along[..., None] * self.directions)[..., :, None] * self.directions[
            ..., None, :
        ]
        wants = (back @ self.across[..., None])[..., 0]
        return information, wants + (along * self.along)[..., None] * self.directions


def inverses(matrices: Floats) -> Floats:
    """Of symmetric (N, 3, 3), by cofactors."""
    a, b, c = np.moveaxis(matrices, 1, 0)
    rows = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    return np.asarray(rows / np.einsum("ni,ni->n", a, rows[:, 0])[:, None, None])
