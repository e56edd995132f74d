"""The robot in a recording: its description and transforms take it out of the depth images."""

from __future__ import annotations

from perception_nodes.bags.model import Topic
from perception_nodes.errors import InputError
from perception_nodes.frames.account import Account
from perception_nodes.frames.robot_description import read_urdf
from perception_nodes.frames.robot_mask import RobotMask
from perception_nodes.geometry.pose import Pose
from perception_nodes.geometry.transforms import TransformBuffer, TransformError
from perception_nodes.ros.packages import mesh_file
from perception_nodes.scene import Frame

_PADDING = 0.02
_NAME, _TYPE = "robot_description", "std_msgs/msg/String"


def is_description(topic: Topic) -> bool:
    """Whether a topic brings a robot's URDF, as `robot_state_publisher` names it."""
    return topic.type_name == _TYPE and topic.name.rsplit("/", 1)[-1] == _NAME


class RobotInput:
    """Masks the robot's own links once a recording has described them.

    Args:
        transforms: Where the links are.
        account: Told what can't be masked.
    """

    def __init__(self, transforms: TransformBuffer, account: Account) -> None:
        self._transforms = transforms
        self._account = account
        self._mask: RobotMask | None = None

    def describe(self, text: str) -> None:
        """Take a URDF; one that can't be read is noted."""
        try:
            robot = read_urdf(text, mesh_file)
        except InputError as error:
            self._account.note("the robot itself is not masked", str(error))
            return
        for problem in robot.problems:
            self._account.note(f"a link of the robot is not masked fully: {problem}")
        self._mask = RobotMask(robot, _PADDING)

    def without_robot(self, frame: Frame) -> Frame:
        """The frame with NaN for depth where it shows the robot."""
        if self._mask is None:
            return frame
        links: dict[str, Pose] = {}
        for name in self._mask.robot.links:
            try:
                links[name] = self._transforms.lookup(frame.frame_id, name, frame.stamp)
            except (TransformError, InputError) as error:
                self._account.note(f"link {name} of the robot is not masked", str(error))
        return self._mask.without_robot(frame, links)
