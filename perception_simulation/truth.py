"""What is true of every frame: states, visibility, masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from perception_nodes.arrays import Bytes, Floats, Ints
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import (
    UNSCORED_LABELS,
    Event,
    Gaussian,
    ObjectState,
    Truth,
    Visibility,
)
from perception_simulation.model import NEAR, PUSHER, PUSHER_LENGTH, PUSHER_RADIUS
from perception_simulation.renderer import View
from perception_simulation.shapes import figure, geometry
from perception_simulation.specification import Box, Scene, Texture
from perception_simulation.truth_events import EventTeller
from perception_simulation.world import World

MINIMUM_PIXELS = 20
MINIMUM_SHARE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class CameraView:
    """What one camera truly sees: where it is, its model and its perfect images."""

    name: str
    pose: Pose
    camera: Camera
    view: View


@dataclass(slots=True, eq=False)
class _Thing:
    """Something that can be seen, with what never changes about it.

    Its middle lies `lift` above the origin of its body: that of the pusher is its tip.
    """

    name: str
    label: str
    size: Floats
    hull: Floats
    mass: float
    friction: float
    color: Floats
    bodies: Ints
    radius: float
    lift: float = 0.0
    first_seen: int = 0
    last_seen: int = 0


class TruthKeeper:
    """Turns the world and what the cameras see into truth, frame by frame.

    An object is visible if at least 20 pixels and a tenth of its silhouette show it to some camera,
    occluded if the silhouette lies in some image but is covered, and out of view otherwise. The
    silhouette is the convex hull of the projection: exact for convex shapes, slightly too large for
    a mug with its handle.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._things = _things(world)
        self._events = EventTeller()

    def tell(self, views: Sequence[CameraView]) -> list[Truth]:
        """The truth for one frame of each camera, taken at the same time."""
        world = self._world
        present = set(world.present)
        things = [t for t in self._things if t.label in UNSCORED_LABELS or t.name in present]
        for person in world.crowd.people:
            thing = next(t for t in things if t.name == person.name)
            _, thing.size, thing.hull = person.box(world.time)
            thing.radius = _radius(thing.hull)
        least = max(world.model.nbody, 256)
        counts = [np.bincount(v.view.bodies.reshape(-1), minlength=least) for v in views]
        states = tuple(self._state(thing, views, counts) for thing in things)
        table = np.zeros(least, np.uint8)
        for index, thing in enumerate(things):
            table[thing.bodies] = index + 1
        scored = [s for s in states if s.label not in UNSCORED_LABELS]
        events = self._events.tell(world.stamp, scored, world.touching(), views[0].name)
        told: tuple[tuple[Event, ...], ...] = (events, *((),) * (len(views) - 1))
        people = tuple(person.truth(world.time, world.stamp) for person in world.crowd.people)
        return [
            Truth(world.stamp, states, _labels(table, v.view), e, people)
            for v, e in zip(views, told, strict=True)
        ]

    def _state(
        self, thing: _Thing, views: Sequence[CameraView], counts: Sequence[Ints]
    ) -> ObjectState:
        motion, stamp = self._world.motion(thing.name), self._world.stamp
        pose = motion.pose @ Pose(np.eye(3), np.array([0.0, 0.0, thing.lift]))
        visibility = min(
            _visibility(int(count[thing.bodies].sum()), pose, thing, v)
            for v, count in zip(views, counts, strict=True)
        )
        if visibility is Visibility.VISIBLE:
            thing.first_seen = thing.first_seen or stamp
            thing.last_seen = stamp
        return ObjectState(
            id=thing.name,
            stamp=stamp,
            pose=pose,
            pose_covariance=np.zeros((6, 6)),
            velocity=motion.velocity,
            angular_velocity=motion.angular_velocity,
            twist_covariance=np.zeros((6, 6)),
            size=thing.size,
            visibility=visibility,
            first_seen=thing.first_seen,
            last_seen=thing.last_seen,
            existence=1.0,
            label=thing.label,
            label_score=1.0,
            color=thing.color,
            log_mass=Gaussian(math.log(thing.mass), 0.0),
            log_friction=Gaussian(math.log(max(thing.friction, 1e-6)), 0.0),
        )


