"""Pictures of people with their joints: bodies put before a camera, lit, hidden, photographed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from perception_models.keypoints import raster
from perception_models.keypoints.backgrounds import background, occluders
from perception_models.keypoints.bodies import Bodies
from perception_models.keypoints.clothes import dress
from perception_nodes.arrays import Bytes, Floats, Ints
from perception_nodes.embodmocap.skeleton import COUNT, SURFACE
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose

WIDTH, HEIGHT = 320, 240
OUTSIDE, HIDDEN, VISIBLE = 0, 1, 2
"""What is known of a joint: not in the picture, behind something, or seen."""
_FINER = 2
_SLACK = 0.08  # m that a surface may lie before a joint, besides its limb's radius
_LEAST_PIXELS = 60
_COUNTS = (0.06, 0.44, 0.27, 0.14, 0.09)
_AHEAD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Optical axes in a frame with x ahead, y left, z up."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture of P people.

    Attributes:
        image: (240, 320, 3) RGB.
        pixels: (P, 17, 2).
        seen: (P, 17) `OUTSIDE`, `HIDDEN` or `VISIBLE`.
        distance: (P,) of the middle of each, m.
        shown: (P,) share of each body's pixels in the picture that nothing hides.
    """

    image: Bytes
    pixels: Floats
    seen: Ints
    distance: Floats
    shown: Floats


def photograph(rng: np.random.Generator, bodies: Bodies) -> Picture:
    """Put up to four random bodies before a random camera of a robot."""
    camera = _camera(rng)
    count = int(rng.choice(len(_COUNTS), p=_COUNTS))
    pose = _viewpoint(rng)
    surfaces, joints = [], []
    for k in rng.integers(0, len(bodies), count):
        turn, shift = _place(rng, camera)
        dressed = bodies.surfaces[k].astype(np.float32)
        surfaces.append((dressed @ turn.T, shift))
        joints.append(bodies.joints[k] @ turn.T + shift)
    seen_from = pose.inverse()
    image = _enlarged(background(rng, WIDTH, HEIGHT), camera)
    owner = np.full((camera.height, camera.width), raster.NOTHING)
    depth = np.full(owner.shape, np.inf)
    if count:
        owner, depth = draw_people(rng, bodies, surfaces, seen_from, camera, image)
    local = np.array([seen_from.apply(j) for j in joints]).reshape(count, COUNT, 3)
    return _finish(rng, camera, image, owner, depth, local)


