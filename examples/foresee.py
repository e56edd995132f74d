"""Where a moving object will be, and how sure that is, without ROS: foresee.py."""

import numpy as np

from perception_nodes.cjepa.kalman_futures import KalmanFutures
from perception_nodes.geometry.pose import Pose
from perception_nodes.scene import ObjectState, Visibility

ball = ObjectState(
    id="ball",
    stamp=0,
    pose=Pose.identity(),
    pose_covariance=np.eye(6) * 1e-4,
    velocity=np.array([0.3, 0.0, 0.0]),
    angular_velocity=np.zeros(3),
    twist_covariance=np.eye(6) * 1e-3,
    size=np.full(3, 0.08),
    visibility=Visibility.OCCLUDED,
    first_seen=0,
    last_seen=0,
    existence=1.0,
)
(future,) = KalmanFutures().foresee(0, [ball]).predictions
for stamp, pose, covariance in zip(future.stamps, future.poses, future.covariances, strict=True):
    sure = np.sqrt(covariance[0, 0])
    print(f"in {stamp * 1e-9:.1f} s at x = {pose.translation[0]:.2f} m, give or take {sure:.2f} m")
