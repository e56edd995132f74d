"""What a simulated scene consists of: one dataclass for each block of a scene file.

Meters, seconds, radians, kilograms; colors are 0..1. The world frame `map` lies on the floor under
the middle of the table (tabletop) or in the middle of the floor (room), z up. `scene_file.py` reads
and writes these as YAML, and `validation.py` says what is impossible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from perception_nodes.geometry.camera import Camera

Vector2 = tuple[float, float]
Vector3 = tuple[float, float, float]
Place = Literal["tabletop", "room"]
Pattern = Literal["plain", "checker", "stripes", "speckled", "gradient"]

TABLE_HEIGHT = 0.7
STIFF, WALKING = "stiff", "walking"
"""How a walker moves, unless as a recording does."""


@dataclass(frozen=True, slots=True)
class Box:
    """A cuboid with full extents `size`."""

    size: Vector3


@dataclass(frozen=True, slots=True)
class Sphere:
    """A ball."""

    radius: float


@dataclass(frozen=True, slots=True)
class Cylinder:
    """An upright cylinder."""

    radius: float
    height: float


@dataclass(frozen=True, slots=True)
class Capsule:
    """An upright cylinder of `height` between two half balls; in all `height + 2 * radius`."""

    radius: float
    height: float


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """An ellipsoid with full extents `size`."""

    size: Vector3


@dataclass(frozen=True, slots=True)
class Superquadric:
    """A superellipsoid (Barr 1981) with full extents `size`.

    `north_south` and `east_west` are its exponents: 1 is round, towards 0 it becomes a box or a
    cylinder. Both lie in 0.1..1.5, where it is nearly convex.
    """

    size: Vector3
    north_south: float
    east_west: float


@dataclass(frozen=True, slots=True)
class Revolution:
    """An upright body of revolution, such as a vase.

    `profile` lists (radius, height) of its outline from bottom to top. With `wall` > 0 it is drawn
    hollow and open at the top; it collides as if it were filled.
    """

    profile: tuple[Vector2, ...]
    wall: float = 0.0


@dataclass(frozen=True, slots=True)
class Mug:
    """An upright mug whose handle points to +x; it collides as if it were filled."""

    radius: float
    height: float
    wall: float = 0.004


@dataclass(frozen=True, slots=True)
class Bottle:
    """An upright bottle with a shoulder and a neck."""

    radius: float
    height: float
    neck_radius: float


@dataclass(frozen=True, slots=True)
class Bowl:
    """An upright bowl; it collides as if it were filled."""

    radius: float
    height: float
    wall: float = 0.005


@dataclass(frozen=True, slots=True)
class Tee:
    """A flat T, as in Push-T: a bar along x, and a stem from its middle toward -y.

    `length` is that of the bar and of the whole along y; `thickness` is the width of both.
    """

    length: float
    thickness: float
    height: float


Shape = (
    Box
    | Sphere
    | Cylinder
    | Capsule
    | Ellipsoid
    | Superquadric
    | Revolution
    | Mug
    | Bottle
    | Bowl
    | Tee
)


@dataclass(frozen=True, slots=True)
class Texture:
    """How a surface looks: a pattern of two colors ("plain" uses the first only)."""

    color: Vector3 = (0.6, 0.6, 0.6)
    second: Vector3 = (0.9, 0.9, 0.9)
    pattern: Pattern = "plain"


@dataclass(frozen=True, slots=True)
class Object:
    """A rigid body that can be moved.

    Attributes:
        name: Unique; its id in the truth.
        position: Center of its box in the world, (x, y, z); with (x, y) it stands on the table or
            floor.
        rotation: Roll, pitch, yaw about the fixed axes x, y, z.
        velocity, angular_velocity: At time 0, world frame.
        friction: Sliding friction; between two objects the greater one counts.
    """

    name: str
    shape: Shape
    position: Vector2 | Vector3
    rotation: Vector3 = (0.0, 0.0, 0.0)
    velocity: Vector3 = (0.0, 0.0, 0.0)
    angular_velocity: Vector3 = (0.0, 0.0, 0.0)
    mass: float = 0.3
    friction: float = 0.5
    texture: Texture = Texture()


@dataclass(frozen=True, slots=True)
class Fixture:
    """A box that never moves, such as a shelf; `position` is its center."""

    name: str
    size: Vector3
    position: Vector3
    yaw: float = 0.0
    texture: Texture = Texture()


@dataclass(frozen=True, slots=True)
class CameraKey:
    """Where a camera is at a time, and the point it looks at."""

    time: float
    position: Vector3
    look_at: Vector3


@dataclass(frozen=True, slots=True)
class MovingCamera:
    """An RGB-D camera that moves smoothly through its keys and rests before and after them.

    `field_of_view` is the vertical one. TF names its optical frame `<name>_color_optical_frame`.
    """

    path: tuple[CameraKey, ...]
    name: str = "camera"
    field_of_view: float = 0.96


@dataclass(frozen=True, slots=True)
class OccluderKey:
    """Where a panel's center is at a time, and where its face looks."""

    time: float
    position: Vector3
    yaw: float = 0.0


