"""From camera messages to frames, as they arrive: pairing, calibration, pose at the stamp.

ROS-free. Converting images is left to `Shot.frame`, so that it runs in the worker and only for
frames that are processed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from perception_nodes.errors import InputError
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose
from perception_nodes.geometry.synchronizer import Synchronizer
from perception_nodes.geometry.transforms import TransformBuffer, TransformError
from perception_nodes.ros.calibration import Rectifier, camera_from_info
from perception_nodes.ros.geometry_messages import time_from_msg, transform_from_msg
from perception_nodes.ros.images import color_image, depth_image
from perception_nodes.scene import Frame

_MAX_WAITING = 30
_FUTURE_NS = 60_000_000_000


def check_stamp(stamp: int, now: int) -> None:
    """Refuse an image with a time that can't be that of the image.

    Args:
        stamp: Of its header, ns.
        now: ns; 0 where there is no clock yet.

    Raises:
        InputError: There is no stamp, or it lies in the future.
    """
    if stamp == 0:
        raise InputError(
            "an image has the stamp 0", "make the driver stamp its images when they are taken"
        )
    if now and stamp > now + _FUTURE_NS:
        raise InputError(
            f"an image is stamped {(stamp - now) * 1e-9:.0f} s in the future",
            "synchronize the clocks of the computers, or set use_sim_time on all nodes or on none",
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """A camera model and what makes images fit it; None where they do."""

    camera: Camera
    rectifier: Rectifier | None

    def depth(self, message: Any) -> Any:
        """The depth image, (H, W) float32 meters, without distortion.

        Raises:
            InputError: It can't be read, or is of another size than the camera's images.
        """
        image = depth_image(message)
        if image.shape != (self.camera.height, self.camera.width):
            raise InputError(
                f"the depth image has {image.shape[1]}x{image.shape[0]} pixels, the color camera "
                f"{self.camera.width}x{self.camera.height}: depth is not registered to color",
                "subscribe to the registered depth, such as aligned_depth_to_color/image_raw",
            )
        return image if self.rectifier is None else self.rectifier.depth(image)


class CalibrationInput:
    """Keeps the calibration that CameraInfo messages tell; they come with every image."""

    def __init__(self) -> None:
        self.current: Calibration | None = None
        self._seen: tuple[Any, ...] | None = None

    def take(self, message: Any) -> None:
        """Take a `CameraInfo`.

        Raises:
            InputError: The camera is uncalibrated or its values are impossible.
        """
        numbers = (tuple(message.k), tuple(message.d), message.width, message.height)
        region = (message.binning_x, message.binning_y, str(message.roi))
        seen = (*numbers, *region, message.distortion_model)
        if seen == self._seen and self.current is not None:
            return
        self._seen, self.current = seen, None
        self.current = Calibration(camera_from_info(message), Rectifier.from_info(message))


@dataclass(frozen=True, slots=True)
class Shot:
    """The messages that make one frame, not yet converted.

    `links` are the poses of the robot's own links in the optical frame.
    """

    stamp: int
    camera_name: str
    color: Any
    depth: Any
    calibration: Calibration
    pose: Pose | None
    links: Mapping[str, Pose] = field(default_factory=dict)

    def frame(self) -> Frame:
        """Convert the images.

        Raises:
            InputError: An image can't be read, or its size contradicts the calibration.
        """
        color, rectifier = color_image(self.color), self.calibration.rectifier
        camera = self.calibration.camera
        if color.shape[:2] != (camera.height, camera.width):
            raise InputError(
                f"the color image has {color.shape[1]}x{color.shape[0]} pixels, its CameraInfo "
                f"says {camera.width}x{camera.height}",
                "check which CameraInfo is published",
            )
        return Frame(
            self.stamp,
            self.camera_name,
            self.color.header.frame_id.lstrip("/"),
            camera,
            color if rectifier is None else rectifier.color(color),
            self.calibration.depth(self.depth),
            self.pose,
        )


class CameraInput:
    """Collects the messages of one camera and the transforms, and gives shots when complete.

    Args:
        camera_name: Which camera.
        world_frame: In which poses are asked for.
        patience_ns: How long an image waits for the transform of its stamp.
    """

    def __init__(self, camera_name: str, world_frame: str, patience_ns: int) -> None:
        self._calibration = CalibrationInput()
        self._camera_name = camera_name
        self._world_frame = world_frame
        self._patience = patience_ns
        self._transforms = TransformBuffer()
        self._waiting: deque[tuple[int, Any, Any]] = deque(maxlen=_MAX_WAITING)
        self._problem = ""
        self._links: tuple[str, ...] = ()
        self.unplaced: tuple[str, ...] = ()
        self.reset()

    def reset(self) -> None:
        """Forget images and moving transforms, as after a backward jump of the clock."""
        self._images: Synchronizer[Any, Any] = Synchronizer("color", "depth", newest_only=True)
        self._transforms.clear()
        self._waiting.clear()

    def take_info(self, message: Any) -> Shot | None:
        """Take a `CameraInfo`; give the newest shot that waited for it.

        Raises:
            InputError: The camera is uncalibrated or its values are impossible.
        """
        self._calibration.take(message)
        return self._complete()

    def take_color(self, message: Any) -> Shot | None:
        """Take a color image; give the newest shot that is complete."""
        return self._paired(self._images.add_first(time_from_msg(message.header.stamp), message))

    def take_depth(self, message: Any) -> Shot | None:
        """Take a depth image; give the newest shot that is complete."""
        return self._paired(self._images.add_second(time_from_msg(message.header.stamp), message))

    def take_transforms(self, message: Any, static: bool) -> Shot | None:
        """Take a TFMessage; give the newest shot that waited for it.

        Raises:
            InputError: A transform is impossible; the others are kept.
        """
        refused: InputError | None = None
        for transform in message.transforms:
            try:
                stamp, parent, child, pose = transform_from_msg(transform)
                self._transforms.insert(parent, child, stamp, pose, static)
            except InputError as error:
                refused = error
        if refused is not None:
            raise refused
        return self._complete()

    def follow(self, links: Iterable[str]) -> None:
        """From now on, give the poses of these frames with every shot."""
        self._links = tuple(links)

    def explain(self) -> str:
        """Why no frame is complete."""
        if self._calibration.current is None:
            return "no usable CameraInfo yet"
        return self._problem if self._waiting else self._images.explain()

    def _paired(self, pairs: list[Any]) -> Shot | None:
        self._waiting.extend(pairs)
        return self._complete()

    def _complete(self) -> Shot | None:
        """The newest waiting pair whose pose is known or no longer to be hoped for."""
        calibration = self._calibration.current
        if calibration is None or not self._waiting:
            return None
        newest = self._waiting[-1][0]
        for index in range(len(self._waiting) - 1, -1, -1):
            stamp, color, depth = self._waiting[index]
            pose, hopeless = self._pose(stamp, color.header.frame_id)
            links, awaited = self._places(stamp, color.header.frame_id)
            awaited |= pose is None and not hopeless
            if awaited and newest - stamp < self._patience:
                continue
            for _ in range(index + 1):
                self._waiting.popleft()
            self.unplaced = tuple(name for name in self._links if name not in links)
            return Shot(stamp, self._camera_name, color, depth, calibration, pose, links)
        return None

    def _pose(self, stamp: int, frame_id: str) -> tuple[Pose | None, bool]:
        try:
            return self._transforms.lookup(self._world_frame, frame_id, stamp), False
        except TransformError as error:
            self._problem = str(error)
            return None, not error.may_resolve

    def _places(self, stamp: int, frame_id: str) -> tuple[dict[str, Pose], bool]:
        """Poses of the links that are known, and whether others may still come."""
        links, awaited = {}, False
        known = self._transforms.frames()
        for name in self._links:
            if name in known:  # no driver need ever publish the others
                try:
                    links[name] = self._transforms.lookup(frame_id, name, stamp)
                except TransformError as error:
                    awaited |= error.may_resolve
        return links, awaited

    @property
    def problem(self) -> str:
        """What was wrong with the last transform that was asked for."""
        return self._problem
