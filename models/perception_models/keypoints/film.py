"""Films of rendered people: what two moving, drifting cameras really see, picture by picture.

The course of the cameras, their clocks and the drift of their odometry are those of
`perception_simulation.people.filming`; keypoints and depths come from the pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from perception_models.keypoints.bodies import Bodies, embody, random_build
from perception_models.keypoints.pictures import draw_people
from perception_models.keypoints.poses import posture_of
from perception_nodes.arrays import Bytes, Floats
from perception_nodes.embodmocap.depths import view_of
from perception_nodes.embodmocap.interface import KeypointSource
from perception_nodes.embodmocap.skeleton import INDEX
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import Frame
from perception_simulation.people.filming import CAMERA, Errors, Filming, Motion, Take

_HIPS = [INDEX["left_hip"], INDEX["right_hip"]]
_ROOM, _HEIGHT, _TILE = 4.0, 2.6, 0.5
_GRAIN = 0.02


class Rendered(Filming):
    """People filmed in pictures; `Filming` gives the rest.

    A body in the posture of each motion is rendered, and its own joints are the truth: a motion
    has bones of other lengths.

    Args:
        people: How they move.
        duration: Seconds.
        source: Finds keypoints in the pictures.
        errors: Of poses, clocks and depth.
        seed: Of bodies, clothes, cameras and noise.
        rate: Pictures a second, of each camera.
    """

    def __init__(
        self, people: Sequence[Motion], duration: float, source: KeypointSource | None,
        errors: Errors | None = None, seed: int = 1, rate: float = 10.0,
    ) -> None:  # fmt: skip
        rng = np.random.default_rng((seed, 23))
        actors = [Actor(motion, random_build(rng)) for motion in people]
        super().__init__(actors, duration, errors, seed, rate=rate)
        self.actors, self.source = actors, source
        self._depth_noise, self._look = (errors or Errors()).depth, seed

    def frames(self) -> Iterator[tuple[Take, Frame]]:
        """Takes, with keypoints as of `Filming`, and the pictures that belong to them."""
        for number, take in enumerate(super().__iter__()):
            rng = np.random.default_rng((self._look, number, 29))
            color, depth = self._picture(rng, take.true_pose, take.time)
            keypoints = take.view.keypoints
            yield take, Frame(
                keypoints.stamp, keypoints.camera_name, f"{keypoints.camera_name}_optical",
                CAMERA, color, depth, take.view.pose,
            )  # fmt: skip

    def __iter__(self) -> Iterator[Take]:
        """Takes with what the source finds in the pictures; without one, as of `Filming`."""
        if self.source is None:
            yield from super().__iter__()
            return
        for take, frame in self.frames():
            view = view_of(frame, self.source.find(frame))
            assert view is not None
            yield replace(take, view=view)

    def _picture(self, rng: np.random.Generator, pose: Pose, time: float) -> tuple[Bytes, Floats]:
        shown = [actor.body(time) for actor in self.actors]
        image, depth = _room(CAMERA, pose, np.random.default_rng((self._look, 31)))
        same = np.random.default_rng((self._look, 37))  # the same clothes and light in every one
        _, near = draw_people(
            same, shown[0][0], [(b.surfaces[0], shift) for b, shift in shown], pose.inverse(),
            CAMERA, image,
        )  # fmt: skip
        depth = np.minimum(depth, near)
        depth = depth + self._depth_noise * depth**2 * rng.standard_normal(depth.shape)
        image = image + _GRAIN * rng.standard_normal(image.shape)
        color = (np.clip(image, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
        return color, depth.astype(np.float32)


class Actor:
    """A body of a certain build that does what a motion says; itself a `Motion`."""

    def __init__(self, motion: Motion, build: dict[str, float]) -> None:
        self._motion, self._build = motion, build
        self._last: tuple[float, Bodies, Floats] | None = None

    def at(self, time: float) -> Floats:
        """(17, 3) joints of the body at a time, s, world frame."""
        body, shift = self.body(time)
        return np.asarray(body.joints[0] + shift)

    def body(self, time: float) -> tuple[Bodies, Floats]:
        """The body alone, and where it is put (3,): hips as in the motion, feet on the floor."""
        if self._last is None or self._last[0] != time:
            joints = self._motion.at(time)
            body = embody([posture_of(joints)], [self._build])
            shift = joints[_HIPS].mean(axis=0) - body.joints[0][_HIPS].mean(axis=0)
            shift[2] = 0.0
            self._last = (time, body, shift.astype(np.float32))
        return self._last[1], self._last[2]


def _room(camera: Camera, pose: Pose, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Color (H, W, 3) 0..1 and depth (H, W) of an empty room with tiles on floor and walls."""
    column, row = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    local = np.stack([(column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy,
                      np.ones(column.shape)], axis=-1)  # fmt: skip
    rays, eye = local @ pose.rotation.T, pose.translation
    walls = [(axis, sign * _ROOM) for axis in (0, 1) for sign in (-1.0, 1.0)]
    depth, image = np.full(column.shape, np.inf), np.zeros((*column.shape, 3))
    for axis, place in [*walls, (2, 0.0), (2, _HEIGHT)]:
        first, second = rng.uniform(0.2, 0.8, 3), rng.uniform(0.2, 0.8, 3)
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = (place - eye[axis]) / rays[..., axis]
        nearer = (reach > 0.0) & (reach < depth)
        depth[nearer] = reach[nearer]
        hit = eye + rays[nearer] * reach[nearer][:, None]
        tiles = np.floor(np.delete(hit, axis, axis=1) / _TILE).sum(axis=1) % 2
        image[nearer] = first + 0.35 * tiles[:, None] * (second - first)
    return image, depth