@dataclass(frozen=True, slots=True)
class Occluder:
    """A panel that moves smoothly through its keys and touches nothing.

    `size` is thickness (along its x), width (y) and height (z).
    """

    name: str
    size: Vector3
    path: tuple[OccluderKey, ...]
    texture: Texture = Texture()


@dataclass(frozen=True, slots=True)
class WalkerKey:
    """Where a walker stands at a time, (x, y) on the floor, and where it looks."""

    time: float
    position: Vector2
    yaw: float = 0.0


@dataclass(frozen=True, slots=True)
class Walker:
    """A person of a given height who moves through its keys and rests at each.

    Attributes:
        motion: "stiff" is drawn as a stiff figure and touches nothing. "walking" has limbs that
            push what they meet. So does the path of a motion capture file (BVH with CMU's names of
            joints; in a scene file relative to it), which is replayed around the only key, from
            its time on. Gazebo draws its own walking person.
    """

    name: str
    path: tuple[WalkerKey, ...]
    height: float = 1.75
    texture: Texture = Texture((0.25, 0.3, 0.45))
    motion: str = STIFF


@dataclass(frozen=True, slots=True)
class Push:
    """The pusher comes down at `origin` and moves in a straight line to `target`.

    Attributes:
        name: By which a re-simulation can leave it out.
        origin, target: Of the pusher's tip, (x, y), world frame.
        start, duration: Of the straight line; it comes down in the second before.
        height: Of the tip above the table or floor.
    """

    name: str
    origin: Vector2
    target: Vector2
    start: float
    duration: float
    height: float = 0.02


@dataclass(frozen=True, slots=True)
class Carry:
    """An object is lifted, carried to `away`, kept there, and put down elsewhere.

    Attributes:
        name: By which a re-simulation can leave it out.
        object: Name of the object.
        away: Where its center waits, world frame.
        target: Where it is put down, (x, y).
        start, duration: Of the whole; the first and last quarter are the ways.
    """

    name: str
    object: str
    away: Vector3
    target: Vector2
    start: float
    duration: float


@dataclass(frozen=True, slots=True)
class DepthSensor:
    """Errors of the depth camera; all zero for a perfect one.

    Attributes:
        axial_noise: Standard deviation at 1 m; it grows with the square of the distance.
        quantization: Step between neighboring depth values at 1 m; grows likewise.
        lateral_noise: Standard deviation of where a pixel at an edge looks, pixels.
        edge_holes: Share of the pixels at depth edges that have no reading.
        dropouts: Share of all pixels that have no reading.
        minimum, maximum: Range outside which there is no reading.
        color_noise: Standard deviation of the color image, 0..255.
    """

    axial_noise: float = 0.0015
    quantization: float = 0.001
    lateral_noise: float = 0.5
    edge_holes: float = 0.6
    dropouts: float = 0.003
    minimum: float = 0.2
    maximum: float = 5.0
    color_noise: float = 2.0


@dataclass(frozen=True, slots=True)
class Odometry:
    """Random walk of the camera pose that the robot believes; zero for the true pose.

    Attributes:
        position_drift: Standard deviation after the first meter, meters; grows with the root.
        yaw_drift: Likewise, radians.
    """

    position_drift: float = 0.0
    yaw_drift: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a simulation needs; the same scene gives the same frames, bit by bit.

    Attributes:
        area: Size of the table (tabletop) or the floor (room).
        width, height: Of the images, pixels.
        rate: Frames a second of each camera.
        shadows: Makes rendering several times slower.
        pusher: Whether there is a pusher to command even if the scene has no pushes.
    """

    objects: tuple[Object, ...]
    cameras: tuple[MovingCamera, ...]
    place: Place = "tabletop"
    area: Vector2 = (1.2, 0.9)
    surface: Texture = Texture((0.55, 0.45, 0.35), (0.5, 0.4, 0.3), "speckled")
    fixtures: tuple[Fixture, ...] = ()
    occluders: tuple[Occluder, ...] = ()
    walkers: tuple[Walker, ...] = ()
    pushes: tuple[Push, ...] = ()
    carries: tuple[Carry, ...] = ()
    sensor: DepthSensor = DepthSensor()
    odometry: Odometry = field(default_factory=Odometry)
    duration: float = 10.0
    rate: float = 15.0
    width: int = 320
    height: int = 240
    seed: int = 0
    shadows: bool = False
    pusher: bool = False

    @property
    def has_pusher(self) -> bool:
        """Whether there is a pusher, for pushes or for commands."""
        return self.pusher or bool(self.pushes)

    @property
    def support_height(self) -> float:
        """Height of the table or floor on which objects stand."""
        return TABLE_HEIGHT if self.place == "tabletop" else 0.0

    def intrinsics(self, camera: MovingCamera) -> Camera:
        """The pinhole model of one of its cameras."""
        focal = self.height / 2.0 / math.tan(camera.field_of_view / 2.0)
        return Camera(
            self.width, self.height, focal, focal, (self.width - 1) / 2.0, (self.height - 1) / 2.0
        )