def silhouette(pose: Pose, hull: Floats, view: CameraView) -> float:
    """How many pixels would show a body if nothing stood before it.

    Args:
        pose: Of the body in the world.
        hull: (P, 3) points around it, in its frame.
        view: Through which camera.
    """
    points = (view.pose.inverse() @ pose).apply(hull)
    points = points[points[:, 2] > NEAR]
    if len(points) < 3:
        return 0.0
    pixels, _ = view.camera.project(points)
    w, h = view.camera.width - 0.5, view.camera.height - 0.5
    frame = np.array([[-0.5, -0.5], [w, -0.5], [w, h], [-0.5, h]], np.float32)
    outline = cv2.convexHull(pixels.astype(np.float32))
    if len(outline) < 3:
        return 0.0
    return float(cv2.intersectConvexConvex(outline, frame)[0])


def _visibility(pixels: int, pose: Pose, thing: _Thing, view: CameraView) -> Visibility:
    if pixels >= MINIMUM_PIXELS and pixels >= MINIMUM_SHARE * _most(pose, thing, view):
        return Visibility.VISIBLE
    unoccluded = silhouette(pose, thing.hull, view)
    if pixels >= MINIMUM_PIXELS and pixels >= MINIMUM_SHARE * unoccluded:
        return Visibility.VISIBLE
    return Visibility.OCCLUDED if unoccluded >= MINIMUM_PIXELS else Visibility.OUT_OF_VIEW


def _most(pose: Pose, thing: _Thing, view: CameraView) -> float:
    """An area that no silhouette of the thing exceeds, pixels: that of the ball around it.

    It saves the exact outline for everything that is plainly visible.
    """
    x, y, z = (float(v) for v in view.pose.rotation.T @ (pose.translation - view.pose.translation))
    distance = math.sqrt(x * x + y * y + z * z)
    if z <= thing.radius + NEAR:
        return math.inf
    sine = thing.radius / distance
    # a cone of half angle a about a ray at angle t to the axis cuts the image in an ellipse of at
    # most pi f^2 tan^2(a) / cos^3(t + a), which grows with t + a
    angle = math.asin(sine) + math.acos(min(1.0, z / distance))
    if angle >= 1.5:
        return math.inf
    return (
        math.pi * view.camera.fx * view.camera.fy * sine**2 / (1 - sine**2) / math.cos(angle) ** 3
    )


def _labels(table: Bytes, view: View) -> Bytes:
    return table[view.bodies]


def _things(world: World) -> list[_Thing]:
    scene: Scene = world.scene
    things = []
    for item in scene.objects:
        shape = geometry(item.shape)
        kind = type(item.shape).__name__.lower()
        things.append(_thing(world, item.name, kind, shape.size, shape.hull, item.texture))
        things[-1].mass, things[-1].friction = item.mass, item.friction
    for occluder in scene.occluders:
        size = np.array(occluder.size)
        things.append(_boxed(world, occluder.name, "occluder", size, occluder.texture))
    for fixture in scene.fixtures:
        size = np.array(fixture.size)
        things.append(_boxed(world, fixture.name, "fixture", size, fixture.texture))
    for walker in scene.walkers:
        size = figure(walker.height).size
        things.append(_boxed(world, walker.name, "person", size, walker.texture))
    if scene.has_pusher:
        height = PUSHER_LENGTH + 2.0 * PUSHER_RADIUS
        size = np.array([2.0 * PUSHER_RADIUS, 2.0 * PUSHER_RADIUS, height])
        things.append(_boxed(world, PUSHER, "pusher", size, Texture()))
        things[-1].lift = height / 2.0
    return things


def _boxed(world: World, name: str, label: str, size: Floats, texture: Texture) -> _Thing:
    x, y, z = (float(s) for s in size)
    return _thing(world, name, label, size, geometry(Box((x, y, z))).hull, texture)


def _thing(
    world: World, name: str, label: str, size: Floats, hull: Floats, texture: Texture
) -> _Thing:
    color = np.array(texture.color) * 255.0
    if texture.pattern != "plain":
        color = (color + np.array(texture.second) * 255.0) / 2.0
    return _Thing(name, label, size, hull, 1.0, 1.0, color, world.bodies(name), _radius(hull))


def _radius(hull: Floats) -> float:
    return float(np.linalg.norm(hull, axis=1).max())
