"""Take a robot's arm out of a depth image, without ROS: mask_the_robot.py [URDF LINK]."""

import sys
from pathlib import Path

import numpy as np

from perception_nodes.frames.robot_description import read_urdf
from perception_nodes.frames.robot_mask import RobotMask
from perception_nodes.geometry.camera import Camera
from perception_nodes.geometry.pose import Pose

ARM = """<robot name="arm"><link name="arm"><collision><geometry>
<cylinder radius="0.05" length="0.6"/></geometry></collision></link></robot>"""

given = len(sys.argv) > 2
robot = read_urdf(Path(sys.argv[1]).read_text() if given else ARM, lambda _: None)
link = sys.argv[2] if given else "arm"
camera = Camera(320, 240, 300.0, 300.0, 159.5, 119.5)
depth = np.full((240, 320), 0.8, np.float32)  # a wall right where the arm is
place = Pose(np.eye(3), np.array([0.0, 0.0, 0.8]))  # of the link in the optical frame
mask = RobotMask(robot, padding=0.02).find(depth, camera, {link: place})
print(f"{mask.mean():.1%} of the image is robot")
