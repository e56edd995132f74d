"""Episodes in which a camera looks around, looks away, and comes back: what is memory good for?

A room full of textured boxes is seen in 18 frames while the camera turns on the spot; the last six
look at least 60 degrees away from everything that comes back. Then three frames return by turning
alone, and three from another place, so that near and far things have moved against each other.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from perception_models.data import cached
from perception_nodes.arrays import Bytes, Floats
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_simulation.generator import generate
from perception_simulation.model import compile_model
from perception_simulation.motion import look_at
from perception_simulation.random_objects import random_texture
from perception_simulation.renderer import Renderer, View
from perception_simulation.specification import Fixture, Scene
from perception_simulation.world import World

SIDE, PATCH = 64, 8
GRID = SIDE // PATCH
TOKENS = GRID * GRID
MEMORY, AWAY, RETURNS = 18, 6, 3
FOCAL = SIDE / 2 / math.tan(math.radians(30))
CAMERA = Camera(SIDE, SIDE, FOCAL, FOCAL, (SIDE - 1) / 2, (SIDE - 1) / 2)
PATCH_RAYS = CAMERA.scaled(GRID, GRID).rays().reshape(-1, 3)
"""(64, 3) directions of patch centers, optical frame, z = 1."""
_SWEEP, _END = math.radians(220), math.radians(270)
_BACK = (math.radians(-30), math.radians(120))
_AGREES = 0.05
_HALF = 3.0


class Episode(NamedTuple):
    """One room; the first 18 frames are memory, then 3 turned and 3 translated returns.

    Attributes:
        color: (24, 64, 64, 3) uint8.
        depth: (24, 64) float32, median of each patch along the optical axis, meters.
        rotation: (24, 3, 3) float32 camera to world.
        translation: (24, 3) float32, meters.
        seen: (6, 18, 64) float32, share of each returning patch's pixels that a memory frame
            shows as well.
        known: (6, 64) float32, share that any of them shows.
    """

    color: Bytes
    depth: Floats
    rotation: Floats
    translation: Floats
    seen: Floats
    known: Floats


@dataclass(frozen=True)
class Split:
    """Rooms that are made of the seeds first, first + 1, ..."""

    first: int
    count: int


TRAINING, TEST = Split(0, 300), Split(10_000, 64)


def load(split: Split) -> dict[str, Tensor]:
    """The episodes of a split by field, with a leading axis; drawn once, then read from a cache.

    Raises:
        RenderingError: This machine has no OpenGL.
    """

    def make() -> dict[str, Tensor]:
        episodes = [draw(seed) for seed in range(split.first, split.first + split.count)]
        fields = zip(*episodes, strict=True)
        return {
            name: torch.from_numpy(np.stack(items))
            for name, items in zip(Episode._fields, fields, strict=True)
        }

    recipe = {"rooms": [split.first, split.count]}
    return cached("revisits", recipe, make, code=(sys.modules[__name__],))


def draw(seed: int) -> Episode:
    """The episode of a seed."""
    scene = room(seed)
    world = World(scene, compile_model(scene))
    poses = path(seed)
    with Renderer(world.model, SIDE, SIDE) as renderer:
        views = [renderer.render(world.data, pose, CAMERA) for pose in poses]
    depth = np.stack([view.depth for view in views])
    patches = depth.reshape(-1, GRID, PATCH, GRID, PATCH).swapaxes(2, 3)
    seen, known = visibility(views, poses)
    return Episode(
        color=np.stack([_color(view) for view in views]),
        depth=np.median(patches.reshape(len(views), TOKENS, -1), axis=-1).astype(np.float32),
        rotation=np.stack([pose.rotation for pose in poses]).astype(np.float32),
        translation=np.stack([pose.translation for pose in poses]).astype(np.float32),
        seen=seen,
        known=known,
    )


def room(seed: int) -> Scene:
    """A generated room, at rest, with boxes on the floor and pictures on the walls all around."""
    rng = np.random.default_rng((seed, 1))
    fixtures = []
    for k in range(14):
        angle, away = 2 * math.pi * (k + rng.uniform(-0.3, 0.3)) / 14, rng.uniform(1.4, 2.5)
        length, width = rng.uniform(0.25, 0.6, 2)
        height = rng.uniform(0.4, 1.7)
        place = (away * math.cos(angle), away * math.sin(angle), height / 2)
        fixtures.append(
            Fixture(
                f"box {k}", (length, width, height), place, rng.uniform(0, 3), random_texture(rng)
            )
        )
    for k in range(16):
        wall, along = k % 4, (k // 4 - 1.5) * 1.45 + rng.uniform(-0.2, 0.2)
        turn, size = math.pi / 2 * wall, (0.04, rng.uniform(0.5, 1.2), rng.uniform(0.6, 1.6))
        cos, sin = round(math.cos(turn)), round(math.sin(turn))
        place = (_HALF * cos - along * sin, _HALF * sin + along * cos, rng.uniform(0.9, 1.6))
        fixtures.append(Fixture(f"picture {k}", size, place, turn, random_texture(rng)))
    scene = generate(seed, "room", objects=6)
    return replace(
        scene, fixtures=tuple(fixtures), occluders=(), pushes=(), carries=(), width=SIDE,
        height=SIDE,
    )  # fmt: skip


def path(seed: int) -> list[Pose]:
    """18 poses of looking around, 3 of a turned and 3 of a translated return."""
    rng = np.random.default_rng((seed, 2))
    start, sense = rng.uniform(0, 2 * math.pi), rng.choice([-1.0, 1.0])
    here = np.array([*rng.uniform(-0.3, 0.3, 2), rng.uniform(1.0, 1.4)])
    looks = MEMORY - AWAY
    yaws = [
        *(_SWEEP * (np.arange(looks) / (looks - 1)) + rng.uniform(-0.1, 0.1, looks)),
        *rng.uniform(_SWEEP - 0.2, _END, AWAY),
    ]
    poses = [_gaze(here, start + sense * yaw, rng) for yaw in yaws]
    poses += [_gaze(here, start + sense * rng.uniform(*_BACK), rng) for _ in range(RETURNS)]
    for _ in range(RETURNS):
        angle, moved = rng.uniform(0, 2 * math.pi), rng.uniform(0.4, 0.8)
        step = np.array([moved * math.cos(angle), moved * math.sin(angle), rng.uniform(-0.2, 0.2)])
        poses.append(_gaze(here + step, start + sense * rng.uniform(*_BACK), rng))
    return poses


def visibility(views: list[View], poses: list[Pose]) -> tuple[Floats, Floats]:
    """Share of each returning patch that each memory frame, and that any of them shows."""
    half = PATCH // 2
    rays = CAMERA.rays()[::2, ::2]
    seen = np.zeros((len(views) - MEMORY, MEMORY, TOKENS), np.float32)
    known = np.zeros((len(views) - MEMORY, TOKENS), np.float32)
    for q, (view, pose) in enumerate(zip(views[MEMORY:], poses[MEMORY:], strict=True)):
        points = pose.apply(rays * view.depth[::2, ::2, None])
        shown = np.stack([
            _shows(views[m], poses[m].inverse().apply(points)) for m in range(MEMORY)
        ])  # fmt: skip
        blocks = shown.reshape(MEMORY, GRID, half, GRID, half)
        seen[q] = blocks.mean(axis=(2, 4)).reshape(MEMORY, TOKENS)
        known[q] = blocks.any(axis=0).mean(axis=(1, 3)).reshape(TOKENS)
    return seen, known


def _shows(view: View, points: Floats) -> Floats:
    """Which points (..., 3) of a frame's optical frame are its visible surface."""
    pixels, depth = CAMERA.project(points)
    inside = CAMERA.contains(pixels)
    column, row = np.rint(np.where(inside[..., None], pixels, 0.0)).astype(int).T
    there = view.depth[row.T, column.T]
    near: Floats = inside & (np.abs(there - depth) < _AGREES * depth)
    return near


def _gaze(place: Floats, yaw: float, rng: np.random.Generator) -> Pose:
    pitch = rng.uniform(-0.45, 0.05)
    ahead = (math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch), math.sin(pitch))
    return look_at(place, place + ahead)


def _color(view: View) -> Bytes:
    if view.color is None:
        raise ValueError("a view without color")
    return view.color
