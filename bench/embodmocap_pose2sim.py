"""Real keypoints of four calibrated cameras: how far fused joints are from the reference.

The reference is itself triangulated from the same keypoints (with the worst cameras left out joint
by joint), so this says that views are fused rightly, not how true either is.

python bench/embodmocap_pose2sim.py
"""

from __future__ import annotations

import argparse
import itertools
from typing import Any

import numpy as np
from common import SHARED_DATA, write_result
from pose2sim_data import VIEWS, Recording
from pose2sim_plain import triangulate

from perception_nodes.embodmocap.calibration import Calibration, calibrate
from perception_nodes.embodmocap.observation import Noise
from perception_nodes.embodmocap.rays import Sightings
from perception_nodes.embodmocap.rig import Correction
from perception_nodes.embodmocap.skeleton import JOINTS
from perception_nodes.embodmocap.tracker import BodyTracker
from perception_nodes.scene import Person


def main() -> None:
    """Measure all four views and each pair, as calibrated by the lab and by people."""
    argparse.ArgumentParser(description=__doc__).parse_known_args()  # any tier is the same
    recording = Recording(SHARED_DATA / "human" / "pose2sim_single")
    noise = Noise()
    sets = [VIEWS, *itertools.combinations(VIEWS, 2)]
    own = self_calibrated(recording, noise)
    figures: dict[str, Any] = {
        "frames": len(recording), "white_noise": white_noise(recording), "views": {},
        "calibration": {"refused": own.refused, "before": own.before, "after": own.after,
                        "condition": own.condition, "noticed": list(own.noticed)},
    }  # fmt: skip
    for which in sets:
        name = "+".join(str(v + 1) for v in which)
        given = measure(recording, which, noise, {})
        found = measure(recording, which, noise, dict(own.corrections))
        plain = plainly(recording, which)
        figures["views"][name] = {"given": given, "self-calibrated": found, "plain": plain}
        both = f"{given['median'] * 1e3:6.1f} mm, self-calibrated {found['median'] * 1e3:6.1f} mm"
        print(f"{name:8} {both}, plain {1e3 * plain:.2f} mm")
    write_result("embodmocap_pose2sim", figures)


def measure(
    recording: Recording, which: tuple[int, ...], noise: Noise, corrections: dict[str, Correction]
) -> dict[str, Any]:
    """Distances to the reference of the person who is nearest to it, m."""
    tracker = BodyTracker(noise)
    tracker.corrections = corrections
    off, ids = [], set()
    for frame, views in enumerate(recording.frames(which)):
        people = tracker.update(views)
        if not people:
            continue
        person = min(people, key=lambda p: _away(p, recording.reference[frame]))
        ids.add(person.id)
        off.append(np.linalg.norm(person.joints - recording.reference[frame], axis=1))
    distances = np.array(off)
    known = np.isfinite(recording.reference).any(axis=(0, 2))
    joints = np.median(distances[:, known], axis=0)
    names = [name for name, k in zip(JOINTS, known, strict=True) if k]
    half = len(distances) // 2
    return {
        "median": float(np.median(distances[:, known])),
        "halves": [float(np.median(d[:, known])) for d in (distances[:half], distances[half:])],
        "joints": dict(zip(names, joints.tolist(), strict=True)),
        "frames": len(distances),
        "ids": len(ids),
    }


def plainly(recording: Recording, which: tuple[int, ...]) -> float:
    """Median distance of joints that the reference's own rule triangulates from these views, m."""
    off = [
        np.linalg.norm(triangulate(views, reference) - reference, axis=1)
        for views, reference in zip(recording.frames(which), recording.reference, strict=True)
    ]
    return float(np.nanmedian(off))


def self_calibrated(recording: Recording, noise: Noise) -> Calibration:
    """Corrections from the people that all four views see; the reference is not looked at."""
    tracker, seen = BodyTracker(noise), Sightings(noise, 10.0)
    for views in recording.frames():
        tracker.update(views)
        named = {view.keypoints.camera_name: view for view in views}
        for person, camera, _, index in tracker.sightings:
            seen.add(person, named[camera], index)
    return calibrate(seen, {}, clocks=False)


def white_noise(recording: Recording) -> float:
    """What keypoints jump by from frame to frame, at confidence 1 and 640 pixels.

    By second differences, which motion hardly adds to: their variance is six times the noise's.
    """
    tracks = []
    for views in recording.frames():
        tracks.append([
            (v.keypoints.pixels[0], v.keypoints.confidence[0])
            for v in views if len(v.keypoints.pixels)
        ])  # fmt: skip
    full = [t for t in tracks if len(t) == len(VIEWS)]
    pixels = np.array([[p for p, _ in t] for t in full])
    confidence = np.array([[c for _, c in t] for t in full])[1:-1]
    jumps = pixels[2:] - 2.0 * pixels[1:-1] + pixels[:-2]
    width = recording.cameras[0].width / 640.0
    values = np.abs(jumps) * confidence[..., None] / width
    return float(np.nanmedian(values) / 0.6745 / np.sqrt(6.0))


def _away(person: Person, truth: Any) -> float:
    return float(np.nanmedian(np.linalg.norm(person.joints - truth, axis=1)))


if __name__ == "__main__":
    main()
