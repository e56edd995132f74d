"""Joins slots, their masks and the depth image they were found in, as they arrive. ROS-free."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from perception_nodes.ros.camera_input import Calibration, CalibrationInput
from perception_nodes.ros.conversion import slots_from_msg
from perception_nodes.ros.geometry_messages import time_from_msg
from perception_nodes.ros.images import label_image
from perception_nodes.scene import Frame, Slots

_KEPT = 30
_DEPTH_TOLERANCE_NS = 50_000_000


@dataclass(frozen=True, slots=True)
class SlotShot:
    """The messages that belong to one frame, not yet converted."""

    stamp: int
    slots: Any
    masks: Any
    depth: Any
    calibration: Calibration

    def convert(self) -> tuple[Frame, Slots]:
        """The frame, with a black color image, and its slots.

        Raises:
            InputError: A message can't be read.
        """
        slots, pose = slots_from_msg(self.slots, label_image(self.masks))
        camera = self.calibration.camera
        black = np.broadcast_to(np.uint8(0), (camera.height, camera.width, 3))
        depth = self.calibration.depth(self.depth)
        frame = Frame(slots.stamp, slots.camera_name, slots.frame_id, camera, black, depth, pose)
        return frame, slots


class SlotInput:
    """Collects messages; masks have the stamp of the slots, depth the nearest one within 50 ms."""

    def __init__(self) -> None:
        self._calibration = CalibrationInput()
        self._slots: OrderedDict[int, Any] = OrderedDict()
        self._masks: OrderedDict[int, Any] = OrderedDict()
        self._depth: OrderedDict[int, Any] = OrderedDict()

    def reset(self) -> None:
        """Forget all messages, as after a backward jump of the clock."""
        for kept in (self._slots, self._masks, self._depth):
            kept.clear()

    def take_info(self, message: Any) -> list[SlotShot]:
        """Take a `CameraInfo`; give what waited for it, oldest first.

        Raises:
            InputError: The camera is uncalibrated or its values are impossible.
        """
        self._calibration.take(message)
        return self._complete()

    def take_slots(self, message: Any) -> list[SlotShot]:
        """Take slots; give what is complete, oldest first."""
        return self._take(self._slots, message)

    def take_masks(self, message: Any) -> list[SlotShot]:
        """Take masks; give what is complete, oldest first."""
        return self._take(self._masks, message)

    def take_depth(self, message: Any) -> list[SlotShot]:
        """Take a depth image; give what is complete, oldest first."""
        return self._take(self._depth, message)

    def explain(self) -> str:
        """Why nothing is complete."""
        if self._calibration.current is None:
            return "no usable CameraInfo yet"
        names = ("slots", "slot_masks", "depth")
        kept = (self._slots, self._masks, self._depth)
        missing = [name for name, messages in zip(names, kept, strict=True) if not messages]
        if missing:
            return f"no {' and no '.join(missing)}"
        return "slots, masks and depth come in, but their stamps don't match"

    def _take(self, kept: OrderedDict[int, Any], message: Any) -> list[SlotShot]:
        kept[time_from_msg(message.header.stamp)] = message
        while len(kept) > _KEPT:
            kept.popitem(last=False)
        return self._complete()

    def _complete(self) -> list[SlotShot]:
        calibration = self._calibration.current
        if calibration is None:
            return []
        shots = []
        for stamp in sorted(self._slots.keys() & self._masks.keys()):
            depth = self._nearest_depth(stamp)
            if depth is None:
                continue
            slots, masks = self._slots.pop(stamp), self._masks.pop(stamp)
            shots.append(SlotShot(stamp, slots, masks, depth, calibration))
        return shots

    def _nearest_depth(self, stamp: int) -> Any:
        nearest = min(self._depth, key=lambda s: abs(s - stamp), default=None)
        if nearest is None or abs(nearest - stamp) > _DEPTH_TOLERANCE_NS:
            return None
        return self._depth[nearest]
