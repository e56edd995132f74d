"""Writes what the pipeline believes as a recording that ROS tools and Foxglove open."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from perception_nodes.arrays import Bytes
from perception_nodes.bags.writer import BagWriter
from perception_nodes.ros.conversion import (
    events_to_msg,
    influences_to_msg,
    object_states_to_msg,
    predictions_to_msg,
    slots_to_msg,
)
from perception_nodes.ros.factory import RosbagsFactory, typestore
from perception_nodes.ros.future_markers import future_markers, moving_predictions
from perception_nodes.ros.geometry_messages import header_to_msg, transform_to_msg
from perception_nodes.ros.image_messages import color_to_compressed_msg, labels_to_msg
from perception_nodes.ros.mirrors import detections_to_msg, markers_to_msg
from perception_nodes.scene import WORLD_FRAME, Frame, Sample, SceneState

_PREVIEW_WIDTH = 320
_USUAL = (  # types of the messages of every frame
    *("permanence/msg/SlotArray", "sensor_msgs/msg/Image", "permanence/msg/ObjectStateArray"),
    *("visualization_msgs/msg/MarkerArray", "vision_msgs/msg/Detection3DArray"),
    *("sensor_msgs/msg/CompressedImage", "tf2_msgs/msg/TFMessage"),
)


class Recorder:
    """A sink that writes an MCAP file: our messages, their standard mirrors, and a preview.

    Topics: objects, slots, slot_masks, events; predictions of what is expected to move, influences;
    objects_markers and detections for other people's tools; /tf with the camera; a small camera
    image; truth/objects where there is truth. The same input gives the same bytes.

    Args:
        path: Of the file, which appears when the recorder is left as a context manager.
        world_frame: TF name of the world.
    """

    def __init__(self, path: Path, world_frame: str = WORLD_FRAME) -> None:
        self._writer = BagWriter(path)
        self._world = world_frame
        self._factory = RosbagsFactory()
        for kind in _USUAL:  # compiled here and not when the first frame waits
            typestore().get_msgdef(kind)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)

    def write(
        self,
        sample: Sample,
        state: SceneState,
        timings: Mapping[str, float],  # noqa: ARG002 -- part of the protocol; never recorded
    ) -> None:
        """Take one frame and what is believed after it."""
        frame, factory, world = sample.frame, self._factory, self._world
        header = header_to_msg(frame.stamp, frame.frame_id, factory)
        self._put("/slots", slots_to_msg(state.slots, frame.pose, world, factory), frame)
        self._put("/slot_masks", labels_to_msg(state.slots.labels, header, factory), frame)
        objects = object_states_to_msg(
            state.objects, state.stamp, world, factory, frame.camera_name
        )
        self._put("/objects", objects, frame)
        if state.events:
            self._put("/events", events_to_msg(state.events, state.stamp, world, factory), frame)
        self._put_futures(state, frame)
        markers = markers_to_msg(state.objects, state.stamp, world, factory)
        futures = (state.predictions, state.influences)
        shown = markers.markers[0].header
        markers.markers += future_markers(state.objects, *futures, shown, factory)
        self._put("/objects_markers", markers, frame)
        detections = detections_to_msg(state.objects, state.stamp, world, factory)
        self._put("/detections", detections, frame)
        preview = color_to_compressed_msg(_preview(frame), header, factory)
        self._put(f"/{frame.camera_name}/preview/compressed", preview, frame)
        if frame.pose is not None:
            transform = transform_to_msg(frame.pose, frame.stamp, world, frame.frame_id, factory)
            message = factory.make("tf2_msgs/msg/TFMessage", transforms=[transform])
            self._put("/tf", message, frame)
        if sample.truth is not None:
            truth = object_states_to_msg(sample.truth.objects, frame.stamp, world, factory)
            self._put("/truth/objects", truth, frame)

    def _put_futures(self, state: SceneState, frame: Frame) -> None:
        where = (state.stamp, self._world, self._factory)
        moving = moving_predictions(state.objects, state.predictions)
        if moving:
            self._put("/predictions", predictions_to_msg(moving, *where), frame)
        if state.influences:
            self._put("/influences", influences_to_msg(state.influences, *where), frame)

    def _put(self, topic: str, message: Any, frame: Frame) -> None:
        self._writer.write(topic, message, frame.stamp)


def _preview(frame: Frame) -> Bytes:
    if frame.camera.width <= _PREVIEW_WIDTH:
        return frame.color
    size = _PREVIEW_WIDTH, round(frame.camera.height * _PREVIEW_WIDTH / frame.camera.width)
    return np.asarray(cv2.resize(frame.color, size, interpolation=cv2.INTER_AREA))
