"""What makes a scene impossible, said in words that name the culprit."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import mujoco
import numpy as np

from perception_nodes.errors import ConfigurationError
from perception_simulation import specification as spec
from perception_simulation.model import HAND, PUSHER
from perception_simulation.motion import occupied
from perception_simulation.person import LIMB, owner
from perception_simulation.specification import STIFF, WALKING, Scene

_OVERLAP = 0.002
_SURROUNDINGS = ("world", "floor", "table", PUSHER)


def check(scene: Scene) -> None:
    """Refuse a scene that contradicts itself.

    Raises:
        ConfigurationError: A number is impossible, a name is missing or used twice, times run
            backward, or two actions need the same thing at once.
    """
    if not scene.objects or not scene.cameras:
        raise ConfigurationError("a scene needs at least one object and one camera")
    _positive("the scene", duration=scene.duration, rate=scene.rate)
    _positive("the scene", width=scene.width, height=scene.height)
    _positive("the scene", length=scene.area[0], breadth=scene.area[1])
    _check_names(scene)
    for item in scene.objects:
        _check_object(item, scene)
    for camera in scene.cameras:
        _check_times(camera.name, [key.time for key in camera.path])
        _within(camera.name, "field_of_view", camera.field_of_view, 0.1, 2.5)
        for key in camera.path:
            if math.dist(key.position, key.look_at) < 1e-6:
                raise ConfigurationError(f"{camera.name} looks at the point where it is")
    for occluder in scene.occluders:
        _check_times(occluder.name, [key.time for key in occluder.path])
        _positive(occluder.name, size=min(occluder.size))
    for walker in scene.walkers:
        _check_times(walker.name, [key.time for key in walker.path])
        _within(walker.name, "height", walker.height, 0.5, 2.5)
        _check_motion(walker)
    for fixture in scene.fixtures:
        _positive(fixture.name, size=min(fixture.size))
    _check_actions(scene)


def check_overlaps(scene: Scene, model: mujoco.MjModel) -> None:
    """Refuse a scene in which things overlap at the start.

    Raises:
        ConfigurationError: Names the first two that do.
    """
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    mujoco.mj_collision(model, data)
    objects = {item.name for item in scene.objects}
    for index in np.argsort(data.contact.dist, kind="stable"):
        contact = data.contact[int(index)]
        names = sorted(owner(model.body(model.geom_bodyid[geom]).name) for geom in contact.geom)
        # the pusher is only lifted above everything once the world starts
        if contact.dist < -_OVERLAP and objects & set(names) and PUSHER not in names:
            raise ConfigurationError(
                f"{names[0]!r} and {names[1]!r} overlap at the start, "
                f"{-contact.dist * 1000:.0f} mm deep",
                "move one of them",
            )


def _check_names(scene: Scene) -> None:
    things: tuple[Sequence[object], ...] = (
        scene.objects,
        scene.cameras,
        scene.occluders,
        scene.walkers,
        scene.fixtures,
        scene.pushes,
        scene.carries,
    )
    names = [str(getattr(thing, "name", "")) for group in things for thing in group]
    for name in names:
        if not name.strip():
            raise ConfigurationError("a name is empty")
        if name in _SURROUNDINGS or name.startswith(("wall ", HAND, LIMB)):
            raise ConfigurationError(f"the name {name!r} is taken by the simulator")
        if names.count(name) > 1:
            raise ConfigurationError(f"the name {name!r} is used twice", "rename one of them")


def _check_motion(walker: spec.Walker) -> None:
    """A motion is known by name, or a recording that is there and moves by itself."""
    name, motion = walker.name, walker.motion
    if motion in (STIFF, WALKING):
        return
    if Path(motion).suffix.lower() != ".bvh":
        near = difflib.get_close_matches(motion, (STIFF, WALKING), n=1, cutoff=0.5)
        known = f"{STIFF}, {WALKING}, or the path of a .bvh file"
        raise ConfigurationError(
            f"{name}: unknown motion {motion!r}",
            f"did you mean {near[0]!r}?" if near else f"known: {known}",
        )
    if not Path(motion).is_file():
        raise ConfigurationError(
            f"{name}: there is no motion file {motion}",
            "give a path that begins at the folder of the scene file, or a whole one",
        )
    if len(walker.path) > 1:
        raise ConfigurationError(
            f"{name} replays {motion} and goes where that goes, but its path has "
            f"{len(walker.path)} keys",
            "give it one: where the middle of the recording lies, and from when",
        )


def _check_object(item: spec.Object, scene: Scene) -> None:
    _positive(item.name, mass=item.mass)
    _within(item.name, "friction", item.friction, 0.0, 5.0)
    _check_shape(item.name, item.shape)
    x, y = item.position[:2]
    if abs(x) > scene.area[0] / 2.0 or abs(y) > scene.area[1] / 2.0:
        raise ConfigurationError(
            f"{item.name} at ({x}, {y}) is beyond the edge of the {scene.area[0]} x "
            f"{scene.area[1]} m {'table' if scene.place == 'tabletop' else 'floor'}",
            "move it, or enlarge the area",
        )


def _check_shape(name: str, shape: spec.Shape) -> None:
    for key in ("radius", "height", "neck_radius"):
        if hasattr(shape, key):
            _positive(name, **{key: getattr(shape, key)})
    for number in getattr(shape, "size", ()):
        _positive(name, size=number)
    if isinstance(shape, spec.Superquadric):
        _within(name, "north_south", shape.north_south, 0.1, 1.5)
        _within(name, "east_west", shape.east_west, 0.1, 1.5)
    if isinstance(shape, spec.Mug | spec.Bowl):
        _within(name, "wall", shape.wall, 0.001, shape.radius / 2.0)
    if isinstance(shape, spec.Bottle):
        _within(name, "neck_radius", shape.neck_radius, 0.0, shape.radius)
    if isinstance(shape, spec.Tee):
        _within(name, "thickness", shape.thickness, 0.001, 0.9 * shape.length)
    if isinstance(shape, spec.Revolution):
        if len(shape.profile) < 2:
            raise ConfigurationError(f"{name}: a profile needs at least two points")
        for (radius, low), (_, high) in itertools.pairwise((*shape.profile, (1.0, math.inf))):
            _positive(name, radius=radius)
            if high <= low:
                raise ConfigurationError(f"{name}: the heights of the profile must increase")
        _within(name, "wall", shape.wall, 0.0, min(r for r, _ in shape.profile) / 2.0)


def _check_actions(scene: Scene) -> None:
    names = [item.name for item in scene.objects]
    for carry in scene.carries:
        if carry.object not in names:
            near = difflib.get_close_matches(carry.object, names, n=1, cutoff=0.4)
            raise ConfigurationError(
                f"{carry.name} carries {carry.object!r}, which is not in the scene",
                f"did you mean {near[0]!r}?" if near else f"objects: {', '.join(names)}",
            )
        _positive(carry.name, duration=carry.duration)
    for push in scene.pushes:
        _positive(push.name, duration=push.duration, height=push.height)
    _apart("the pusher is needed", ((p.name, *occupied(p)) for p in scene.pushes))
    for name in names:
        carries = [c for c in scene.carries if c.object == name]
        spans = ((c.name, c.start, c.start + c.duration) for c in carries)
        _apart(f"{name} is carried", spans)


def _apart(what: str, spans: Iterable[tuple[str, float, float]]) -> None:
    for a, b in itertools.pairwise(sorted(spans, key=lambda span: span[1])):
        if b[1] <= a[2]:
            raise ConfigurationError(
                f"{what} by {a[0]!r} until {a[2]:.2f} s and by {b[0]!r} from {b[1]:.2f} s",
                "let one start later",
            )


def _check_times(name: str, times: Sequence[float]) -> None:
    if not times:
        raise ConfigurationError(f"{name} has an empty path", "give it at least one key")
    for a, b in itertools.pairwise(times):
        if b <= a:
            raise ConfigurationError(f"the times of {name} run backward: {a} s, then {b} s")


def _positive(name: str, **numbers: float) -> None:
    for key, value in numbers.items():
        if not (math.isfinite(value) and value > 0.0):
            raise ConfigurationError(f"{name}: {key} must be greater than 0, not {value}")


def _within(name: str, key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigurationError(f"{name}: {key} must lie in {low:g}..{high:g}, not {value}")
