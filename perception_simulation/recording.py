"""Write simulated frames and their truth as a recording that ROS tools and replay read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from perception_nodes.bags.writer import BagWriter
from perception_nodes.ros.conversion import events_to_msg, object_states_to_msg, people_to_msg
from perception_nodes.ros.factory import RosbagsFactory
from perception_nodes.ros.geometry_messages import (
    camera_info_to_msg,
    header_to_msg,
    time_to_msg,
    transform_to_msg,
    transforms_to_msg,
)
from perception_nodes.ros.image_messages import (
    color_to_compressed_msg,
    color_to_msg,
    depth_to_compressed_msg,
    depth_to_msg,
    labels_to_msg,
)
from perception_nodes.scene import WORLD_FRAME, Frame, Sample, Truth


def record(
    samples: Iterable[Sample],
    writer: BagWriter,
    *,
    compressed: bool = True,
    on_frame: Callable[[], None] = lambda: None,
) -> None:
    """Write all samples.

    Topics: those of each camera, /tf and /clock; truth/objects, truth/events, truth/people, and
    truth/masks, a mono8 image for each frame, whose value is the position in truth/objects + 1.

    Args:
        samples: Of a simulator.
        writer: Where to.
        compressed: Whether color becomes JPEG and depth PNG.
        on_frame: Called after each frame.

    Raises:
        BagError: The recording can't be written.
    """
    recorder = _Recorder(writer, compressed)
    for sample in samples:
        recorder.write(sample)
        on_frame()


class _Recorder:
    def __init__(self, writer: BagWriter, compressed: bool) -> None:
        self._writer = writer
        self._compressed = compressed
        self._factory = RosbagsFactory()
        self._told = -1

    def write(self, sample: Sample) -> None:
        frame, truth = sample
        stamp = frame.stamp
        if stamp != self._told:  # cameras of one moment share clock and states
            clock = self._factory.make(
                "rosgraph_msgs/msg/Clock", clock=time_to_msg(stamp, self._factory)
            )
            self._writer.write("/clock", clock, stamp)
            if truth is not None:
                self._states(truth)
            self._told = stamp
        self._camera(frame)
        if truth is not None and truth.labels is not None:
            header = header_to_msg(stamp, frame.frame_id, self._factory)
            masks = labels_to_msg(truth.labels, header, self._factory)
            self._writer.write("/truth/masks", masks, stamp)

    def _states(self, truth: Truth) -> None:
        states = object_states_to_msg(truth.objects, truth.stamp, WORLD_FRAME, self._factory)
        self._writer.write("/truth/objects", states, truth.stamp)
        if truth.events:
            events = events_to_msg(truth.events, truth.stamp, WORLD_FRAME, self._factory)
            self._writer.write("/truth/events", events, truth.stamp)
        if truth.people:
            people = people_to_msg(truth.people, truth.stamp, WORLD_FRAME, self._factory)
            self._writer.write("/truth/people", people, truth.stamp)

    def _camera(self, frame: Frame) -> None:
        make, stamp = self._factory, frame.stamp
        header = header_to_msg(stamp, frame.frame_id, make)
        if frame.pose is not None:
            transform = transform_to_msg(frame.pose, stamp, WORLD_FRAME, frame.frame_id, make)
            self._writer.write("/tf", transforms_to_msg([transform], make), stamp)
        info = camera_info_to_msg(frame.camera, stamp, frame.frame_id, make)
        self._put(frame, "color/camera_info", info)
        if self._compressed:
            color = color_to_compressed_msg(frame.color, header, make)
            depth = depth_to_compressed_msg(frame.depth, header, make)
            self._put(frame, "color/image_raw/compressed", color)
            self._put(frame, "depth/image_raw/compressedDepth", depth)
        else:
            self._put(frame, "color/image_raw", color_to_msg(frame.color, header, make))
            self._put(frame, "depth/image_raw", depth_to_msg(frame.depth, header, make))

    def _put(self, frame: Frame, topic: str, message: Any) -> None:
        self._writer.write(f"/{frame.camera_name}/{topic}", message, frame.stamp)
