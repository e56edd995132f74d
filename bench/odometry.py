"""RGB-D odometry against the reference poses of two recordings: absolute trajectory error.

python bench/odometry.py
"""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import yaml
from common import SHARED_DATA, write_result

from perception_nodes.arrays import Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.odometry import RgbdOdometry
from perception_nodes.geometry.pose import Pose


def load(folder: Path) -> tuple[Camera, list[Path], Floats]:
    """Camera, depth files and true positions (N, 3) of a recording in the plain layout."""
    meta = yaml.safe_load((folder / "camera.yaml").read_text())
    camera = Camera(*(meta[key] for key in ("width", "height", "fx", "fy", "cx", "cy")))
    return camera, sorted((folder / "depth").iterdir()), np.loadtxt(folder / "poses.txt")[:, 1:4]


def trajectory_error(estimate: Floats, truth: Floats) -> float:
    """Root mean square distance (m) after the best rigid alignment (Umeyama 1991, no scale)."""
    a, b = estimate - estimate.mean(axis=0), truth - truth.mean(axis=0)
    u, _, vt = np.linalg.svd(b.T @ a)
    rotation = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    return float(np.sqrt(np.square(b - a @ rotation.T).sum(axis=1).mean()))


def main() -> None:
    """Measure both recordings and write the result."""
    figures = {}
    for name in ("icl_livingroom1", "box"):
        camera, files, truth = load(SHARED_DATA / "rgbd" / name)
        odometry, positions, seconds = RgbdOdometry(camera, Pose.identity()), [], []
        for file in files:
            depth = cv2.imread(str(file), cv2.IMREAD_UNCHANGED).astype(np.float32) * 1e-3
            depth[depth == 0] = np.nan
            start = time.perf_counter()
            positions.append(odometry.track(depth).translation)
            seconds.append(time.perf_counter() - start)
        figures[name] = {
            "frames": len(files),
            "ate_mm": round(1000 * trajectory_error(np.array(positions), truth), 2),
            "ate_without_motion_mm": round(1000 * trajectory_error(0 * truth, truth), 1),
            "failures": odometry.failures,
            "milliseconds_per_frame": round(1000 * float(np.median(seconds)), 1),
        }
        print(name, figures[name])
    write_result("odometry", figures)


if __name__ == "__main__":
    main()
