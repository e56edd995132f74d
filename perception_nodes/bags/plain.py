"""Recordings in the plain layout: a folder of images, `camera.yaml` and `poses.txt`.

`color/NNNNN.*` and `depth/NNNNN.png` (16 bits, registered to color) are numbered alike.
`camera.yaml` gives width, height, fx, fy, cx, cy, depth_unit_m and rate_hz. `poses.txt`, where
there is one, has a row `time tx ty tz qx qy qz qw` for each frame: the camera's optical frame in
the world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import yaml

from perception_nodes.arrays import Bytes, Floats
from perception_nodes.errors import BagError, InputError
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose

_START_NS = 1_000_000_000  # a stamp of zero means "no stamp" in ROS
_NUMBERS = ("width", "height", "fx", "fy", "cx", "cy", "depth_unit_m", "rate_hz")


@dataclass(frozen=True, slots=True)
class PlainFrame:
    """Where a frame lies: its stamp (ns), image files and pose (None while unknown)."""

    stamp: int
    color: Path
    depth: Path
    pose: Pose | None


class PlainRecording:
    """A recording in the plain layout.

    Args:
        folder: It holds `color`, `depth` and `camera.yaml`.

    Attributes:
        camera: Intrinsics of both images.
        frames: In order of their number.

    Raises:
        BagError: Something is missing or contradicts itself.
        InputError: The camera model is impossible.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise BagError(f"there is no folder {folder}", "check the path")
        numbers = _read_camera(folder / "camera.yaml")
        self.camera = Camera(
            int(numbers["width"]),
            int(numbers["height"]),
            *(numbers[name] for name in ("fx", "fy", "cx", "cy")),
        )
        self._unit = numbers["depth_unit_m"]
        colors, depths = _images(folder / "color"), _images(folder / "depth")
        names = sorted(colors.keys() & depths.keys())
        if not names:
            raise BagError(f"no image of {folder}/color has a counterpart in {folder}/depth")
        self.unpaired = sorted(colors.keys() ^ depths.keys())
        times, poses = _read_poses(folder / "poses.txt", len(names), numbers["rate_hz"])
        self.frames = [
            PlainFrame(_START_NS + round(1e9 * time), colors[name], depths[name], pose)
            for name, time, pose in zip(names, times, poses, strict=True)
        ]

    def read(self, frame: PlainFrame) -> tuple[Bytes, Floats]:
        """Read the images of a frame.

        Returns:
            (H, W, 3) uint8 RGB and (H, W) float32 meters, NaN where there is no reading.

        Raises:
            BagError: An image can't be read, or has another size than the camera.
        """
        color = self._read_image(frame.color, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        raw = self._read_image(frame.depth, cv2.IMREAD_UNCHANGED)
        if raw.dtype != np.uint16 or raw.ndim != 2:
            raise BagError(f"{frame.depth} has {raw.dtype} {raw.shape} instead of 16-bit depth")
        depth: Floats = raw * np.float32(self._unit)
        depth[raw == 0] = np.nan
        return cast(Bytes, color[..., ::-1]), depth

    def _read_image(self, path: Path, flags: int) -> Any:
        image = cv2.imread(str(path), flags)
        if image is None:
            raise BagError(f"{path} can't be read", "it is damaged or no image")
        if image.shape[:2] != (self.camera.height, self.camera.width):
            raise BagError(
                f"{path} has {image.shape[1]}x{image.shape[0]} pixels, camera.yaml says "
                f"{self.camera.width}x{self.camera.height}",
                "correct the size in camera.yaml, and its fx fy cx cy with it",
            )
        return image


def _read_camera(path: Path) -> Mapping[str, float]:
    if not path.is_file():
        raise BagError(f"{path} is missing", f"write it with the keys {', '.join(_NUMBERS)}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {name: float(content[name]) for name in _NUMBERS}
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise BagError(
            f"{path} is incomplete or damaged: {type(error).__name__} {error}",
            f"it needs numbers for {', '.join(_NUMBERS)}",
        ) from error


def _images(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise BagError(f"the folder {folder} is missing", "see the plain layout in the help")
    return {path.stem: path for path in sorted(folder.iterdir()) if path.is_file()}


def _read_poses(path: Path, count: int, rate: float) -> tuple[list[float], list[Pose | None]]:
    """Times in s and poses of all frames; without a file, times follow from the rate."""
    if not path.is_file():
        return [i / rate for i in range(count)], [None] * count
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = [(i, line) for i, line in enumerate(lines, 1) if line.split("#")[0].strip()]
    if len(rows) != count:
        raise BagError(f"{path} has {len(rows)} poses for {count} frames", "write one row a frame")
    times: list[float] = []
    poses: list[Pose | None] = []
    for number, row in rows:
        try:
            time, *values = (float(v) for v in row.split("#")[0].split())
            if len(values) != 7:
                raise ValueError(f"it has {len(values) + 1} numbers instead of 8")
            pose = Pose.from_quaternion(np.array(values[:3]), np.array(values[3:]))
        except (ValueError, InputError) as error:
            raise BagError(f"{path}, line {number}: {error}", "correct the row") from error
        times.append(time)
        poses.append(pose)
    return times, poses
