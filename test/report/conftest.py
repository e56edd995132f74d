"""A small made-up run: boxes on a table, a screen that slides past, a camera on an arc."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perception_nodes.arrays import Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.report.overlay import corners
from perception_nodes.scene import (
    Event,
    EventKind,
    Frame,
    ObjectState,
    Sample,
    SceneState,
    Slot,
    Slots,
    Truth,
    Visibility,
)

Step = tuple[Sample, SceneState, dict[str, float]]
START = 1_700_000_000_000_000_000
VISIBLE, OCCLUDED = Visibility.VISIBLE, Visibility.OCCLUDED
CAMERA = Camera(320, 240, 290.0, 290.0, 159.5, 119.5)
FACES = ((0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5))
COLORS = (
    (196, 64, 52),
    (60, 120, 200),
    (230, 190, 60),
    (80, 160, 90),
    (150, 90, 170),
    (220, 130, 60),
    (90, 190, 190),
    (210, 110, 150),
)
NAMES = ("mug", "cereal box", "", "soup can", "", "bottle", "", "sugar box")


def look_at(eye: Floats, target: Floats) -> Pose:
    """An optical frame at `eye` that looks at `target`."""
    z = (target - eye) / np.linalg.norm(target - eye)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    return Pose(np.stack([x, np.cross(z, x), z], axis=1), eye)


def state(name: str, t: int, position: Floats, size: Floats, yaw: float = 0.0) -> ObjectState:
    """A belief with everything else at a plausible value."""
    return ObjectState(
        id=name,
        stamp=t,
        pose=Pose(Rotation.from_euler("z", yaw).as_matrix(), np.asarray(position, dtype=float)),
        pose_covariance=np.eye(6) * 1e-5,
        velocity=np.zeros(3),
        angular_velocity=np.zeros(3),
        twist_covariance=np.eye(6) * 1e-4,
        size=np.asarray(size, dtype=float),
        visibility=Visibility.VISIBLE,
        first_seen=t,
        last_seen=t,
        existence=0.98,
    )


def _paint(boxes: list[tuple[ObjectState, tuple[int, ...], int]], pose: Pose) -> tuple:
    """Color and label images by the painter's algorithm."""
    image = np.full((CAMERA.height, CAMERA.width, 3), (58, 62, 68), dtype=np.uint8)
    table = pose.inverse().apply(
        np.array([[-0.8, -0.6, 0.0], [0.8, -0.6, 0.0], [0.8, 0.6, 0.0], [-0.8, 0.6, 0.0]])
    )
    cv2.fillConvexPoly(image, CAMERA.project(table)[0].astype(np.int32), (176, 168, 156))
    labels = np.zeros(image.shape[:2], dtype=np.uint8)
    eye = pose.translation
    for item, rgb, value in sorted(boxes, key=lambda b: -np.linalg.norm(b[0].position - eye)):
        world = corners(item)
        pixels = CAMERA.project(pose.inverse().apply(world))[0].astype(np.int32)
        order = sorted(FACES, key=lambda f: -np.linalg.norm(world[list(f)].mean(axis=0) - eye))
        for i, face in enumerate(order[3:]):
            shade = tuple(int(c * (0.7 + 0.15 * i)) for c in rgb)
            cv2.fillConvexPoly(image, cv2.convexHull(pixels[list(face)]), shade, cv2.LINE_AA)
            cv2.fillConvexPoly(labels, cv2.convexHull(pixels[list(face)]), value)
    return image, labels


def _silhouette(item: ObjectState, pose: Pose) -> int:
    """How many pixels would show it if nothing were in front."""
    pixels = CAMERA.project(pose.inverse().apply(corners(item)))[0].astype(np.int32)
    mask = np.zeros((CAMERA.height, CAMERA.width), dtype=np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(pixels), 1)
    return int(mask.sum())


NOISE = np.random.default_rng(0).normal(0, 3, (CAMERA.height, CAMERA.width, 3)).astype(np.int16)


