"""Node `simulator`: a simulated table, camera and pusher as a robot has them, with the truth.

Subscribes, publishes, offers: see `perception_nodes.ros.interfaces`. It gives the time (/clock):
all other nodes need `use_sim_time`. When the scene ends it starts anew and the clock jumps back.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.conversion import object_states_to_msg, people_to_msg
from perception_nodes.ros.geometry_messages import (
    camera_info_to_msg,
    header_to_msg,
    transform_to_msg,
    transforms_to_msg,
)
from perception_nodes.ros.image_messages import color_to_msg, depth_to_msg
from perception_nodes.ros.interfaces import node
from perception_nodes.ros.managed import ManagedNode
from perception_nodes.ros.parameters import PATH, NodeParameters, count, number, switch, text
from perception_nodes.ros.rclpy_factory import RclpyFactory
from perception_nodes.ros.run import main as run_node
from perception_nodes.scene import ObjectState, Sample
from perception_simulation.gazebo.robot import pusher_urdf
from perception_simulation.generator import generate
from perception_simulation.pusher import velocity_of
from perception_simulation.scene_file import load_scene
from perception_simulation.simulator import Simulator

_STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class SimulatorParameters(NodeParameters):
    """Parameters of the node."""

    scene: str = text("", "scene file (YAML); empty for a generated one", PATH)
    seed: int = count(1, "of the generated scene", 0, 2**31, read_only=True)
    speed: float = number(1.0, "simulated seconds a second, if the machine can", 0.01, 100.0)
    repeat: bool = switch(True, "start the scene anew when it ends", read_only=True)


class SimulatorNode(ManagedNode[SimulatorParameters]):
    """Simulates a table, a camera and a pusher."""

    def __init__(self, **options: Any) -> None:
        super().__init__(node("simulator"), SimulatorParameters, **options)

    def load(self) -> None:
        """Read the scene and advertise."""
        parameters = self.parameters
        path = Path(parameters.scene).expanduser() if parameters.scene else None
        scene = load_scene(path) if path else generate(parameters.seed)
        self._simulator = Simulator(replace(scene, pusher=True))
        self._stamp = 0
        self.facts["scene"] = str(path or f"generated, seed {parameters.seed}")
        self._factory = RclpyFactory()
        self._outputs = {t.name: self.endpoints.advertise(t) for t in self.spec.publishes}
        self._described = False
        self._restart, self._ended = threading.Event(), threading.Event()
        self.endpoints.offer(self.spec.offers("reset"), self._reset)
        self.listen("command", self._command)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to simulate, from the start of the scene."""
        result = super().on_activate(state)
        self._ended.clear()
        self._thread = threading.Thread(target=self.guard, args=(self._run, None), daemon=True)
        self._thread.start()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop to simulate."""
        self.unload()
        return super().on_deactivate(state)

    def unload(self) -> None:
        """End the thread; the renderer belongs to it and is closed there."""
        thread = getattr(self, "_thread", None)
        if thread is not None:
            self._ended.set()
            thread.join(_STOP_TIMEOUT_S)

    def _command(self, message: Any) -> None:
        """Drive the pusher; a controller has to go on commanding, or the pusher stops."""
        self._simulator.command(velocity_of(message, self.parameters.world_frame, self._stamp))

    def _reset(self, _: Any, response: Any) -> Any:
        """Service `reset`."""
        self._restart.set()
        response.success, response.message = True, "the scene starts anew"
        return response

    def _run(self, _: None) -> None:
        """In the thread: the scene once, or until the node is deactivated."""
        while not self._ended.is_set():
            self._restart.clear()
            due = time.perf_counter()
            previous = 0
            for sample in self._simulator:
                began = time.perf_counter()
                due = max(due + (sample.frame.stamp - previous) * 1e-9 / self._speed(), began)
                previous = sample.frame.stamp
                if self._ended.wait(due - began) or self._restart.is_set():
                    break
                if sample.frame.camera_name == self._simulator.scene.cameras[0].name:
                    self._publish(sample)
                    self.finished(sample.frame.stamp, began)
            if not self.parameters.repeat and not self._restart.is_set():
                return

    def _speed(self) -> float:
        return self.parameters.speed

    def _publish(self, sample: Sample) -> None:
        frame, make = sample.frame, self._factory
        world_frame = self.parameters.world_frame
        self._stamp = frame.stamp
        if not self._described:  # latched, and lost if it were sent before the node is active
            self._send("robot_description", make.make("std_msgs/msg/String", data=pusher_urdf()))
            self._described = True
        header = header_to_msg(frame.stamp, frame.frame_id, make)
        self._send("/clock", make.make("rosgraph_msgs/msg/Clock", clock=header.stamp))
        objects = sample.truth.objects if sample.truth is not None else ()
        poses = {o.id: _tip(o) for o in objects if o.label == "pusher"}
        if frame.pose is not None:
            poses[frame.frame_id] = frame.pose
        transforms = [
            transform_to_msg(pose, frame.stamp, world_frame, name, make)
            for name, pose in poses.items()
        ]
        self._send("/tf", transforms_to_msg(transforms, make))
        info = camera_info_to_msg(frame.camera, frame.stamp, frame.frame_id, make)
        self._send("camera/color/camera_info", info)
        self._send("camera/color/image_raw", color_to_msg(frame.color, header, make))
        self._send("camera/depth/image_raw", depth_to_msg(frame.depth, header, make))
        if sample.truth is not None:
            truth = object_states_to_msg(objects, frame.stamp, world_frame, make)
            self._send("truth/objects", truth)
            people = people_to_msg(sample.truth.people, frame.stamp, world_frame, make)
            self._send("truth/people", people)

    def _send(self, topic: str, message: Any) -> None:
        self._outputs[topic].publish(message)


def _tip(pusher: ObjectState) -> Pose:
    """The pose of the pusher's lower end; the state is that of its box."""
    below = np.array([0.0, 0.0, -pusher.size[2] / 2.0])
    return Pose(pusher.pose.rotation, pusher.position + pusher.pose.rotation @ below)


def main() -> None:
    """Run the node."""
    run_node(SimulatorNode)
