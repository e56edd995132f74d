"""The static scene as one fused surface, without the people in it.

A TSDF by OpenCV 5 (`cv2.Volume`, hashed), which is installed anyway. Pixels of people are left out
of the depth; the volume is cleared by looking through what went away.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial import cKDTree

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.calibration import SurfacePoints
from perception_nodes.embodmocap.depths import person_boxes
from perception_nodes.embodmocap.interface import Keypoints
from perception_nodes.errors import ConfigurationError
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Frame

_LEAST_DEPTH = 0.2
_MILLIMETERS = 1000.0


class StaticScene:
    """Fuses depth images of a static scene.

    Args:
        voxel: Edge of a voxel, m.
        farthest: Depths beyond this are not used, m.

    Raises:
        ConfigurationError: OpenCV is older than 5 and has no volumes.
    """

    def __init__(self, voxel: float = 0.03, farthest: float = 4.0) -> None:
        if not hasattr(cv2, "Volume"):
            raise ConfigurationError(
                f"OpenCV {cv2.__version__} cannot fuse depth images", "install OpenCV 5, or go "
                "without the static scene"
            )  # fmt: skip
        self._voxel, self._farthest = voxel, farthest
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._volume: object | None = None
        self._size: tuple[int, int] | None = None
        self._points: SurfacePoints | None = None
        self._tree: cKDTree | None = None

    def add(self, frame: Frame, keypoints: Keypoints, pose: Pose | None = None) -> None:
        """Fuse a frame without the people in it.

        Args:
            frame: With a depth image.
            keypoints: Of everyone in it.
            pose: Corrected; that of the frame if None. A frame without a pose changes nothing.
        """
        pose = pose or frame.pose
        if pose is None:
            return
        depth = np.where(frame.depth > _LEAST_DEPTH, frame.depth, 0.0)
        depth = np.where(depth < self._farthest, depth, 0.0)
        for low, high in person_boxes(frame, keypoints):
            (u, v), (s, t) = np.maximum(low, 0).astype(int), np.maximum(high, 0).astype(int)
            depth[v : t + 1, u : s + 1] = 0.0
        volume = self._made(frame)
        millimeters = (depth * _MILLIMETERS).astype(np.float32)
        volume.integrate(millimeters, pose.matrix())  # type: ignore[attr-defined]
        self._points = self._tree = None

    def points(self) -> SurfacePoints:
        """Points (M, 3) of the surface and their normals (M, 3), world frame."""
        if self._points is None:
            self._points = self._fetch()
        return self._points

    def distance(self, points: Floats) -> Floats:
        """(N,) meters from points (N, 3) to the surface; infinite while nothing is known."""
        surface = self.points()
        if not len(surface.points):
            return np.full(len(points), np.inf)
        if self._tree is None:
            self._tree = cKDTree(surface.points)
        return np.asarray(self._tree.query(points)[0])

    def _made(self, frame: Frame) -> object:
        size = frame.depth.shape[1], frame.depth.shape[0]
        if self._volume is None or self._size != size:
            settings = cv2.VolumeSettings(cv2.VolumeType_HashTSDF)
            settings.setIntegrateWidth(size[0])
            settings.setIntegrateHeight(size[1])
            settings.setRaycastWidth(size[0])
            settings.setRaycastHeight(size[1])
            settings.setVoxelSize(self._voxel)
            settings.setTsdfTruncateDistance(4.0 * self._voxel)
            settings.setMaxDepth(self._farthest)
            settings.setDepthFactor(_MILLIMETERS)
            settings.setCameraIntegrateIntrinsics(frame.camera.matrix())
            settings.setVolumePose(np.eye(4))
            self._volume, self._size = cv2.Volume(cv2.VolumeType_HashTSDF, settings), size
        return self._volume

    def _fetch(self) -> SurfacePoints:
        if self._volume is None:
            return SurfacePoints(np.zeros((0, 3)), np.zeros((0, 3)))
        points, normals = self._volume.fetchPointsNormals()  # type: ignore[attr-defined]
        if points is None or normals is None:  # only people, or nothing near enough, was seen
            return SurfacePoints(np.zeros((0, 3)), np.zeros((0, 3)))
        points = np.asarray(points, dtype=np.float64).reshape(-1, points.shape[-1])[:, :3]
        normals = np.asarray(normals, dtype=np.float64).reshape(-1, normals.shape[-1])[:, :3]
        good = np.isfinite(points).all(axis=1) & np.isfinite(normals).all(axis=1)
        return SurfacePoints(points[good], normals[good])
