"""Random scenes in which objects get hidden, pushed while hidden, and carried away."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import ConfigurationError
from perception_simulation.motion import camera_track
from perception_simulation.random_objects import (
    footprint,
    free_place,
    is_free,
    random_objects,
    random_texture,
)
from perception_simulation.specification import (
    TABLE_HEIGHT,
    WALKING,
    CameraKey,
    Carry,
    Fixture,
    MovingCamera,
    Object,
    Occluder,
    OccluderKey,
    Place,
    Push,
    Scene,
    Vector2,
    Vector3,
    Walker,
    WalkerKey,
)

_REST, _SETTLE = 0.8, 1.5


@dataclass(frozen=True, slots=True)
class _Family:
    """What differs between tabletops and rooms; lengths in meters."""

    area: Vector2
    usable: Vector2
    scale: float
    support: float
    distance: tuple[float, float]
    height: tuple[float, float]
    sector: float


_FAMILIES: dict[Place, _Family] = {
    "tabletop": _Family(
        (1.2, 0.9), (0.68, 0.56), 1.0, TABLE_HEIGHT, (0.68, 0.8), (0.38, 0.55), 0.7
    ),
    "room": _Family((6.0, 6.0), (2.6, 2.6), 3.5, 0.0, (2.2, 2.6), (0.9, 1.4), 0.9),
}


def generate(
    seed: int,
    place: Place = "tabletop",
    objects: int | None = None,
    cameras: int = 1,
    people: int = 0,
) -> Scene:
    """A random scene of about 40 seconds.

    Args:
        seed: The same seed gives the same scene.
        place: "tabletop" or "room".
        objects: How many, 4..12; the seed decides where it is not given.
        cameras: One, or two that look from different sides.
        people: How many walk to and fro behind what the scene is about, 0..2.

    Raises:
        ConfigurationError: A number is out of range.
    """
    if objects is not None and not 1 <= objects <= 12:
        raise ConfigurationError(f"a generated scene has 1..12 objects, not {objects}")
    if cameras not in (1, 2):
        raise ConfigurationError(f"a generated scene has one or two cameras, not {cameras}")
    if not 0 <= people <= 2:
        raise ConfigurationError(f"a generated scene has 0..2 people, not {people}")
    rng = np.random.default_rng((seed, list(_FAMILIES).index(place)))
    family = _FAMILIES[place]
    count = objects or int(rng.integers(4, 13))
    things = random_objects(rng, count, family.usable, family.scale, family.support)
    story = _Story(rng, family, things)
    scene = story.scene(cameras)
    walkers = tuple(_passer_by(family, seed, k, scene.duration) for k in range(people))
    surface = random_texture(rng)
    return replace(scene, place=place, seed=seed, surface=surface, walkers=walkers)


def _passer_by(family: _Family, seed: int, index: int, duration: float) -> Walker:
    """Somebody who walks to and fro along the far side, each on a line of his own."""
    rng = np.random.default_rng((seed, index, 17))  # of its own: the rest stays as it is
    edge = family.area[0] / 2.0 if family.support > 0.0 else family.usable[0] / 2.0
    line, side = round(edge + 0.4 + 0.45 * index, 3), 1.6 * (1.0 if index % 2 else -1.0)
    time, yaw, keys = round(float(rng.uniform(0.2, 2.0)), 2), -math.copysign(math.pi / 2, side), []
    while time < duration:
        way = 2.0 * abs(side) / float(rng.uniform(0.6, 0.9))
        for moment, place in ((time, side), (time + way, -side)):
            keys.append(WalkerKey(round(moment, 2), (line, place), round(yaw, 4)))
        time, side, yaw = keys[-1].time + 1.5, -side, yaw + math.pi
    height, texture = round(float(rng.uniform(1.55, 1.9)), 2), random_texture(rng)
    return Walker(f"person_{index + 1}", tuple(keys), height, texture, WALKING)


class _Story:
    """Writes the script of a scene: one thing after the other."""

    def __init__(self, rng: np.random.Generator, family: _Family, objects: list[Object]) -> None:
        self._rng = rng
        self._family = family
        self._objects = objects
        self._azimuth = math.pi + float(rng.uniform(-0.3, 0.3))
        self._keys: list[CameraKey] = []
        self._pushes: list[Push] = []
        self._carries: list[Carry] = []
        self._hides: list[tuple[float, float, Floats]] = []
        self._time = _SETTLE

    def scene(self, cameras: int) -> Scene:
        """Write it all."""
        self._key(0.0)
        movable = [o for o in self._objects if len(o.position) == 2]
        self._rng.shuffle(movable)
        steps = ["hide", "push", "hidden push", "look away", "hidden push", "carry"]
        for index in self._rng.permutation(len(steps)):
            self._step(steps[int(index)], movable)
        self._key(self._time + 1.0)
        camera = MovingCamera(tuple(self._keys), "camera" if cameras == 1 else "camera_a")
        rig = (camera,) if cameras == 1 else (camera, self._second())
        return Scene(
            objects=tuple(self._objects),
            cameras=rig,
            area=self._family.area,
            fixtures=self._fixtures(),
            occluders=tuple(self._panel(camera, i, *h) for i, h in enumerate(self._hides)),
            pushes=tuple(self._pushes),
            carries=tuple(self._carries),
            duration=round(self._time + 1.5, 2),
        )

    def _step(self, what: str, movable: list[Object]) -> None:
        start = self._time
        if what == "look away":
            self._look_away()
        elif what == "hide":
            target = self._objects[int(self._rng.integers(len(self._objects)))]
            hold = float(self._rng.uniform(2.0, 4.0))
            self._hides.append((start + 1.0, start + 1.0 + hold, self._center(target)))
            self._time += hold + 2.0
        elif movable and what == "carry":
            self._carry(movable.pop())
        elif movable:
            self._push(movable.pop(), hidden=what == "hidden push")
        if what != "look away":
            self._azimuth += float(self._rng.uniform(-0.35, 0.35))
            low, high = math.pi - self._family.sector, math.pi + self._family.sector
            self._azimuth = min(max(self._azimuth, low), high)
            self._key(self._time)
        self._time = round(self._time + _REST, 3)

    def _push(self, item: Object, *, hidden: bool) -> None:
        """Push an object across its middle from a side that is free."""
        rng, reach = self._rng, footprint(item.shape, item.rotation) + 0.04
        travel = float(rng.uniform(0.08, 0.2)) * math.sqrt(self._family.scale)
        x, y = item.position[:2]
        others = [o for o in self._objects if o is not item]
        for angle in rng.uniform(-math.pi, math.pi, 24):
            cos, sin = math.cos(angle), math.sin(angle)
            origin = (round(x - reach * cos, 4), round(y - reach * sin, 4))
            target = (round(x + (travel - reach) * cos, 4), round(y + (travel - reach) * sin, 4))
            end = (x + travel * cos, y + travel * sin)
            if is_free(origin, 0.02, others) and self._inside(end):
                break
        else:
            return
        start = self._time + 1.6
        duration = round(travel / float(rng.uniform(0.06, 0.15)), 2)
        name = f"push_{len(self._pushes) + 1}"
        self._pushes.append(Push(name, origin, target, round(start, 3), duration))
        if hidden:
            middle = self._center(item) + 0.5 * travel * np.array([cos, sin, 0.0])
            self._hides.append((start - 0.4, start + duration + 0.6, middle))
        self._time = start + duration + 2.2

    def _carry(self, item: Object) -> None:
        """Carry an object away over the side and back to another place."""
        others = [o for o in self._objects if o is not item]
        radius = footprint(item.shape, item.rotation)
        try:
            target = free_place(self._rng, others, radius, self._family.usable)
        except ConfigurationError:
            return
        side = 1.0 if self._rng.random() < 0.5 else -1.0
        away = (0.0, side * 1.6 * self._family.usable[1], self._family.support + 0.5)
        duration = round(float(self._rng.uniform(5.0, 8.0)), 2)
        name = f"carry_{len(self._carries) + 1}"
        spot = (round(target[0], 4), round(target[1], 4))
        self._carries.append(Carry(name, item.name, away, spot, round(self._time, 3), duration))
        self._time += duration + 0.5

    def _look_away(self) -> None:
        """Turn by 100 to 150 degrees for two to four seconds and come back."""
        turn = float(self._rng.uniform(1.75, 2.6)) * (1 if self._rng.random() < 0.5 else -1)
        hold = float(self._rng.uniform(2.0, 4.0))
        here = np.array(self._place())
        ahead = np.array([0.0, 0.0, self._family.support]) - here
        cos, sin = math.cos(turn), math.sin(turn)
        aside = (cos * ahead[0] - sin * ahead[1], sin * ahead[0] + cos * ahead[1], 0.5 * ahead[2])
        self._key(self._time)
        for time in (self._time + 1.2, self._time + 1.2 + hold):
            self._keys.append(CameraKey(round(time, 3), _vector(here), _vector(here + aside)))
        self._key(self._time + 2.4 + hold)
        self._time += 2.4 + hold

    def _key(self, time: float) -> None:
        """The camera looks at the scene from its present direction."""
        if self._keys and time - self._keys[-1].time < 0.05:
            return
        target = (0.0, 0.0, self._family.support + 0.03)
        self._keys.append(CameraKey(round(time, 3), self._place(), target))

    def _place(self) -> Vector3:
        family, height = self._family, self._family.height
        reach = float(np.mean(family.distance))
        up = height[0] + (height[1] - height[0]) * (0.5 + 0.5 * math.sin(3.0 * self._azimuth))
        x, y = reach * math.cos(self._azimuth), reach * math.sin(self._azimuth)
        return _vector(np.array([x, y, family.support + up]))

    def _second(self) -> MovingCamera:
        """A camera at rest, from the other side."""
        family = self._family
        reach, up = family.distance[1], family.support + family.height[1]
        place = (reach * 0.7, -reach * 0.7, up)
        target = (0.0, 0.0, family.support)
        return MovingCamera((CameraKey(0.0, _vector(np.array(place)), target),), "camera_b")

    def _panel(
        self, camera: MovingCamera, index: int, start: float, end: float, target: Floats
    ) -> Occluder:
        """A panel half way between camera and target; it comes in from a side and leaves again."""
        track, family = camera_track(camera), self._family
        keys, side = [], 1.0 if index % 2 else -1.0
        for time, beside in ((start - 1.0, 1.0), (start, 0.0), (end, 0.0), (end + 1.0, 1.0)):
            eye = track.at(time).translation
            ahead = target - eye
            yaw = math.atan2(ahead[1], ahead[0])
            aside = np.array([-math.sin(yaw), math.cos(yaw), 0.0])
            place = eye + 0.5 * ahead + side * beside * family.distance[1] * 1.1 * aside
            keys.append(OccluderKey(round(time, 3), _vector(place), round(yaw, 3)))
        width = round(float(self._rng.uniform(0.25, 0.45)) * family.distance[1], 3)
        height = round(0.45 * family.distance[1], 3)
        texture = random_texture(self._rng)
        return Occluder(f"panel_{index + 1}", (0.02, width, height), tuple(keys), texture)

    def _fixtures(self) -> tuple[Fixture, ...]:
        """Furniture along the walls of a room."""
        if self._family.support > 0.0:
            return ()
        length, width = self._family.area
        texture = random_texture(self._rng)
        return (
            Fixture("shelf", (0.4, 1.6, 1.8), (length / 2.0 - 0.2, 0.8, 0.9), 0.0, texture),
            Fixture("bench", (1.4, 0.45, 0.45), (0.5, width / 2.0 - 0.25, 0.225), 0.0, texture),
        )

    def _center(self, item: Object) -> Floats:
        x, y = item.position[:2]
        return np.array([x, y, self._family.support + 0.05 * self._family.scale])

    def _inside(self, place: Vector2) -> bool:
        half = np.array(self._family.usable) / 2.0
        return bool((np.abs(place) < half).all())


def _vector(values: Floats) -> Vector3:
    x, y, z = (round(float(v), 4) for v in values)
    return x, y, z
