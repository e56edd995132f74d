"""Where the pusher is, from transforms. ROS-free."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from perception_nodes.arrays import Floats
from perception_nodes.errors import InputError
from perception_nodes.geometry.transforms import TransformBuffer, TransformError
from perception_nodes.ros.geometry_messages import transform_from_msg
from perception_nodes.scene import ObjectState

_BESIDE = 0.02
_THIN = 0.015


class Tool(NamedTuple):
    """The pusher's tip (3,) at a time (ns), world frame."""

    stamp: int
    tip: Floats


class ToolInput:
    """Follows the frame of the pusher's tip.

    Args:
        world_frame: In which it is asked for.
        frame: Of the tip.
    """

    def __init__(self, world_frame: str, frame: str) -> None:
        self._world_frame, self._frame = world_frame, frame
        self._transforms = TransformBuffer()
        self._newest_stamp = -1
        self.problem = f"no transform names the frame {frame!r} yet"

    def reset(self) -> None:
        """Forget where it was, as after a backward jump of the clock."""
        self._transforms.clear()
        self._newest_stamp = -1

    def take(self, message: Any, static: bool) -> Tool | None:
        """Take a TFMessage; the newest place if it is one of the tip.

        Raises:
            InputError: A transform is impossible; the others are kept.
        """
        stamps, refused = [], None
        for transform in message.transforms:
            try:
                stamp, parent, child, pose = transform_from_msg(transform)
                self._transforms.insert(parent, child, stamp, pose, static)
                stamps.append(stamp)
            except InputError as error:
                refused = error
        found = self._newest(max(stamps)) if stamps and not static else None
        if refused is not None:
            raise refused
        return found

    def _newest(self, stamp: int) -> Tool | None:
        try:
            tip = self._transforms.lookup(self._world_frame, self._frame, stamp).translation
        except TransformError as error:
            self.problem = str(error)
            return None
        if stamp <= self._newest_stamp:
            return None
        self._newest_stamp = stamp
        return Tool(stamp, tip)


def without_tool(
    objects: Iterable[ObjectState], tip: Floats, radius: float, keep: Iterable[str]
) -> tuple[ObjectState, ...]:
    """The object states without those that are the pusher itself, which the camera also sees.

    Args:
        objects: What is believed.
        tip: (3,) lower end of the pusher.
        radius: Of the pusher, m.
        keep: Ids that are no pusher for sure.
    """
    kept = set(keep)

    def is_tool(state: ObjectState) -> bool:
        x, y, _ = np.abs(state.position - tip).tolist()
        beside = max(x, y) <= _BESIDE
        thin = float(np.sort(state.size)[1]) <= 2.0 * radius + _THIN
        return beside and thin and float(state.position[2]) > float(tip[2])

    return tuple(s for s in objects if s.id in kept or not is_tool(s))
