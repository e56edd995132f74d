"""A slot, seen from the world frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Slot


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """Where a slot lies in the world.

    Attributes:
        slot: The slot itself.
        center: (3,) of its box, world.
        rotation: (3, 3), box to world.
        covariance: (3, 3) of the center, world, with the uncertainty of the camera's pose.
        points: (P, 3) sample of its surface, world.
    """

    slot: Slot
    center: Floats
    rotation: Floats
    covariance: Floats
    points: Floats

    @classmethod
    def from_slot(cls, slot: Slot, camera: Pose, pose_noise: float) -> Sighting:
        """Take a slot to the world with the camera's pose and its position noise (m).

        A latent with numbers that are none is left out: an encoder has failed, not the depth.
        """
        r = camera.rotation
        if slot.latent is not None and not np.isfinite(slot.latent).all():
            slot = replace(slot, latent=None)
        return cls(
            slot,
            camera.apply(slot.pose.translation),
            r @ slot.pose.rotation,
            r @ slot.covariance @ r.T + np.eye(3) * pose_noise**2,
            camera.apply(slot.points.astype(np.float64)),
        )
