"""What the RealSense viewer records in its own way: calibration between streams, depth unit.

Its ROS 1 bags have no TF. Beside each stream `S/image/data` lie `S/tf/0`, which takes points from
the device's reference stream to this one (librealsense, rosbag format 4), and the unit of depth as
an option of the sensor. In the shared example the depth edges fall on the color edges only so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perception_nodes.errors import InputError
from perception_nodes.geometry.pose import Pose
from perception_nodes.ros.geometry_messages import quaternion_from_msg, vector_from_msg

_IMAGE, _EXTRINSICS, _UNIT = "/image/data", "/tf/0", "/option/Depth Units/value"
_MILLIMETER = 0.001


def is_constant(topic: str) -> bool:
    """Whether a topic holds one of these constants."""
    return topic.endswith((_EXTRINSICS, _UNIT))


class ViewerConstants:
    """The constants of one camera.

    Args:
        depth, color: Its image topics.
        constants: First message of each topic that is a constant.
    """

    def __init__(self, depth: str, color: str, constants: Mapping[str, Any]) -> None:
        sensor = depth.removesuffix(_IMAGE).rpartition("/")[0]
        unit = constants.get(sensor + _UNIT)
        self._scale = 1.0 if unit is None else float(unit.data) / _MILLIMETER
        self._transforms = [
            constants.get(topic.removesuffix(_IMAGE) + _EXTRINSICS) for topic in (color, depth)
        ]

    @property
    def depth_scale(self) -> float:
        """What depths read as millimeters are to be multiplied with.

        Raises:
            InputError: The unit is impossible.
        """
        if not 0.0 < self._scale < 100.0:
            raise InputError(f"the recording says that depths come in units of {self._scale} mm")
        return self._scale

    def color_from_depth(self) -> Pose | None:
        """The depth camera's pose in the color camera; None where the recording has none.

        Raises:
            InputError: It is no transform.
        """
        color, depth = self._transforms
        return None if color is None or depth is None else _pose(color) @ _pose(depth).inverse()


def _pose(msg: Any) -> Pose:
    return Pose.from_quaternion(vector_from_msg(msg.translation), quaternion_from_msg(msg.rotation))
