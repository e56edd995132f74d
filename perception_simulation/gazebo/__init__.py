"""The same scenes in Gazebo: its world, the robot's description, and the bridge to ROS."""
