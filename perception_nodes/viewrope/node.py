"""Node `viewrope`: RGB-D images and transforms in, slots and their masks out.

Subscribes, publishes: see `perception_nodes.ros.interfaces`. Parameter `slots` says what finds the
objects: depth alone, the learned encoder, or a detector that publishes its detections. Without a
transform at the stamp of an image its slots are published with an empty world frame, and
/diagnostics says what is missing. Where the robot is described, its own links are masked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from perception_nodes.errors import ConfigurationError
from perception_nodes.frames.robot_description import read_urdf
from perception_nodes.frames.robot_mask import RobotMask
from perception_nodes.gate.governor import Governor, Part
from perception_nodes.gate.source import GatedSource, gated
from perception_nodes.ros.allowance import Allowance
from perception_nodes.ros.camera_input import CameraInput, Shot, check_stamp
from perception_nodes.ros.conversion import slots_to_msg
from perception_nodes.ros.detection_messages import DETECTIONS_TYPE, DetectionInput
from perception_nodes.ros.frozen import FrozenImages
from perception_nodes.ros.geometry_messages import time_from_msg
from perception_nodes.ros.image_messages import labels_to_msg
from perception_nodes.ros.interfaces import node
from perception_nodes.ros.managed import ManagedNode
from perception_nodes.ros.packages import mesh_file
from perception_nodes.ros.parameters import ModelParameters, number, switch, text
from perception_nodes.ros.rclpy_factory import RclpyFactory, interface
from perception_nodes.ros.run import main as run_node
from perception_nodes.scene import PlanStatus
from perception_nodes.viewrope.detections import Detection, DetectionFinder, GivenDetections
from perception_nodes.viewrope.factory import DEFAULT, SOURCES, make_source
from perception_nodes.viewrope.source import SlotSource, Telling

TRANSPORTS = ("raw", "compressed")
DETECTIONS = "detections"
_NEEDED_NS = 1_000_000_000

Work = tuple[Shot, tuple[Detection, ...]]


@dataclass(frozen=True)
class ViewropeParameters(ModelParameters):
    """Parameters of the node."""

    camera_name: str = text("camera", "name of the camera in slots and evidence")
    slots: str = text(
        DEFAULT, "what finds objects: depth alone, the learned encoder, or a detector's messages",
        choices=(*SOURCES, DETECTIONS),
    )  # fmt: skip
    gate: bool = switch(
        False, "search only images in which something moved; slots of the others say that nobody "
        "looked, and how stale they are",
        read_only=True,
    )  # fmt: skip
    search_budget: float = number(
        1.0, "with the gate: share of the time between images that searching may take on average; "
        "1: search all in which something moved",
        0.01, 1.0, read_only=True,
    )  # fmt: skip
    image_transport: str = text("raw", "how images travel", choices=TRANSPORTS)
    transform_patience: float = number(
        0.2, "how long an image waits for the transform of its stamp, s", 0.0, 5.0, read_only=True
    )
    frozen_after: float = number(
        2.0, "how long images may be all the same before the camera counts as frozen, s; 0: for "
        "ever, for simulators without noise",
        0.0, 3600.0, read_only=True,
    )  # fmt: skip
    robot_padding: float = number(
        0.02, "room around the robot's own links that is no object either, m", 0.0, 0.2,
        read_only=True,
    )  # fmt: skip


class ViewropeNode(ManagedNode[ViewropeParameters]):
    """Finds the objects that a camera's images show."""

    def __init__(self, **options: Any) -> None:
        super().__init__(node("viewrope"), ViewropeParameters, **options)

    def load(self) -> None:
        """Make the source of slots, warm, and connect the camera."""
        parameters = self.parameters
        self._factory = RclpyFactory()
        self._given = GivenDetections()
        self._paired = DetectionInput() if parameters.slots == DETECTIONS else None
        self._source = self._make_source()
        self._governor: Governor | None = None
        if parameters.gate:
            if parameters.search_budget < 1.0:
                self._governor = Governor(parameters.search_budget, (Part.SEARCH,))
            self._source = gated(self._source, self._governor, None)
        self._tell()
        self._jumped_back = threading.Event()
        self._camera = CameraInput(
            parameters.camera_name,
            parameters.world_frame,
            round(parameters.transform_patience * 1e9),
        )
        self._slots = self.endpoints.advertise(self.spec.gives("slots"))
        self._masks = self.endpoints.advertise(self.spec.gives("slot_masks"))
        self._worker = self.employ(self._process)
        self._frozen = FrozenImages(round(parameters.frozen_after * 1e9))
        self._robot: RobotMask | None = None
        self._allowance = Allowance(Part.SEARCH)
        self.listen("compute_pressure", self._press)
        self.listen("plan_status", self._heed)
        self.listen("robot_description", self._describe)
        self._connect(parameters.image_transport == "compressed")

    def forget(self) -> None:
        """The clock jumped back: drop images, transforms and what the source remembers."""
        self._camera.reset()
        if self._paired is not None:
            self._paired.reset()
        self._jumped_back.set()

    def explain(self) -> str:
        """Why no frame is complete, or has no detections."""
        return self._camera.explain() if self._paired is None else self._paired.explain()

    def degraded(self) -> str:
        """Which parts of the robot are not masked."""
        if self._robot is None:
            return ""
        problems = list(self._robot.robot.problems)
        problems += [f"{name}: no transform at the image's time" for name in self._camera.unplaced]
        return f"the robot itself is not masked fully: {'; '.join(problems)}" if problems else ""

    def _describe(self, message: Any) -> None:
        """Take the robot's description, whose links are no objects."""
        robot = read_urdf(message.data, mesh_file)
        self._camera.follow(robot.links)
        self._robot = RobotMask(robot, self.parameters.robot_padding)

    def _press(self, message: Any) -> None:
        """The graph's governor says how much is too much; with a budget of its own, nothing."""
        self._allowance.take(message)
        if self._governor is None and isinstance(self._source, GatedSource):
            self._source.governor = self._allowance.governor

    def _heed(self, message: Any) -> None:
        """While the robot pushes something each image is searched."""
        if isinstance(self._source, GatedSource) and self._source.governor is not None:
            until = time_from_msg(message.header.stamp) + _NEEDED_NS
            if message.status == PlanStatus.RUNNING:
                self._source.governor.need((Part.SEARCH,), until)

    def _make_source(self) -> SlotSource:
        parameters = self.parameters
        if parameters.slots == DETECTIONS:
            return DetectionFinder(self._given)
        source = make_source(
            parameters.slots, parameters.device, parameters.models(), parameters.precision
        )
        if isinstance(source, Telling):
            log = self.get_logger().info if parameters.device == "auto" else self.get_logger().warn
            for name, reason in source.facts().items():
                if name.startswith("not on "):
                    log(f"{source.model_id} does not run on {name[7:]}: {reason}")
        return source

    def _connect(self, compressed: bool) -> None:
        color, depth = "camera/color/image_raw", "camera/depth/image_raw"
        if compressed:
            color, depth = f"{color}/compressed", f"{depth}/compressedDepth"
        camera = self._camera
        self.listen(color, lambda m: self._image(camera.take_color, m), required=True)
        self.listen(depth, lambda m: self._image(camera.take_depth, m), required=True)
        self.listen("camera/color/camera_info", lambda m: self._take(camera.take_info(m)))
        self.listen("/tf", lambda m: self._take(camera.take_transforms(m, static=False)))
        self.listen("/tf_static", lambda m: self._take(camera.take_transforms(m, static=True)))
        paired = self._paired
        if paired is not None:
            _require_vision_msgs()
            topic = "camera/detections"
            self.listen(topic, lambda m: self._offer(paired.take_detections(m)), required=True)

    def _image(self, take: Callable[[Any], Shot | None], message: Any) -> None:
        check_stamp(time_from_msg(message.header.stamp), self.get_clock().now().nanoseconds)
        self._take(take(message))

    def _take(self, shot: Shot | None) -> None:
        if shot is not None:
            self._offer((shot, ()) if self._paired is None else self._paired.take_shot(shot))

    def _offer(self, work: Work | None) -> None:
        if work is not None:
            self.health.dropped("superseded by a newer image", self._worker.offer(work))

    def _process(self, work: Work) -> None:
        """In the worker: find slots and publish them."""
        began = time.perf_counter()
        shot, self._given.current = work
        if self._jumped_back.is_set():
            self._jumped_back.clear()
            self._frozen.reset()
            self._source.reset()
        frozen = self._frozen.look(shot.stamp, shot.color, shot.depth)
        if frozen:  # what is in it may be gone for long: better to know nothing
            detail = f"the camera is frozen: for {frozen:.1f} s all its images have been the same"
            self.health.dropped("frozen image", detail=detail)
            return
        if shot.pose is None:
            self.health.dropped("pose unknown", detail=self._camera.problem)
        frame, robot = shot.frame(), self._robot
        if robot is not None:
            frame = robot.without_robot(frame, shot.links)
        slots = self._source.find(frame)
        message = slots_to_msg(slots, shot.pose, self.parameters.world_frame, self._factory)
        if self._masks.get_subscription_count():
            self._masks.publish(labels_to_msg(slots.labels, message.header, self._factory))
        self._slots.publish(message)
        if self._governor is not None:
            self._governor.spent(shot.stamp, {Part.SEARCH: time.perf_counter() - began})
        self.finished(shot.stamp, began)
        self._tell()

    def _tell(self) -> None:
        """Bring the figures for /diagnostics up to date; another thread reads them."""
        told = self._source.facts() if isinstance(self._source, Telling) else {}
        self.facts = {"slots from": self.parameters.slots, "model": self._source.model_id, **told}


def _require_vision_msgs() -> None:
    try:
        interface(DETECTIONS_TYPE)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "slots from detections need the package vision_msgs, which is not installed",
            "apt install ros-$ROS_DISTRO-vision-msgs, or choose another source of slots",
        ) from error


def main() -> None:
    """Run the node."""
    run_node(ViewropeNode)
