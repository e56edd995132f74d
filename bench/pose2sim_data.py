"""The real recording `human/pose2sim_single`: four calibrated views, keypoints, reference joints.

Keypoints are BODY_25B, whose first 17 are COCO's. The reference is what Pose2Sim triangulated from
the same keypoints of all four views; its axes are those of OpenSim, world = (z, x, y).
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.interface import Keypoints, View
from perception_nodes.embodmocap.skeleton import INDEX
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose

RATE = 60
VIEWS = (0, 1, 2, 3)
_TRIAL = "S00_P00_SingleParticipant/S00_P00_T01_BalancingTrial"


class Recording:
    """The views and the reference of the recording.

    Args:
        folder: `human/pose2sim_single`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _TRIAL
        text = (folder / "S00_Calibration" / "Calib_qualisys.toml").read_text()
        cameras = [c for name, c in tomllib.loads(text).items() if name.startswith("cam")]
        self._matrices = [np.array(c["matrix"]) for c in cameras]
        self._distortions = [np.array(c["distortions"]) for c in cameras]
        self.cameras = [_camera(c["size"], k) for c, k in zip(cameras, self._matrices, strict=True)]
        self.poses = [_pose(c["rotation"], c["translation"]) for c in cameras]
        self.reference = _reference(self._folder / "pose-3d")

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.reference)

    def views(self, frame: int, which: Sequence[int] = VIEWS) -> list[View]:
        """What some of the cameras show at a frame, from 0; everyone whom the detector found."""
        return [self._view(frame, v) for v in which]

    def frames(self, which: Sequence[int] = VIEWS) -> Iterator[list[View]]:
        """All frames in order."""
        for frame in range(len(self)):
            yield self.views(frame, which)

    def _view(self, frame: int, v: int) -> View:
        name = f"cam{v + 1:02d}"
        path = self._folder / "pose" / f"{name}_json" / f"{name}.{frame:04d}.json"
        people = json.loads(path.read_text())["people"]
        values = np.array([p["pose_keypoints_2d"] for p in people]).reshape(len(people), 25, 3)
        values = values[:, :17]
        pixels = np.full((*values.shape[:2], 2), np.nan)
        found = values[..., 2] > 0.0
        if found.any():
            k = self._matrices[v]
            flat = cv2.undistortPoints(values[found][:, None, :2], k, self._distortions[v], P=k)
            pixels[found] = np.asarray(flat)[:, 0]
        stamp = 10**9 + round(frame * 1e9 / RATE)
        keypoints = Keypoints(stamp, name, pixels, values[..., 2].copy())
        depths = np.full(values.shape[:2], np.nan)
        return View(keypoints, self.cameras[v], self.poses[v], depths)


def _camera(size: Sequence[float], k: Floats) -> Camera:
    return Camera(int(size[0]), int(size[1]), k[0, 0], k[1, 1], k[0, 2], k[1, 2])


def _pose(rotation: Sequence[float], translation: Sequence[float]) -> Pose:
    turn = np.asarray(cv2.Rodrigues(np.array(rotation))[0])
    return Pose(turn, np.array(translation)).inverse()


def _reference(folder: Path) -> Floats:
    """(T, 17, 3) world frame; NaN for joints that the reference lacks (eyes and ears)."""
    lines = next(folder.glob("*.trc")).read_text().splitlines()
    names = [name for name in lines[3].split("\t")[2:] if name.strip()]
    rows = [line.split("\t")[2:] for line in lines[5:] if line.strip()]
    values = np.array([[float(x) for x in row[: 3 * len(names)]] for row in rows])
    values = values.reshape(len(rows), len(names), 3)[..., [2, 0, 1]]
    joints = np.full((len(rows), 17, 3), np.nan)
    for column, name in enumerate(names):
        side = {"L": "left_", "R": "right_"}.get(name[0], "")
        key = name.lower() if name == "Nose" else side + name[1:].lower()
        if key in INDEX:
            joints[:, INDEX[key]] = values[:, column]
    return joints
