"""Tracking alone: a real detector's poses in, object states out, against the raw detections.

The detections are those of CosyPose and PoseCNN on six YCB-Video sequences (sequences 48-53, key
frames only, so about one frame in ten). The camera moves and no other sensor says how, so its pose
is estimated from the detections: the rigid motion that best fits them to the objects' states.
Translation errors are in the camera frame, where the ground truth is given.

    python bench/ycbv.py
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from common import SHARED_DATA, write_result

from perception_nodes.arrays import Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.objects.tracker import ObjectTracker
from perception_nodes.scene import Frame, ObjectState, Slot, Slots

DATA = SHARED_DATA / "objects" / "ycbv_poses"
CAMERA = Camera(640, 480, 1066.8, 1067.5, 313.0, 241.3)
FRAME_RATE = 30.0
MATCH_DISTANCE = 0.1
GOOD = 0.02


@dataclass
class Errors:
    """Translation errors (m) of one method, and what it missed."""

    values: list[float] = field(default_factory=list)
    missing: int = 0
    switches: int = 0

    def figures(self) -> dict[str, float]:
        """RMSE in millimeters, share within 20 mm of all ground truth, and counts."""
        errors = np.array(self.values)
        total = len(errors) + self.missing
        return {
            "rmse_mm": round(1000 * float(np.sqrt(np.mean(errors**2))), 2),
            "median_mm": round(1000 * float(np.median(errors)), 2),
            "share_within_20mm": round(float((errors <= GOOD).sum() / total), 4),
            "coverage": round(len(errors) / total, 4),
            "id_switches": self.switches,
        }


def load(detector: str, sequence: str) -> dict[str, Floats]:
    """Rows qw qx qy qz tx ty tz of each object of a sequence; all zero where undetected."""
    files = sorted((DATA / "poses" / detector).glob(f"{sequence}_*.txt"))
    return {f.stem[5:]: np.loadtxt(f, ndmin=2) for f in files}


def stamps(sequence: str) -> list[int]:
    """Times of the key frames of a sequence, ns."""
    lines = (DATA / "keyframe_0048_0053.txt").read_text().split()
    frames = [int(line.split("/")[1]) for line in lines if line.startswith(sequence)]
    return [round(frame / FRAME_RATE * 1e9) for frame in frames]


def slot(index: int, row: Floats) -> Slot:
    """A detection as a slot; a detector's depth is about three times less certain."""
    position = row[4:]
    ray = position / np.linalg.norm(position)
    along = np.outer(ray, ray)
    covariance = 0.003**2 * (np.eye(3) - along) + 0.01**2 * along
    size = np.full(3, 0.08)
    return Slot(
        index, Pose(np.eye(3), position), covariance, size, 1000, 1.0, False, np.zeros(3),
        position[None].astype(np.float32),
    )  # fmt: skip


def fit(camera_points: Floats, world_points: Floats, rounds: int = 10) -> Pose:
    """The camera's pose in the world from corresponding points, robustly (Cauchy weights)."""
    weights = np.ones(len(camera_points))
    pose = Pose.identity()
    for _ in range(rounds):
        w = weights[:, None] / weights.sum()
        a, b = (w * camera_points).sum(axis=0), (w * world_points).sum(axis=0)
        u, _, vt = np.linalg.svd((w * (world_points - b)).T @ (camera_points - a))
        rotation = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
        pose = Pose(rotation, b - rotation @ a)
        error = np.linalg.norm(pose.apply(camera_points) - world_points, axis=1)
        weights = 1.0 / (1.0 + (error / 0.01) ** 2)
    return pose


def camera_pose(rows: dict[str, Floats], where: dict[str, Floats], last: Pose) -> Pose:
    """Fit the detections of a frame to where the objects were believed to be."""
    common = [name for name in rows if name in where]
    if len(common) < 3:
        return last
    return fit(
        np.stack([rows[name][4:] for name in common]), np.stack([where[name] for name in common])
    )


def nearest(states: tuple[ObjectState, ...], point: Floats) -> ObjectState | None:
    """The state closest to a point, if it is close enough to be meant."""
    if not states:
        return None
    distances = [float(np.linalg.norm(s.position - point)) for s in states]
    best = int(np.argmin(distances))
    return states[best] if distances[best] < MATCH_DISTANCE else None


def run(detector: str, sequence: str, raw: Errors, tracked: Errors) -> None:
    """Add the errors of one sequence."""
    detections, truth = load(detector, sequence), load("ground_truth", sequence)
    tracker, pose = ObjectTracker(), Pose.identity()
    ids: dict[str, str] = {}
    where: dict[str, Floats] = {}
    depth = np.full((1, 1), np.nan, dtype=np.float32)
    depth = np.broadcast_to(depth, (CAMERA.height, CAMERA.width))
    labels = np.zeros((CAMERA.height, CAMERA.width), dtype=np.uint8)
    for k, stamp in enumerate(stamps(sequence)):
        rows = {name: r[k] for name, r in detections.items() if r[k].any()}
        pose = camera_pose(rows, where, pose)
        frame = Frame(stamp, "camera", "optical", CAMERA, labels, depth, pose)
        items = tuple(slot(i, row) for i, row in enumerate(rows.values()))
        states, _ = tracker.update(
            frame, Slots(stamp, "camera", "optical", labels, items, detector)
        )
        for name, row in rows.items():
            state = nearest(states, pose.apply(row[4:]))
            where[name] = state.position if state is not None else pose.apply(row[4:])
        for name, rows_true in truth.items():
            if not rows_true[k].any():
                continue
            true = rows_true[k][4:]
            if name in rows:
                raw.values.append(float(np.linalg.norm(rows[name][4:] - true)))
            else:
                raw.missing += 1
            state = nearest(states, pose.apply(true))
            if state is None:
                tracked.missing += 1
                continue
            tracked.values.append(
                float(np.linalg.norm(pose.inverse().apply(state.position) - true))
            )
            tracked.switches += int(ids.get(name, state.id) != state.id)
            ids[name] = state.id


def main() -> None:
    """Measure both detectors and write the result."""
    figures = {}
    sequences = sorted({f.name[:4] for f in Path(DATA / "poses" / "cosypose").iterdir()})
    for detector in ("cosypose", "posecnn_rss2018"):
        raw, tracked = Errors(), Errors()
        for sequence in sequences:
            run(detector, sequence, raw, tracked)
        figures[detector] = {"raw": raw.figures(), "tracked": tracked.figures()}
        for method, values in figures[detector].items():
            print(f"{detector:16s} {method:8s} {values}")
    write_result("ycbv", figures)


if __name__ == "__main__":
    main()
