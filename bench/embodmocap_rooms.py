"""From images that `permanence simulate` draws to people in the world, end to end.

Two people with limbs in a room, filmed by two cameras that move: worlds/people.yaml, and the same
with one person who replays a motion capture recording. Odometry drifts, depth images have the
simulator's errors, the second clock is late. Keypoints are the true joints that the images really
show (something else hides the others), 3 pixels off and some lost; with --network the shipped
network looks at the images besides.

.venv/bin/python bench/embodmocap_rooms.py [--tier full] [--network]
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import SHARED_DATA, write_result
from embodmocap_arms import ARMS, follow, measure
from scipy.spatial.transform import Rotation

from perception_nodes.arrays import Floats
from perception_nodes.embodmocap.calibration import SurfacePoints
from perception_nodes.embodmocap.depths import background, view_of
from perception_nodes.embodmocap.interface import Keypoints, KeypointSource
from perception_nodes.embodmocap.learned import learned_keypoints
from perception_nodes.embodmocap.skeleton import COUNT
from perception_nodes.scene import Frame, Truth
from perception_simulation.motion import camera_track
from perception_simulation.people.filming import Take
from perception_simulation.person import PersonBody, bodies
from perception_simulation.scene_file import load_scene
from perception_simulation.simulator import Simulator
from perception_simulation.specification import Scene, Walker, WalkerKey

_SCENE = Path(__file__).resolve().parents[1] / "worlds" / "people.yaml"
_SEEDS = {"cpu": 2, "full": 6}
_DELAY = 0.06
_PIXELS, _LOST = 3.0, 0.05
_DEPTH = 0.01
_SEEN = 0.25  # m that a joint may lie behind the surface that hides it and still be the person's
_USED = ("one view + depth", "the other + depth", "uncalibrated + depth + bones",
         "calibrated + depth + bones")  # fmt: skip

_BARE = "calibrated by bare walls"
_DENSITY = 300.0  # points a square meter


class Room:
    """What the cameras of a scene deliver, to be followed again and again.

    Args:
        scene: With people who have limbs.
        network: Finds keypoints in the images; without one they come from the truth.
    """

    def __init__(self, scene: Scene, network: KeypointSource | None = None) -> None:
        self.people: Sequence[PersonBody] = bodies(scene)
        self.room = _map(scene)
        self.bare = _map(scene, furniture=False)
        self.found: list[tuple[Keypoints, Floats]] = []
        tracks = {camera.name: camera_track(camera) for camera in scene.cameras}
        rng = np.random.default_rng((scene.seed, 41))
        last = scene.cameras[-1].name
        self._takes = []
        for frame, truth in Simulator(scene):
            assert truth is not None
            pose = tracks[frame.camera_name].at(frame.stamp * 1e-9)
            joints = np.stack([person.joints for person in truth.people])
            true, z = frame.camera.project(pose.inverse().apply(joints))
            late = round(_DELAY * 1e9) if frame.camera_name == last else 0
            if network is None:
                keypoints = _detected(frame, truth, true, z, rng)
            else:
                keypoints = network.find(frame)
                self.found.append((keypoints, true))
            keypoints = replace(keypoints, stamp=frame.stamp - late)
            view = view_of(frame, keypoints)
            assert view is not None
            static = background(frame, keypoints, _DEPTH)
            self._takes.append(Take(view, static, pose, frame.stamp * 1e-9))

    def truth(self, time: float) -> Floats:
        """(P, 17, 3) of everyone at a time, s."""
        return np.stack([person.joints(time) for person in self.people])

    def __iter__(self) -> Iterator[Take]:
        return iter(self._takes)


def main() -> None:
    """Measure, print a table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", choices=tuple(_SEEDS), default="cpu")
    parser.add_argument("--network", action="store_true", help="also from the shipped network")
    options = parser.parse_args()
    scenes, seeds = _scenes(), _SEEDS[options.tier]
    figures: dict[str, Any] = {
        "seeds": seeds, "seconds": next(iter(scenes.values())).duration, "scenes": {}
    }  # fmt: skip
    for name, scene in scenes.items():
        row: dict[str, list[dict[str, float]]] = {arm: [] for arm in (*_USED, _BARE)}
        for seed in range(seeds):
            room = Room(replace(scene, seed=scene.seed + seed))
            for arm in (*_USED, _BARE):
                if arm == _BARE:
                    room.room = room.bare
                courses = follow(room, ARMS[_USED[-1] if arm == _BARE else arm])  # type: ignore[arg-type]
                row[arm] += [measure(course, scene.rate) for course in courses]
        figures["scenes"][name] = {arm: _columns(measured) for arm, measured in row.items()}
        for arm, told in figures["scenes"][name].items():
            means = {
                k: round(float(np.nanmean(np.array(told[k], float))), 3)
                for k in ("world", "wa_mpjpe", "nees")
            }
            print(f"{name:10} {arm:30}", means, "known", np.round(told["known"], 2), flush=True)
        if options.network:
            seen = Room(replace(scene, rate=2.0), learned_keypoints("cpu"))
            figures["scenes"][name]["network"] = _network(seen)
            print(name, "network", figures["scenes"][name]["network"], flush=True)
        write_result("embodmocap_rooms", figures)