@dataclass
class World:
    """What happens: object 1 is pushed while the screen hides it; object 7 leaves the table."""

    count: int = 8
    rate: float = 15.0
    duration: float = 12.0
    labels: tuple[str, ...] = NAMES
    known: dict[int, ObjectState] = field(default_factory=dict)
    hidden_since: dict[int, int] = field(default_factory=dict)

    def place(self, i: int, t: float) -> tuple[Floats, Floats, float]:
        angle = 0.35 + 2 * math.pi * i / self.count
        size = np.array([0.07 + 0.012 * (i % 3), 0.07, 0.09 + 0.035 * (i % 4)])
        spot = np.array([0.34 * math.cos(angle), 0.25 * math.sin(angle), size[2] / 2])
        if i == 5:
            spot[0] += 0.22 * float(np.clip((t - 4.2) / 1.2, 0.0, 1.0))
        if i == 2:
            spot[1] += 0.12 * float(np.clip((t - 8.0) / 2.0, 0.0, 1.0))
        return spot, size, 0.4 * i

    def screen(self, t: float) -> ObjectState:
        x = min(-1.15 + 0.27 * t, 1.6)
        return state("screen", 0, np.array([x, -0.42, 0.17]), np.array([0.42, 0.02, 0.34]))

    def run(self) -> Iterator[Step]:
        for k in range(round(self.duration * self.rate)):
            yield self.step(k)

    def step(self, k: int) -> Step:
        t, stamp = k / self.rate, START + round(k / self.rate * 1e9)
        arc = -math.pi / 2 + 0.35 * math.sin(0.5 * t)
        eye = np.array([1.15 * math.cos(arc), 1.15 * math.sin(arc), 0.62])
        pose = look_at(eye, np.array([0.0, 0.02, 0.05]))
        truths = [state(f"box{i}", stamp, *self.place(i, t)) for i in range(self.count)]
        boxes = [(s, COLORS[i % len(COLORS)], i + 1) for i, s in enumerate(truths)]
        image, labels = _paint([*boxes, (self.screen(t), (120, 124, 130), 255)], pose)
        rng = np.random.default_rng(k)
        image = np.clip(image + NOISE, 0, 255).astype(np.uint8)
        frame = Frame(
            stamp,
            "camera",
            "camera_optical_frame",
            CAMERA,
            image,
            np.ones(labels.shape, np.float32),
            pose,
        )
        events, beliefs = [], []
        for i, truth in enumerate(truths):
            shown = int((labels == i + 1).sum()) > 0.3 * _silhouette(truth, pose)
            beliefs += self._believe(i, truth, shown, t, stamp, rng, events)
            truths[i] = replace(truth, visibility=VISIBLE if shown else OCCLUDED)
        slots = self._slots(beliefs, labels, frame)
        sample = Sample(frame, Truth(stamp, tuple(truths), labels))
        seconds = {
            "slots": 0.021 + 0.004 * math.sin(k),
            "objects": 0.0031 + 0.0004 * (k % 5),
            "memory": 0.0004 + 0.006 * (k % 40 == 0),
        }
        return sample, SceneState(stamp, slots, tuple(beliefs), tuple(events)), seconds

    def _believe(
        self,
        i: int,
        truth: ObjectState,
        shown: bool,
        t: float,
        stamp: int,
        rng: np.random.Generator,
        events: list[Event],
    ) -> list[ObjectState]:
        before = self.known.get(i)
        name = f"obj-{i + 1:03d}"
        label = self.labels[i % len(self.labels)]
        if before is None and not shown:
            return []
        called = label or name
        if shown:
            kind, text = EventKind.APPEARED, f"{called} appeared"
            if before is not None and before.visibility != Visibility.VISIBLE:
                gone = (stamp - self.hidden_since[i]) * 1e-9
                moved = float(np.linalg.norm(truth.position - before.position))
                kind, text = EventKind.REAPPEARED, f"{called} reappeared after {gone:.1f} s"
                if moved > 0.05:
                    events.append(
                        Event(
                            stamp,
                            EventKind.MOVED_UNSEEN,
                            (name,),
                            f"{called} moved {100 * moved:.0f} cm while hidden",
                        )
                    )
            if before is None or before.visibility != Visibility.VISIBLE:
                events.append(Event(stamp, kind, (name,), text))
            noisy = Pose(truth.pose.rotation, truth.position + rng.normal(0, 0.002, 3))
            now = replace(truth, id=name, label=label, pose=noisy)
        else:
            if before.visibility == Visibility.VISIBLE:
                self.hidden_since[i] = stamp
                events.append(
                    Event(stamp, EventKind.HIDDEN, (name,), f"{called} went out of sight")
                )
            wider = np.diag([1.0, 1.0, 0.2, 0, 0, 0]) * 2e-5
            now = replace(
                before,
                stamp=stamp,
                visibility=Visibility.OCCLUDED,
                pose_covariance=before.pose_covariance + wider,
            )
        self.known[i] = now
        return [now]

    def _slots(self, beliefs: list[ObjectState], labels: np.ndarray, frame: Frame) -> Slots:
        to_camera = frame.pose.inverse()
        remapped = np.zeros_like(labels)
        items = []
        for belief in (b for b in beliefs if b.visibility == Visibility.VISIBLE):
            mask = labels == int(belief.id[-3:])
            remapped[mask] = len(items) + 1
            items.append(
                Slot(
                    len(items),
                    to_camera @ belief.pose,
                    np.eye(3) * 1e-5,
                    belief.size,
                    int(mask.sum()),
                    0.9,
                    False,
                    np.zeros(3),
                    np.zeros((0, 3)),
                )
            )
        return Slots(frame.stamp, "camera", frame.frame_id, remapped, tuple(items), "test")


@pytest.fixture
def make_world() -> Callable[..., World]:
    return World


@pytest.fixture
def make_state() -> Callable[..., ObjectState]:
    return state
