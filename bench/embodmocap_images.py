"""From pictures of two moving, drifting cameras to people in the world, end to end.

A rendered body replays recorded and procedural motion; the shipped network finds its keypoints,
depth images say how far they are, fusion does the rest. Beside it, the same film with keypoints as
of a good detector (3 pixels off): what is lost by the network.

Needs the training environment with the body model: pip install 'permanence[train,cpu,people]'.

.venv-train/bin/python bench/embodmocap_images.py [--tier full]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import cache
from typing import Any

import cv2
import numpy as np
from common import SHARED_DATA, write_result
from embodmocap_arms import ARMS, follow, measure

from perception_models.keypoints.film import Rendered
from perception_nodes.embodmocap.learned import learned_keypoints
from perception_nodes.embodmocap.skeleton import COUNT
from perception_simulation.people.filming import Motion, Take
from perception_simulation.people.recorded import RecordedMotion
from perception_simulation.people.walking import WalkingMotion

_SECONDS = {"cpu": 17.0, "full": 40.0}
_RATE = 10.0
_USED = ("one view + depth", "the other + depth", "uncalibrated + depth + bones",
         "calibrated + depth + bones")  # fmt: skip


class Kept:
    """Takes of a film, to be followed again and again without rendering it anew."""

    def __init__(self, film: Rendered, takes: list[Take]) -> None:
        self.people, self.room, self.truth = film.people, film.room, cache(film.truth)
        self._takes = takes

    def __iter__(self) -> Iterator[Take]:
        return iter(self._takes)


def main() -> None:
    """Measure, print a table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", choices=tuple(_SECONDS), default="cpu")
    parser.add_argument("--seconds", type=float, help="instead of the tier's")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    seconds = options.seconds or _SECONDS[options.tier]
    network = learned_keypoints("cpu")
    motions: dict[str, Motion] = {"walking": WalkingMotion()}
    recording = SHARED_DATA / "human" / "cmu-13_26.bvh"
    if recording.exists():
        motions["recorded"] = RecordedMotion(recording)
    figures: dict[str, Any] = {
        "model": network.model_id, "seconds": seconds, "rate": _RATE, "motions": {}
    }  # fmt: skip
    for name, motion in motions.items():
        film = Rendered([motion], seconds, network, rate=_RATE)
        ideal = Rendered([motion], seconds, None, rate=_RATE)
        films = {"network": Kept(film, list(film)), "3 pixels off": Kept(ideal, list(ideal))}
        row: dict[str, Any] = {"keypoints": _keypoints(films["network"])}
        print(name, row["keypoints"])
        for source, takes in films.items():
            row[source] = {}
            for arm in _USED:
                course = follow(takes, ARMS[arm])[0]
                figure = measure(course, _RATE)
                row[source][arm] = {
                    key: None if not np.isfinite(value) else value for key, value in figure.items()
                }
                told = {k: row[source][arm][k] for k in ("world", "wa_mpjpe", "known")}
                print(f"  {source:13} {arm:30}", told, flush=True)
        figures["motions"][name] = row
        write_result("embodmocap_images", figures)


def _keypoints(film: Kept) -> dict[str, float]:
    """How far the network's keypoints are from the joints in the pictures."""
    apart, found, extra = [], 0, 0
    takes = list(film)
    for take in takes:
        pixels, _ = take.view.camera.project(
            take.true_pose.inverse().apply(film.truth(take.time)[0])
        )
        people = take.view.keypoints.pixels
        if not len(people):
            continue
        away = np.linalg.norm(people - pixels, axis=-1)
        best = int(np.nanargmin(np.nanmean(away, axis=1)))
        near = float(np.nanmedian(away[best])) < 60.0
        found += near
        extra += len(people) - near
        if near:
            apart.append(away[best])
    distances = np.array(apart).reshape(-1, COUNT)
    return {
        "pictures": len(takes),
        "person found": found / len(takes),
        "invented": extra / len(takes),
        "joints found": float(np.isfinite(distances).mean()) if len(distances) else 0.0,
        "median pixels": float(np.nanmedian(distances)) if len(distances) else -1.0,
    }


if __name__ == "__main__":
    main()