def _scenes() -> dict[str, Scene]:
    walking = load_scene(_SCENE)
    scenes = {"walking": walking}
    recording = SHARED_DATA / "human" / "cmu-13_26.bvh"
    if recording.exists():
        dancer = Walker("cas", (WalkerKey(0.0, (0.0, 0.0), 3.4),), motion=str(recording))
        objects = tuple(o for o in walking.objects if o.name != "ball")
        scenes["recorded"] = replace(walking, walkers=(dancer,), objects=objects)
    return scenes


def _detected(
    frame: Frame, truth: Truth, pixels: Floats, z: Floats, rng: np.random.Generator
) -> Keypoints:
    """Joints that the image shows, as a good detector finds them."""
    confidence = rng.uniform(0.5, 1.0, z.shape)
    lost = (rng.random(z.shape) < _LOST) | ~frame.camera.contains(pixels)
    assert truth.labels is not None
    names = [item.id for item in truth.objects]
    height, width = truth.labels.shape
    column, row = np.rint(np.nan_to_num(pixels)).astype(int).transpose(2, 0, 1)
    shown = truth.labels[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    for k, person in enumerate(truth.people):
        lost[k] |= shown[k] != names.index(person.id) + 1
    measured = frame.depth[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    lost |= z - measured > _SEEN  # behind the person's own trunk
    noisy = pixels + _PIXELS / confidence[..., None] * rng.standard_normal(pixels.shape)
    noisy[lost], confidence[lost] = np.nan, 0.0
    order = rng.permutation(len(pixels))
    return Keypoints(frame.stamp, frame.camera_name, noisy[order], confidence[order])


def _map(scene: Scene, furniture: bool = True) -> SurfacePoints:
    """Floor and walls of the room, and its fixtures, as points with normals."""
    rng = np.random.default_rng(0)
    half = np.array(scene.area) / 2.0
    flat = np.column_stack([rng.uniform(-half, half, (4000, 2)), np.zeros(4000)])
    points, normals = [flat], [np.tile([0.0, 0.0, 1.0], (4000, 1))]
    for axis in (0, 1):
        for sign in (-1.0, 1.0):
            wall = np.column_stack([rng.uniform(-half, half, (2500, 2)), rng.uniform(0, 2.4, 2500)])
            wall[:, axis] = sign * half[axis]
            points.append(wall)
            normals.append(np.tile(-sign * np.eye(3)[axis], (2500, 1)))
    for item in scene.fixtures if furniture else ():
        turn, half = Rotation.from_euler("z", item.yaw).as_matrix(), np.array(item.size) / 2.0
        for axis, sign in itertools.product(range(3), (-1.0, 1.0)):
            side = rng.uniform(-half, half, (round(_DENSITY * _area(half, axis)), 3))
            side[:, axis] = sign * half[axis]
            points.append(side @ turn.T + item.position)
            normals.append(np.tile(sign * turn[:, axis], (len(side), 1)))
    return SurfacePoints(np.concatenate(points), np.concatenate(normals))


def _area(half: Floats, axis: int) -> float:
    return float(4.0 * np.prod(np.delete(half, axis)))


def _columns(measured: list[dict[str, float]]) -> dict[str, list[float | None]]:
    return {key: [m[key] if np.isfinite(m[key]) else None for m in measured] for key in measured[0]}


def _network(room: Room) -> dict[str, float]:
    """How many people the network finds, and how far its keypoints are from the joints."""
    apart, found, extra = [], 0, 0
    for keypoints, true in room.found:
        left = list(range(len(keypoints.pixels)))
        for joints in true:
            away = [float(np.nanmedian(np.linalg.norm(keypoints.pixels[k] - joints, axis=1)))
                    for k in left]  # fmt: skip
            if away and min(away) < 60.0:
                best = left.pop(int(np.argmin(away)))
                apart.append(np.linalg.norm(keypoints.pixels[best] - joints, axis=1))
                found += 1
        extra += len(left)
    images, people = len(room.found), len(room.people)
    distances = np.array(apart).reshape(-1, COUNT)
    return {
        "images": images,
        "people found": found / (images * people),
        "invented an image": extra / images,
        "median pixels": float(np.nanmedian(distances)) if len(distances) else -1.0,
    }


if __name__ == "__main__":
    main()
