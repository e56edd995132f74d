"""Node `gazebo`: what a world in Gazebo needs to look like our own simulator.

It tells the truth about each image of the first camera, from the poses that the world publishes,
and lets commands through to the pusher: bounded, for 0.2 s unless renewed, in the world frame.
Subscribes, publishes: see `perception_nodes.ros.interfaces`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import ConfigurationError
from perception_nodes.geometry.pose import Pose
from perception_nodes.geometry.transforms import TransformBuffer, TransformError
from perception_nodes.ros.conversion import object_states_to_msg
from perception_nodes.ros.geometry_messages import (
    time_from_msg,
    transform_from_msg,
    vector_to_msg,
)
from perception_nodes.ros.interfaces import node
from perception_nodes.ros.managed import ManagedNode
from perception_nodes.ros.parameters import PATH, NodeParameters, text
from perception_nodes.ros.rclpy_factory import RclpyFactory
from perception_nodes.ros.run import main as run_node
from perception_simulation.gazebo.topics import TRUTH_POSES
from perception_simulation.gazebo.truth import PlacedTruth
from perception_simulation.model import PUSHER
from perception_simulation.pusher import COMMAND_LIFE, velocity_of
from perception_simulation.scene_file import load_scene

_WAITING = 30
_PERIOD = 0.02

Work = tuple[int, dict[str, Pose], Pose]


@dataclass(frozen=True)
class GazeboParameters(NodeParameters):
    """Parameters of the node."""

    scene: str = text("", "scene file (YAML) from which the Gazebo world was written", PATH)


class GazeboNode(ManagedNode[GazeboParameters]):
    """Tells the truth about a world in Gazebo and guards its pusher."""

    def __init__(self, **options: Any) -> None:
        super().__init__(node("gazebo"), GazeboParameters, **options)

    def load(self) -> None:
        """Read the scene and connect."""
        if not self.parameters.scene:
            raise ConfigurationError("no scene is given", "set parameter scene to its file")
        self._scene = load_scene(Path(self.parameters.scene).expanduser())
        self._factory = RclpyFactory()
        self._truth: PlacedTruth | None = None
        self._named = {item.name for item in self._scene.objects} | {PUSHER}
        self.forget()
        self._told = self.endpoints.advertise(self.spec.gives("truth/objects"))
        self._velocity = self.endpoints.advertise(self.spec.gives("pusher_velocity"))
        self._worker = self.employ(self._tell, capacity=_WAITING, on_end=self._close)
        self.listen(TRUTH_POSES.lstrip("/"), self._poses, required=True)
        self.listen("/tf", self._poses)
        self.listen("/tf_static", lambda m: self._insert(m, static=True))
        self.listen("camera/color/camera_info", self._image, required=True)
        self.listen("command", self._command)
        self._timer = self.create_timer(_PERIOD, self._drive)

    def unload(self) -> None:
        """Stop the pusher's clockwork."""
        timer = getattr(self, "_timer", None)
        if timer is not None:
            self.destroy_timer(timer)
            self._timer = None

    def forget(self) -> None:
        """The clock jumped back: drop poses and images that wait."""
        self._transforms = TransformBuffer()
        self._waiting: list[tuple[int, str]] = []
        self._wanted: Floats = np.zeros(3)
        self._until = 0
        self._moves = False

    def explain(self) -> str:
        """Why no truth comes."""
        return self._problem if self._waiting else ""

    _problem = ""

    def _insert(self, message: Any, static: bool) -> None:
        for transform in message.transforms:
            stamp, parent, child, pose = transform_from_msg(transform)
            self._transforms.insert(parent, child, stamp, pose, static)

    def _poses(self, message: Any) -> None:
        self._insert(message, static=False)
        self._complete()

    def _image(self, message: Any) -> None:
        self._waiting.append((time_from_msg(message.header.stamp), message.header.frame_id))
        while len(self._waiting) > _WAITING:
            self._waiting.pop(0)
            self.health.dropped("pose unknown", detail=self._problem)
        self._complete()

    def _complete(self) -> None:
        """Hand on the images whose poses have all come."""
        world = self.parameters.world_frame
        while self._waiting:
            stamp, frame = self._waiting[0]
            try:
                eye = self._transforms.lookup(world, frame, stamp)
                known = self._named & self._transforms.frames()
                poses = {n: self._transforms.lookup(world, n, stamp) for n in known}
            except TransformError as error:
                self._problem = str(error)
                if error.may_resolve:
                    return
                self._waiting.pop(0)
                self.health.dropped("pose unknown", detail=self._problem)
                continue
            self._waiting.pop(0)
            self._worker.offer((stamp, poses, eye))

    def _tell(self, work: Work) -> None:
        """In the worker: look at the world as the camera does, and say what is true."""
        stamp, poses, eye = work
        if self._truth is None:
            self._truth = PlacedTruth(replace(self._scene, pusher=True))
        truth = self._truth.tell(stamp, poses, 0, eye)
        world = self.parameters.world_frame
        self._told.publish(object_states_to_msg(truth.objects, stamp, world, self._factory))

    def _close(self) -> None:
        """In the worker, at its end."""
        if self._truth is not None:
            self._truth.close()
            self._truth = None

    def _command(self, message: Any) -> None:
        """Take a velocity of the pusher; it holds for a while."""
        now = self.get_clock().now().nanoseconds
        self._wanted = velocity_of(message, self.parameters.world_frame, now)
        self._until = now + round(COMMAND_LIFE * 1e9)

    def _drive(self) -> None:
        """Renew the pusher's velocity while there is a command, and stop it once afterwards."""
        if not self.active:
            return
        moving = self.get_clock().now().nanoseconds < self._until
        if moving or self._moves:
            make = self._factory
            wanted = self._wanted if moving else np.zeros(3)
            linear = vector_to_msg(wanted, make)
            self._velocity.publish(make.make("geometry_msgs/msg/Twist", linear=linear))
        self._moves = moving


def main() -> None:
    """Run the node."""
    run_node(GazeboNode)
