"""Node `viewrope`: RGB-D images and transforms in, slots and their masks out.

Subscribes, publishes: see `perception_nodes.ros.interfaces`. Without a transform at the stamp of an
image its slots are published with an empty world frame, and /diagnostics says what is missing.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from perception_nodes.ros.camera_input import CameraInput, Shot
from perception_nodes.ros.conversion import slots_to_msg
from perception_nodes.ros.image_messages import labels_to_msg
from perception_nodes.ros.interfaces import node
from perception_nodes.ros.managed import ManagedNode
from perception_nodes.ros.parameters import NodeParameters, number, text
from perception_nodes.ros.rclpy_factory import RclpyFactory
from perception_nodes.ros.run import main as run_node
from perception_nodes.viewrope.depth_finder import DepthFinder

TRANSPORTS = ("raw", "compressed")


@dataclass(frozen=True)
class ViewropeParameters(NodeParameters):
    """Parameters of the node."""

    camera_name: str = text("camera", "name of the camera in slots and evidence")
    image_transport: str = text("raw", "how images travel", choices=TRANSPORTS)
    transform_patience: float = number(
        0.2, "how long an image waits for the transform of its stamp, s", 0.0, 5.0, read_only=True
    )


class ViewropeNode(ManagedNode[ViewropeParameters]):
    """Finds the objects that a camera's images show."""

    def __init__(self, **options: Any) -> None:
        super().__init__(node("viewrope"), ViewropeParameters, **options)

    def load(self) -> None:
        """Make the finder and connect the camera."""
        parameters = self.parameters
        self._factory = RclpyFactory()
        self._finder = DepthFinder()
        self.facts["model"] = self._finder.model_id
        self._jumped_back = threading.Event()
        self._camera = CameraInput(
            parameters.camera_name,
            parameters.world_frame,
            round(parameters.transform_patience * 1e9),
        )
        self._slots = self.endpoints.advertise(self.spec.gives("slots"))
        self._masks = self.endpoints.advertise(self.spec.gives("slot_masks"))
        self._worker = self.employ(self._process)
        color, depth = "camera/color/image_raw", "camera/depth/image_raw"
        if parameters.image_transport == "compressed":
            color, depth = f"{color}/compressed", f"{depth}/compressedDepth"
        self.listen(color, lambda m: self._offer(self._camera.take_color(m)), required=True)
        self.listen(depth, lambda m: self._offer(self._camera.take_depth(m)), required=True)
        self.listen("camera/color/camera_info", lambda m: self._offer(self._camera.take_info(m)))
        self.listen("/tf", lambda m: self._offer(self._camera.take_transforms(m, static=False)))
        self.listen(
            "/tf_static", lambda m: self._offer(self._camera.take_transforms(m, static=True))
        )

    def forget(self) -> None:
        """The clock jumped back: drop images, transforms and what the finder remembers."""
        self._camera.reset()
        self._jumped_back.set()

    def explain(self) -> str:
        """Why no frame is complete."""
        return self._camera.explain()

    def _offer(self, shot: Shot | None) -> None:
        if shot is not None:
            self.health.dropped("superseded by a newer image", self._worker.offer(shot))

    def _process(self, shot: Shot) -> None:
        """In the worker: find slots and publish them."""
        began = time.perf_counter()
        if self._jumped_back.is_set():
            self._jumped_back.clear()
            self._finder.reset()
        if shot.pose is None:
            self.health.dropped("pose unknown", detail=self._camera.problem)
        slots = self._finder.find(shot.frame())
        message = slots_to_msg(slots, shot.pose, self.parameters.world_frame, self._factory)
        if self._masks.get_subscription_count():
            self._masks.publish(labels_to_msg(slots.labels, message.header, self._factory))
        self._slots.publish(message)
        self.finished(shot.stamp, began)


def main() -> None:
    """Run the node."""
    run_node(ViewropeNode)