def draw_people(
    rng: np.random.Generator,
    bodies: Bodies,
    surfaces: Sequence[tuple[Floats, Floats]],
    seen_from: Pose,
    camera: Camera,
    image: Floats,
) -> tuple[Ints, Floats]:
    """Draw dressed bodies into an image, in place.

    Args:
        rng: Chooses clothes and light.
        bodies: What they share.
        surfaces: Of each its vertices (V, 3) and where they are put (3,), world frame.
        seen_from: World in the optical frame.
        camera: Of the image.
        image: (H, W, 3) linear color 0..1.

    Returns:
        (H, W) whose each pixel is, `raster.NOTHING` where nobody's, and depth, infinite there.
    """
    lamp, ambient, tint = _light(rng)
    vertices, colors, faces = [], [], []
    for number, (surface, shift) in enumerate(surfaces):
        dressed, color = dress(rng, bodies, surface, _normals(surface, bodies.faces))
        side = _face_normals(dressed, bodies.faces)
        lit = np.maximum(side @ lamp, 0.0) + 0.25 * np.maximum(side @ (lamp * [-1, -1, 0.3]), 0.0)
        colors.append(color * (ambient + (1.0 - ambient) * lit)[:, None] * tint)
        vertices.append(seen_from.apply(dressed + shift))
        faces.append(bodies.faces + number * len(surface))
    ids, depth = raster.draw(camera, np.concatenate(vertices), np.concatenate(faces))
    there = ids >= 0
    image[there] = np.concatenate(colors)[ids[there]]
    return np.where(there, ids // len(bodies.faces), raster.NOTHING), depth


def _finish(
    rng: np.random.Generator, camera: Camera, image: Floats, owner: Ints, depth: Floats,
    joints: Floats,
) -> Picture:  # fmt: skip
    """Hide, photograph, and tell which joints are seen; `joints` (P, 17, 3) optical frame."""
    count = len(joints)
    alone = np.bincount(owner[owner >= 0], minlength=count)
    far = float(np.median(depth[owner >= 0])) if (owner >= 0).any() else 1.0
    before = occluders(rng, image, depth, far)
    owner = np.where(before < depth, raster.NOTHING, owner)
    left = np.bincount(owner[owner >= 0], minlength=count)
    pixels, seen = _seen(joints, camera, owner, before)
    kept = np.flatnonzero((left > _LEAST_PIXELS * _FINER**2) & ((seen == VISIBLE).sum(axis=1) > 2))
    return Picture(
        _developed(rng, image),
        ((pixels + 0.5) / _FINER - 0.5)[kept],
        seen[kept],
        joints[kept, :, 2].mean(axis=1),
        left[kept] / np.maximum(alone[kept], 1),
    )


def _seen(joints: Floats, camera: Camera, owner: Ints, depth: Floats) -> tuple[Floats, Ints]:
    """Where joints are in the image (P, 17, 2), and whether one sees them."""
    pixels, z = camera.project(joints.reshape(-1, 3))
    inside = camera.contains(pixels) & (z > 0.15)
    at = np.rint(np.where(inside[:, None], pixels, 0.0)).astype(int)
    at = np.clip(at, 0, [camera.width - 1, camera.height - 1])
    whose = np.repeat(np.arange(len(joints)), COUNT)
    mine = owner[at[:, 1], at[:, 0]] == whose
    near = z - depth[at[:, 1], at[:, 0]] < np.tile(SURFACE, len(joints)) + _SLACK
    seen = np.where(mine & near, VISIBLE, HIDDEN) * inside
    return pixels.reshape(-1, COUNT, 2), seen.reshape(-1, COUNT)


def _camera(rng: np.random.Generator) -> Camera:
    width, height = WIDTH * _FINER, HEIGHT * _FINER
    focal = width / 2.0 / math.tan(math.radians(rng.uniform(52.0, 88.0)) / 2.0)
    return Camera(width, height, focal, focal, (width - 1) / 2.0, (height - 1) / 2.0)


def _viewpoint(rng: np.random.Generator) -> Pose:
    """A robot's camera, 0.3 to 1.8 m above the floor, looking about level."""
    eye = rng.uniform(0.3, 1.8)
    down = rng.normal(0.0, 8.0) + 15.0 * (eye - 0.9) * rng.random()
    tilt = Rotation.from_euler("yx", [down, rng.normal(0.0, 2.5)], degrees=True).as_matrix()
    return Pose(tilt @ _AHEAD, np.array([0.0, 0.0, eye]))


def _place(rng: np.random.Generator, camera: Camera) -> tuple[Floats, Floats]:
    """How a body is turned (3, 3) and where it stands (3,); x ahead of the camera."""
    distance = rng.uniform(0.8, 6.0)
    if rng.random() < 0.5:
        distance = 1.0 / rng.uniform(1.0 / 5.0, 1.0)
    aside = rng.uniform(-0.85, 0.85) * camera.width / 2.0 / camera.fx * distance
    toward = rng.normal(-90.0, 40.0) if rng.random() < 0.35 else rng.uniform(0.0, 360.0)
    turn = Rotation.from_euler("z", toward, degrees=True).as_matrix().astype(np.float32)
    return turn, np.array([distance, aside, 0.0], np.float32)


def _light(rng: np.random.Generator) -> tuple[Floats, float, Floats]:
    """Direction to the lamp, share of light from everywhere, and color of it all."""
    lamp = rng.normal([0.0, 0.0, 1.0])
    tint = rng.uniform(0.6, 1.35) * (1.0 + 0.08 * rng.standard_normal(3))
    return lamp / np.linalg.norm(lamp), rng.uniform(0.3, 0.9), tint


def _developed(rng: np.random.Generator, image: Floats) -> Bytes:
    """What a camera makes of it: smaller, blurred, noisy, compressed."""
    small = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.3, 1.2))
    small = small + rng.uniform(0.0, 0.04) * rng.standard_normal(small.shape)
    picture = (np.clip(small, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    if rng.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 96))]
        coded = cv2.imencode(".jpg", picture[..., ::-1], quality)[1]
        picture = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))[..., ::-1]
    return np.ascontiguousarray(picture)


def _enlarged(image: Floats, camera: Camera) -> Floats:
    size = (camera.width, camera.height)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR))


def _face_normals(surface: Floats, faces: Ints) -> Floats:
    corners = surface[faces]
    return _unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))


def _normals(surface: Floats, faces: Ints) -> Floats:
    """(V, 3) mean of the normals of the triangles around each vertex."""
    sides = _face_normals(surface, faces)
    around = np.repeat(sides, 3, axis=0)
    corners = faces.ravel()
    total: Floats = np.stack(
        [np.bincount(corners, around[:, k], len(surface)) for k in range(3)], axis=1
    )
    return _unit(total)


def _unit(vectors: Floats) -> Floats:
    length = np.sqrt(np.einsum("nk,nk->n", vectors, vectors))
    return np.asarray(vectors / np.maximum(length, 1e-12)[:, None])
